"""Horarium: supervised scheduled work, where every due tick ends as exactly one row.

What a user's own modules need is here; everything else is imported from the module that owns it. `ScheduleSource` is
imported when it is asked for, since it brings a client of the API along.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from horarium.tasks.context import Context
from horarium.tasks.registry import task

if TYPE_CHECKING:
    from horarium.adopting.source import ScheduleSource

__all__ = ["Context", "ScheduleSource", "task"]


def __getattr__(name: str) -> Any:
    if name == "ScheduleSource":
        from horarium.adopting.source import ScheduleSource  # noqa: PLC0415 - see above

        return ScheduleSource
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
