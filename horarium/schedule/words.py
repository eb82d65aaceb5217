"""A schedule in words, the same for the API, the dashboard and the command line. Pure.

English, with times on the clocks of the schedule's zone, which is named where it makes a difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from horarium.schedule.cron_words import MONTHS, WEEKDAYS, cron_words, is_every_minute, joined
from horarium.schedule.kinds import CronSchedule, DateSchedule, IntervalSchedule

if TYPE_CHECKING:
    from datetime import datetime

    from horarium.schedule.kinds import Schedule

__all__ = ["describe"]

UNITS = (("day", 86_400), ("hour", 3600), ("minute", 60), ("second", 1))


def describe(schedule: Schedule, zone: str = "UTC") -> str:
    """`Every weekday at 09:30, Europe/Vienna`. `zone` is that of a date, which does not know its own."""
    if isinstance(schedule, CronSchedule):
        words = cron_words(schedule.expression)
        return words if is_every_minute(schedule.expression) else f"{words}, {schedule.timezone}"
    if isinstance(schedule, IntervalSchedule):
        return f"Every {_amount(schedule.seconds)}"
    if isinstance(schedule, DateSchedule):
        return f"Once, on {_moment(schedule.run_at.astimezone(ZoneInfo(zone)))}, {zone}"
    return "By hand only"


def _amount(seconds: int) -> str:
    """`hour`, `1 minute and 30 seconds`: each unit that there is some of."""
    parts = []
    for unit, size in UNITS:
        number, seconds = divmod(seconds, size)
        if number:
            parts.append((number, unit))
    if len(parts) == 1 and parts[0][0] == 1:
        return parts[0][1]
    return joined([f"{number} {unit}{'' if number == 1 else 's'}" for number, unit in parts])


def _moment(local: datetime) -> str:
    time = f"{local:%H:%M:%S}" if local.second else f"{local:%H:%M}"
    return f"{WEEKDAYS[local.weekday()]} {local.day} {MONTHS[local.month - 1]} {local.year} at {time}"
