"""How a config has gone: day by day for a year, and how long its newest runs have taken."""

from __future__ import annotations

from datetime import date, datetime  # noqa: TC003 - pydantic reads the annotations when the models are made
from uuid import UUID  # noqa: TC003 - as above

from horarium.model.executions import ExecutionStatus, Trigger  # noqa: TC001 - as above
from horarium.model.fields import Answer

__all__ = ["CalendarDay", "ConfigCalendar", "ConfigDurations", "RunDuration"]


class CalendarDay(Answer):
    """What became of a day's executions, and how many of its ticks were skipped; it goes from `since` to `until`.

    With these two, the list of executions shows those of the day that the ledger still has.
    """

    date: date
    since: datetime
    until: datetime
    success: int
    failed: int
    timeout: int
    cancelled: int
    lost: int
    skipped: int
    in_flight: int


class ConfigCalendar(Answer):
    """The days of 53 weeks up to today, in the config's own zone; a day of which there is nothing to tell is left out.

    An execution counts on the day of its tick, or without one on the day on which it was made. Days outlive executions
    that retention has deleted.
    """

    timezone: str
    first: date
    today: date
    days: list[CalendarDay]


class RunDuration(Answer):
    """A run that is over; `started_at` and `duration_seconds` are of its last attempt.

    `lateness_seconds` is from the tick to the start of the first, and null but for what the schedule started.
    """

    task_id: UUID
    status: ExecutionStatus
    trigger: Trigger
    started_at: datetime
    duration_seconds: float
    lateness_seconds: float | None


class ConfigDurations(Answer):
    """A config's newest runs that are over, oldest first, looked for among its newest 2,000 executions.

    The median and the 95th percentile are of those that succeeded; `timeout_seconds` is as the config has it now.
    """

    items: list[RunDuration]
    median_seconds: float | None
    p95_seconds: float | None
    timeout_seconds: float
