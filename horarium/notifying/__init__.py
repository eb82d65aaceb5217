"""Telling people and machines what became of executions: by webhook or by mail, once, and until it has arrived.

What there is to tell is written by the statements that end executions. The leader's notifier asks the rules about it
(`deciding.py`, which is pure), writes messages (`outbox.py`), and sends them (`channels.py`: `webhook.py` and
`mail.py`); what a message says is in `wording.py`, what signs it in `signing.py`. Rules are kept by `rules.py`. Nothing
here is remembered by a process, so whatever is killed, the next one goes on (docs/decisions/0052).
"""
