"""A task message: what the dispatcher knows of an execution, as taskiq's own JSON.

The message's id is the execution's id, the config's parameters are its keyword arguments, and the labels say which
attempt of which tick it is. Built as a dict and dumped once: taskiq's formatter would validate and copy each one,
which at ten thousand due in a second is most of the second. `Formatter` reads it on the other side.

What an app has kicked by itself is sent again as the app wrote it, under the app's own id; three labels say which
attempt of which execution it is now.

Where the run belongs into a trace, the labels have the W3C headers of it too (`tracing/`), as taskiq's own middleware
for OpenTelemetry writes and reads them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import orjson
from taskiq.formatters.proxy_formatter import ProxyFormatter
from taskiq.message import TaskiqMessage

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from horarium.sql.queries import Row

__all__ = ["EXTERNAL", "REQUEUES", "RETRIES", "Formatter", "TaskMessage", "Trace"]

EXTERNAL = "external"
"""The label `scheduler_type` of what nothing has scheduled."""

RETRIES, REQUEUES = "_retries", "X-Taskiq-requeue"
"""The labels in which taskiq counts how often its retry middlewares, and `Context.requeue()`, have sent a message."""


class Trace(NamedTuple):
    """The headers of the trace that a run belongs into; or, as a `link`, of the request that asked for many runs."""

    headers: dict[str, str]
    link: dict[str, str] | None = None


@dataclass(frozen=True, slots=True)
class TaskMessage:
    """One attempt of an execution, on its way to a worker; `kicked` is what an app's own message was made of.

    `begins`: nothing of the execution was sent before, so that its trace may begin here; the name of its config, or "".
    """

    execution_id: UUID
    attempt: int
    config_id: int | None
    task_type: str
    scheduler_type: str
    tick_at: datetime | None
    parameters: dict[str, Any]
    queue: str
    priority: int
    message_id: UUID | None = None
    kicked: dict[str, Any] | None = None
    trace: Trace | None = None
    begins: str | None = None

    @classmethod
    def of(cls, row: Row) -> Self:
        """The message of a row of the ledger."""
        asked = row.get("trace_context")
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
            message_id=row["message_id"],
            kicked=row["message"],
            trace=None if asked is None else Trace(asked.get("parent") or {}, asked.get("link")),
            begins="" if row.get("unsent") else None,
        )

    @property
    def task_id(self) -> UUID:
        """The id of the execution, as it is shown."""
        return self.message_id or self.execution_id

    def labels(self) -> dict[str, Any]:
        """What the message of a config says of itself beside its id."""
        own = {
            "config_id": self.config_id,
            "task_type": self.task_type,
            "scheduler_type": self.scheduler_type,
            "tick_at": self.tick_at,
            "attempt": self.attempt,
        }
        return own if self.trace is None else own | self.trace.headers

    def fields(self) -> dict[str, Any]:
        """The fields of a `taskiq.message.TaskiqMessage`."""
        if self.kicked is not None:
            return self._kicked_again(self.kicked)
        return {
            "task_id": self.execution_id,
            "task_name": self.task_type,
            "labels": self.labels(),
            "labels_types": None,
            "args": [],
            "kwargs": self.parameters,
        }

    def to_json(self) -> bytes:
        """As `taskiq.message.TaskiqMessage` reads it."""
        # asyncpg answers UUIDs of a class of its own, which orjson does not know
        return orjson.dumps(self.fields(), default=str, option=orjson.OPT_UTC_Z)

    def _kicked_again(self, kicked: dict[str, Any]) -> dict[str, Any]:
        """A retry by hand is a run of its own, and begins to count its retries anew."""
        again = self.message_id is None
        labels = {name: value for name, value in kicked["labels"].items() if not again or name not in COUNTED}
        types = {name: kind for name, kind in kicked["labels_types"].items() if name in labels}
        ours = {"scheduler_type": EXTERNAL, "execution_id": str(self.execution_id), "attempt": self.attempt}
        return {
            "task_id": str(self.execution_id) if again else kicked["task_id"],
            "task_name": self.task_type,
            "labels": labels | ours | (self.trace.headers if self.trace else {}),
            "labels_types": types,
            "args": kicked["args"],
            "kwargs": kicked["kwargs"],
        }


COUNTED = (RETRIES, REQUEUES)


class Formatter(ProxyFormatter):
    """taskiq's own, for our brokers, with a reader that takes a quarter of the time."""

    def loads(self, message: bytes) -> TaskiqMessage:
        """The message; raises ValueError for what is none."""
        try:
            read = orjson.loads(message)
        except orjson.JSONDecodeError:  # the standard library writes and reads NaN too, and lone surrogates
            return super().loads(message)
        return TaskiqMessage.model_validate(read)
