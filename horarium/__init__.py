"""Horarium: supervised scheduled work, where every due tick ends as exactly one row.

What a user's own modules need is here; everything else is imported from the module that owns it. It is imported when it
is first asked for: what it brings along would cost every command of the command line half a second.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from horarium.adopting.source import ScheduleSource
    from horarium.tasks.context import Context
    from horarium.tasks.registry import task

__all__ = ["Context", "ScheduleSource", "task"]

OWNERS = {"Context": "tasks.context", "ScheduleSource": "adopting.source", "task": "tasks.registry"}


def __getattr__(name: str) -> Any:
    if name not in OWNERS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"horarium.{OWNERS[name]}"), name)
