"""What `horarium doctor` looks at, and what it makes of it.

Examinations are data (`table.py`): each asks for facts, within a deadline of its own and beside all others, and judges
them in a plain function, so that every judgement can be tested without a server that is ill in just that way. One
examination that fails says so and keeps none of the others from being made.

Nothing is changed by any of it but a notification on a channel of its own, a key in Redis that lasts seconds, and a
queue in RabbitMQ that ends with the connection. No text holds a secret: all pass through `logs.redact`.
"""

from __future__ import annotations

from horarium.doctor.diagnosis import Diagnosis, Level, failed, ok, warning
from horarium.doctor.examination import Examination, examine
from horarium.doctor.patient import Patient, admit
from horarium.doctor.table import EXAMINATIONS

__all__ = [
    "EXAMINATIONS",
    "Diagnosis",
    "Examination",
    "Level",
    "Patient",
    "admit",
    "examine",
    "failed",
    "ok",
    "warning",
]
