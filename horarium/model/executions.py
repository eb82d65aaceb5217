"""Executions, the rows of the ledger, with their attempts."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations when the models are made
from typing import TYPE_CHECKING, Any, Literal, Self
from uuid import UUID  # noqa: TC003 - as above

from horarium.model.fields import Answer

if TYPE_CHECKING:
    from horarium.sql.queries import Row

__all__ = ["Execution", "ExecutionStatus", "Trigger"]

Trigger = Literal["schedule", "manual", "backfill", "retry", "external"]
ExecutionStatus = Literal[
    "pending", "queued", "running", "retrying", "success", "failed", "timeout", "cancelled", "lost", "skipped"
]


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

    `retry_of` is the execution that this one repeats, or makes up for; `for_tick` the tick that it is about, whose own
    row that one is. `buffered`: it waits for the other executions of its config to end. While it waits for room under a
    limit its `reason` is `limited`. `lateness_seconds` is null but for what the schedule started.
    """

    task_id: UUID
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
    result: Any
    error: str | None

    @classmethod
    def of(cls, row: Row) -> Self:
        """The execution that a row describes."""
        derived = {"task_id", "attempts", "duration_seconds", "lateness_seconds"}
        return cls(
            **{name: row[name] for name in cls.model_fields if name not in derived},
            task_id=row["id"],
            attempts=_attempts(row),
            duration_seconds=_seconds(row["started_at"], row["completed_at"]),
            lateness_seconds=_seconds(row["tick_at"], row["started_at"]) if row["trigger"] == "schedule" else None,
        )


def _attempts(row: Row) -> list[AttemptRecord]:
    records = [AttemptRecord(**earlier) for earlier in row["earlier_attempts"]]
    if row["started_at"] is not None:
        names = ("attempt", "status", "reason", "error", "worker", "started_at", "completed_at")
        records.append(AttemptRecord(**{name: row[name] for name in names}))
    return records


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return (end - start).total_seconds() if start is not None and end is not None else None
