"""What the event stream tells, and how it is made of what actors record.

The stream is derived, and lossy by contract: Postgres has the truth, and a process that is killed takes what it had
not yet told with it. What is known to be missing is told as a `reset`. Nobody waits for the stream: whoever changes an
execution notes the fact for the history writer, many at once as one `Moved`, and only that actor spells them out.

Processes tell without regard to each other, so `running` may be told before `queued`. For one execution, a later
attempt is newer, and within an attempt what comes later in pending, queued, running, ended; but one that finds no room
under a limit is `pending` again after it was queued, with the reason `limited`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol

import orjson

from horarium.keyspace.history import HistoryEvent

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from uuid import UUID

__all__ = ["Kind", "LiveEvent", "Moved", "Tell", "Told", "live_events", "untold"]

Kind = Literal["execution", "progress", "log", "config", "supervision", "reset"]

TEXT_CHARS = 300
"""The end of a text that an event carries; the execution, and the supervisor's own list, have more of it."""

CONFIG_ACTIONS: Mapping[str, str] = {
    "task_loaded": "created",
    "task_updated": "updated",
    "task_deleted": "deleted",
    "task_started": "started",
    "task_stopped": "stopped",
    "task_paused": "paused",
    "task_resumed": "resumed",
    "task_reloaded": "reloaded",
    "task_execution_failed": "failed",
}
"""Events of a config's history that are about the config itself; all others are about an execution."""


@dataclass(frozen=True, slots=True)
class LiveEvent:
    """One event of the stream; `config_id` is what clients may ask for, `data` what they get, as JSON."""

    kind: Kind
    config_id: int | None
    data: dict[str, Any]

    @property
    def field(self) -> str:
        """What a reader has to know without reading the data."""
        return self.kind if self.config_id is None else f"{self.kind}:{self.config_id}"

    def to_json(self) -> bytes:
        """The data on one line, texts cut short."""
        return orjson.dumps({name: _short(value) for name, value in self.data.items()}, default=str)

    @classmethod
    def of_config(cls, config_id: int, action: str, **more: object) -> LiveEvent:
        """What has become of a config, where its history does not say so."""
        told = {"config_id": config_id, "action": action, "timestamp": datetime.now(UTC), **more}
        return cls("config", config_id, told)

    @classmethod
    def of_kicked(cls, status: str, details: Mapping[str, Any]) -> LiveEvent:
        """What has become of an execution that an app has kicked: it has no config, and so no history."""
        common = {"config_id": None, "status": status, "timestamp": datetime.now(UTC)}
        return cls("execution", None, {"tick_at": None, **_known(details), **common})

    @classmethod
    def reset(cls, reason: str) -> LiveEvent:
        """Something is missing here: a client reads its lists anew."""
        return cls("reset", None, {"reason": reason, "timestamp": datetime.now(UTC)})


class _Execution(Protocol):
    """An attempt of an execution, in whatever form it is at hand."""

    @property
    def task_id(self) -> UUID: ...
    @property
    def config_id(self) -> int | None: ...
    @property
    def attempt(self) -> int: ...
    @property
    def tick_at(self) -> datetime | None: ...


@dataclass(frozen=True, slots=True)
class Moved:
    """Executions that have come to a state which is no event of their config's history."""

    status: str
    executions: Sequence[_Execution]
    timestamp: datetime
    worker: str | None = None
    reason: str | None = None

    @classmethod
    def now(cls, status: str, executions: Sequence[_Execution], **more: str | None) -> Moved:
        """The same, stamped with the present."""
        return cls(status, executions, datetime.now(UTC), **more)

    def spelt_out(self) -> Iterator[LiveEvent]:
        """An event for each of them."""
        more = {name: value for name in ("worker", "reason") if (value := getattr(self, name)) is not None}
        for one in self.executions:
            told = {
                "task_id": one.task_id,
                "config_id": one.config_id,
                "status": self.status,
                "attempt": one.attempt,
                "tick_at": one.tick_at,
                "timestamp": self.timestamp,
                **more,
            }
            if (late := getattr(one, "lateness_seconds", None)) is not None:  # what was claimed knows it
                told["lateness_seconds"] = late
            yield LiveEvent("execution", one.config_id, told)


Told = HistoryEvent | Moved | LiveEvent
"""What may be recorded in the background."""


Tell = Callable[[Told], None]
"""Where a change of state is recorded: `Mailboxes.record`."""


def untold(told: Told) -> None:
    """Record nothing."""


def live_events(told: Iterable[Told]) -> Iterator[LiveEvent]:
    """What the stream tells of what was recorded."""
    for each in told:
        match each:
            case LiveEvent():
                yield each
            case Moved():
                yield from each.spelt_out()
            case HistoryEvent():
                yield _of_history(each)


def _of_history(event: HistoryEvent) -> LiveEvent:
    known = _known(event.details)
    common = {"config_id": event.config_id, "timestamp": event.timestamp}
    action = CONFIG_ACTIONS.get(event.event)
    if action is not None:
        return LiveEvent("config", event.config_id, {**known, **common, "action": action})
    status = "pending" if event.event == "task_executed" else event.event
    first = {"task_id": None, "attempt": 1, "tick_at": None}
    return LiveEvent("execution", event.config_id, {**first, **known, **common, "status": status})


def _known(details: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in details.items() if value is not None}


def _short(value: Any) -> Any:
    return f"…{value[-TEXT_CHARS:]}" if isinstance(value, str) and len(value) > TEXT_CHARS else value
