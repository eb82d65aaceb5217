"""A task message: what the dispatcher knows of an execution, as taskiq's own JSON.

The message's id is the execution's id, the config's parameters are its keyword arguments, and the labels say which
attempt of which tick it is. Built as a dict and dumped once: taskiq's formatter would validate and copy each one,
which at ten thousand due in a second is most of the second.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import orjson

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from horarium.sql.queries import Row

__all__ = ["TaskMessage"]


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """One attempt of an execution, on its way to a worker."""

    execution_id: UUID
    attempt: int
    config_id: int | None
    task_type: str
    scheduler_type: str
    tick_at: datetime | None
    parameters: dict[str, Any]
    queue: str
    priority: int

    @classmethod
    def of(cls, row: Row) -> Self:
        """The message of a row of the ledger."""
        return cls(
            execution_id=row["id"],
            attempt=row["attempt"],
            config_id=row["config_id"],
            task_type=row["task_type"],
            scheduler_type=row["scheduler_type"],
            tick_at=row["tick_at"],
            parameters=row["parameters"],
            queue=row["queue"],
            priority=row["priority"],
        )

    def labels(self) -> dict[str, Any]:
        """What the message says of itself beside its id."""
        return {
            "config_id": self.config_id,
            "task_type": self.task_type,
            "scheduler_type": self.scheduler_type,
            "tick_at": self.tick_at,
            "attempt": self.attempt,
        }

    def to_json(self) -> bytes:
        """As `taskiq.message.TaskiqMessage` reads it."""
        return orjson.dumps(
            {
                "task_id": self.execution_id,
                "task_name": self.task_type,
                "labels": self.labels(),
                "labels_types": None,
                "args": [],
                "kwargs": self.parameters,
            },
            default=str,  # asyncpg answers UUIDs of a class of its own, which orjson does not know
            option=orjson.OPT_UTC_Z,
        )
