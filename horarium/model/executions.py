"""Executions, the rows of the ledger, with their attempts."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations when the models are made
from typing import TYPE_CHECKING, Any, Literal, Self
from uuid import UUID  # noqa: TC003 - as above

from horarium.model.fields import Answer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from horarium.sql.queries import Row

__all__ = [
    "ConfigOutcomes", "Execution", "ExecutionDetail", "ExecutionLog", "ExecutionStatus", "Reason", "RelatedExecution",
    "Trigger",
]  # fmt: skip

Trigger = Literal["schedule", "manual", "backfill", "retry", "external"]
ExecutionStatus = Literal[
    "pending", "queued", "running", "retrying", "success", "failed", "timeout", "cancelled", "lost", "skipped"
]

Reason = Literal[
    "overlap", "buffer_full", "missed", "missed_window", "superseded", "max_catchup_runs", "edited", "stopped",
    "paused", "deleted", "limited", "requested", "cancel_other", "config_deleted", "not_sendable", "deadline_passed",
    "worker_gone", "worker_stopped", "worker_cut_off", "unstorable", "rejected", "requeued", "retried_by_app",
    "no_result",
]  # fmt: skip
"""Every `reason` that is written. What is read is any text: the next release may write another."""


class AttemptRecord(Answer):
    """One try of an execution. `status` is what it ended as, or `running`."""

    attempt: int
    status: str
    reason: str | None = None
    error: str | None = None
    worker: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None


class Execution(Answer):
    """One row of the ledger. A stretch of skipped ticks has `tick_until` and a `tick_count` above 1.

    `message_id` is the id that an app gave to what it has kicked by itself, as it wrote it; `task_id` is the same as a
    UUID, or one that is made of it.

    `retry_of` is the execution that this one repeats, or makes up for; `for_tick` the tick that it is about, whose own
    row that one is. `buffered`: it waits for the other executions of its config to end. While it waits for room under a
    limit its `reason` is `limited`. `started_at` and `duration_seconds` are of the present attempt, or of the last one;
    `lateness_seconds` is from the tick to the start of the first, and null but for what the schedule started.
    `progress`, from 0 to 1, and `progress_message` are what the present attempt has said of itself.
    """

    task_id: UUID
    message_id: str | None
    config_id: int | None
    task_type: str
    trigger: Trigger
    tick_at: datetime | None
    tick_until: datetime | None
    tick_count: int
    for_tick: datetime | None
    retry_of: UUID | None
    status: ExecutionStatus
    reason: str | None
    attempt: int
    attempts: list[AttemptRecord]
    buffered: bool
    queue: str
    worker: str | None
    created_at: datetime
    queued_at: datetime | None
    started_at: datetime | None
    completed_at: datetime | None
    deadline_at: datetime | None
    cancel_requested_at: datetime | None
    duration_seconds: float | None
    lateness_seconds: float | None
    progress: float | None
    progress_message: str | None
    result: Any
    error: str | None

    @classmethod
    def of(cls, row: Row, said: Row | None = None) -> Self:
        """The execution that a row describes; `said` is what its attempt has said of its progress."""
        derived = {
            "task_id", "message_id", "attempts", "duration_seconds", "lateness_seconds", "progress", "progress_message",
        }  # fmt: skip
        attempts = _attempts(row)
        began = attempts[0].started_at if attempts else None
        return cls(
            **{name: row[name] for name in cls.model_fields if name not in derived},
            task_id=row["message_id"] or row["id"],
            message_id=row["message"]["task_id"] if row["message_id"] else None,
            attempts=attempts,
            duration_seconds=_seconds(row["started_at"], row["completed_at"]),
            lateness_seconds=_seconds(row["tick_at"], began) if row["trigger"] == "schedule" else None,
            progress=None if said is None else said["progress"],
            progress_message=None if said is None else said["progress_message"],
        )


class ExecutionDetail(Execution):
    """An execution with the parameters that its task is called with."""

    parameters: dict[str, Any]


class RelatedExecution(Answer):
    """Another execution, in short: one that repeats this one (`retry`), or another one about the same tick."""

    task_id: UUID
    relation: Literal["retry", "same_tick"]
    trigger: Trigger
    status: ExecutionStatus
    for_tick: datetime | None
    created_at: datetime
    duration_seconds: float | None

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row; the tick it is about may be its own, or another row's."""
        return cls(
            **{name: row[name] for name in ("task_id", "relation", "trigger", "status", "for_tick", "created_at")},
            duration_seconds=_seconds(row["started_at"], row["completed_at"]),
        )


class LogLine(Answer):
    """A line that a task has logged; `number` counts those of its attempt, from 1 on."""

    number: int
    at: datetime
    level: str
    logger: str
    text: str


class ExecutionLog(Answer):
    """What one attempt has logged, oldest first: the newest lines, before which `dropped` others came.

    `total` counts all of them, and is what `after` takes to go on from here; `attempts` are those that have said
    anything.
    """

    task_id: UUID
    attempt: int
    attempts: list[int]
    items: list[LogLine]
    dropped: int
    total: int

    @classmethod
    def of(cls, task_id: UUID, attempt: int, attempts: list[int], row: Row | None, after: int) -> Self:
        """The log that a row holds, without the lines up to the one numbered `after`."""
        lines, dropped = ([], 0) if row is None else (row["lines"], row["dropped"])
        first = max(after - dropped, 0)
        items = [
            LogLine(number=number, at=at, level=level, logger=logger, text=text)
            for number, (at, level, logger, text) in enumerate(lines[first:], dropped + first + 1)
        ]
        total = dropped + len(lines)
        return cls(task_id=task_id, attempt=attempt, attempts=attempts, items=items, dropped=dropped, total=total)


class Outcome(Answer):
    """An execution in short; `at` is its tick, or else when it was made."""

    task_id: UUID
    status: ExecutionStatus
    reason: str | None
    at: datetime
    tick_count: int
    duration_seconds: float | None


class ConfigOutcomes(Answer):
    """The newest executions of a config, newest first."""

    config_id: int
    outcomes: list[Outcome]

    @classmethod
    def of(cls, config_id: int, rows: Iterable[Row]) -> Self:
        """From the rows of one config."""
        return cls(
            config_id=config_id,
            outcomes=[
                Outcome(
                    **{name: row[name] for name in ("task_id", "status", "reason", "tick_count")},
                    at=row["tick_at"] or row["created_at"],
                    duration_seconds=_seconds(row["started_at"], row["completed_at"]),
                )
                for row in rows
            ],
        )


def _attempts(row: Row) -> list[AttemptRecord]:
    records = [AttemptRecord(**earlier) for earlier in row["earlier_attempts"]]
    if row["started_at"] is not None:
        names = ("attempt", "status", "reason", "error", "worker", "started_at", "completed_at")
        records.append(AttemptRecord(**{name: row[name] for name in names}))
    return records


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return (end - start).total_seconds() if start is not None and end is not None else None
