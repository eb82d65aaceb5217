"""When a schedule of taskiq is due, in the fields of a config: cron as taskiq reads it, an interval, or a date.

taskiq forgets what it missed while it was down, but for dates; so a missed tick of the others stays one here, too.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from horarium.importing.pycron_sets import pycron_sets
from horarium.importing.zones import offset_zone, rfc3339

if TYPE_CHECKING:
    from taskiq import ScheduledTask

__all__ = ["schedule_fields"]


def schedule_fields(task: ScheduledTask) -> dict[str, Any]:
    """The fields of a config; raises CannotCarry where it has no equal here."""
    if task.cron is not None:
        config = {"cron_expression": pycron_sets(task.cron).expression(), "timezone": _zone(task.cron_offset)}
        return {"scheduler_type": "cron", "schedule_config": config, "catchup": "skip"}
    if task.time is not None:
        return {"scheduler_type": "date", "schedule_config": {"run_date": rfc3339(task.time)}}
    every = task.interval if isinstance(task.interval, timedelta) else timedelta(seconds=task.interval or 0)
    seconds = int(every.total_seconds())
    return {"scheduler_type": "interval", "schedule_config": {"seconds": seconds}, "catchup": "skip"}


def _zone(offset: str | timedelta | None) -> str:
    return offset_zone(offset) if isinstance(offset, timedelta) else offset or "UTC"
