"""The four kinds of schedule, and the one error they are refused with.

All are frozen and hashable: configs with equal schedules share every cached computation, so that ten thousand
configs on `0 * * * *` cost the arithmetic of one. `parse_schedule` is the one way to make them from input: the
classes themselves check nothing, and a bad one made by hand raises where its ticks are first asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "CronSchedule",
    "DateSchedule",
    "IntervalSchedule",
    "ManualSchedule",
    "NeverFires",
    "Schedule",
    "ScheduleError",
]


class ScheduleError(ValueError):
    """A schedule breaks a rule: `field` is the key of the schedule config at fault, `message` names the remedy."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(field, message)
        self.field = field
        self.message = message

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


class NeverFires(ScheduleError):
    """A cron that can be read, and that no date matches."""


@dataclass(frozen=True, slots=True)
class CronSchedule:
    """Ticks where the wall clock of `timezone` matches: 5 fields, or 6 with seconds first, in capitals."""

    expression: str
    timezone: str = "UTC"


@dataclass(frozen=True, slots=True)
class IntervalSchedule:
    """Ticks at `anchor + k * seconds` for k >= 0, in elapsed time: nothing that happens makes them drift."""

    seconds: int
    anchor: datetime


@dataclass(frozen=True, slots=True)
class DateSchedule:
    """One tick, at `run_at`."""

    run_at: datetime


@dataclass(frozen=True, slots=True)
class ManualSchedule:
    """No ticks: the config runs only when somebody asks."""


Schedule = CronSchedule | IntervalSchedule | DateSchedule | ManualSchedule
