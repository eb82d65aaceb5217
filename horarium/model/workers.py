"""Workers, as they say themselves that they are, and as they were told to be."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations when the models are made
from typing import Literal

from horarium.model.executions import Execution  # noqa: TC001 - as above
from horarium.model.fields import Answer

__all__ = ["QueueView", "WorkerDetail", "WorkerStatus", "WorkerTold", "WorkerView"]

WorkerStatus = Literal["running", "pausing", "paused", "draining"]


class WorkerView(Answer):
    """A worker whose heartbeat has not run out; by its `id` the executions are found that it has run.

    `running` takes messages; `pausing` takes none and goes on with what runs; `paused` does nothing; `draining` takes
    none and ends when nothing runs any more, or its deadline is over. `inline`: it is part of a `horarium up`, which
    outlives its drain; it is paused then. `active` messages are in its hands, of `concurrency` at the most.
    `last_beat_at` is by the worker's own clock. `told_by` and `told_at` are of the last order, null where there was
    none.
    """

    id: str
    host: str
    pid: int
    inline: bool
    version: str
    queues: list[str]
    concurrency: int
    active: int
    state: WorkerStatus
    started_at: datetime
    last_beat_at: datetime | None
    told_by: str | None
    told_at: datetime | None


class WorkerDetail(WorkerView):
    """A worker, with the newest of what it runs now."""

    executions: list[Execution]


class QueueView(Answer):
    """A queue: its messages that are not acknowledged (`depth`, null where the broker cannot be asked), and its work.

    `consumers` are the workers that take messages of it now. `waiting` executions were sent to it and not claimed yet;
    the oldest of them since `oldest_waiting_at`.
    """

    name: str
    depth: int | None
    consumers: int
    waiting: int
    oldest_waiting_at: datetime | None


class WorkerTold(Answer):
    """The order is kept; the worker hears of it within about a second."""

    success: Literal[True] = True
    message: str
    action: Literal["pause", "resume", "drain"]
    worker_id: str
    state: WorkerStatus
