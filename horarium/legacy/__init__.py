"""Taking over the users and task configs of the system that was here before.

Its database has tables `users`, `task_configs`, `task_executions`, `refresh_tokens` and `schedule_events`, with columns
that nobody here has seen: they are read whole, and read by a stated table of the names that such columns go by
(`words.py`). What becomes of each row is decided by plain functions (`users.py`, `configs.py`) before anything is
written; what cannot be carried over is named with its reason, and so is what had to be changed. All that is written is
one transaction. A name that is there already is left alone, so that the take-over can be run again, once what kept a
row out has been mended.

Executions stay where they are: their states and results mean something else. Logins and events are Redis' work here.
"""

from __future__ import annotations

from horarium.legacy.plan import Here, Plan, make_plan
from horarium.legacy.source import Legacy, drop_leftovers, read_legacy
from horarium.legacy.takeover import Taken, take_over, what_is_here
from horarium.legacy.words import Remark

__all__ = [
    "Here",
    "Legacy",
    "Plan",
    "Remark",
    "Taken",
    "drop_leftovers",
    "make_plan",
    "read_legacy",
    "take_over",
    "what_is_here",
]
