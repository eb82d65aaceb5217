"""Traces: one of each execution, from the request or the tick that asks for it to the end of its last attempt.

Off unless `HORARIUM_TRACING` says otherwise, and then we import nothing of OpenTelemetry. What the rest of Horarium
asks is `carried.py`, `derived.py` and `within.py`, which do not need it; `starting.py` is the way in. Behind it
`provider.py`, `places.py` and `spans.py` import it; its own variables say where spans go, and which are kept.

The trace of a tick needs no place to be kept: its id, and that of its first span, are computed from the execution's id
(docs/decisions/0053). What a request asks for is written down with its rows.
"""
