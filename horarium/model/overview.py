"""The last hour and the next one at a glance, as the dashboard's first page shows them."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations when the models are made
from uuid import UUID  # noqa: TC003 - as above

from horarium.model.executions import ExecutionStatus  # noqa: TC001 - as above
from horarium.model.fields import Answer

__all__ = ["FailedExecution", "InFlight", "InFlightExecution", "Lane", "Mark", "OverviewAnswer", "OverviewBin"]


class OverviewBin(Answer):
    """The ticks and runs of one bin of time, and how late their first attempts began, in seconds.

    `failed` are those that failed, ran past their timeout or were lost; `planned` is an estimate where many are.
    """

    success: int = 0
    failed: int = 0
    cancelled: int = 0
    skipped: int = 0
    in_flight: int = 0
    late: int = 0
    lateness_mean: float | None = None
    lateness_worst: float | None = None
    planned: float = 0.0


class Mark(Answer):
    """Executions of one config within half a minute that have the same status; `at` is the first one's tick.

    `task_id` is the newest of them, `late` how many began late, `ticks` how many ticks they stand for.
    """

    at: datetime
    status: ExecutionStatus
    number: int
    ticks: int
    late: int
    task_id: UUID


class Lane(Answer):
    """The timeline of one config; after the ticks that are `planned` it goes on every so many seconds, if it does."""

    config_id: int
    name: str
    status: str
    marks: list[Mark]
    planned: list[datetime]
    planned_every_seconds: float | None


class InFlightExecution(Answer):
    """An execution that is not over; `name` is its config's."""

    task_id: UUID
    config_id: int | None
    name: str | None
    task_type: str
    status: ExecutionStatus
    attempt: int
    worker: str | None
    tick_at: datetime | None
    created_at: datetime
    started_at: datetime | None
    deadline_at: datetime | None


class InFlight(Answer):
    """How many executions are in each state that is not final."""

    pending: int = 0
    queued: int = 0
    running: int = 0
    retrying: int = 0


class FailedExecution(Answer):
    """An execution that came to a bad end, with the end of its error."""

    task_id: UUID
    config_id: int | None
    name: str | None
    task_type: str
    status: ExecutionStatus
    attempt: int
    completed_at: datetime
    error: str


class OverviewAnswer(Answer):
    """Everything at a glance. The first of the `bins` begins at `since`, and the one at `now_bin` holds the present.

    `lanes` are those of at most ten configs: such as failed lately, run now, ran last or run next.
    """

    at: datetime
    since: datetime
    bin_seconds: float
    now_bin: int
    late_after_seconds: float
    bins: list[OverviewBin]
    configs_to_come: int
    lanes: list[Lane]
    in_flight: InFlight
    running: list[InFlightExecution]
    failed: list[FailedExecution]
    configs: dict[str, int]
