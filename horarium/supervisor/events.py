"""What a supervisor tells the world, each fact a frozen type.

One hook receives every event, in the order in which things happened, and turns them into log lines, metrics or the
API's stream. The class says the log line's `name` and level, its fields are the line's fields, so the vocabulary is
these types and nothing else, and whoever tells an event says the same. `EventRing` keeps the most recent ones with a
sequence number, so that a reader can come back and ask for what it has not seen.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from typing import TYPE_CHECKING, ClassVar, Literal

from horarium.supervisor.decision import Escalate

if TYPE_CHECKING:
    from horarium.supervisor.decision import Decision, Reason

__all__ = [
    "ChildExited",
    "ChildHung",
    "ChildRestarted",
    "ChildStarted",
    "ChildStopped",
    "ChildUnstopped",
    "EventRing",
    "Level",
    "LoopRecovered",
    "LoopStalled",
    "RecordedEvent",
    "RestartScheduled",
    "SupervisionEvent",
    "SupervisorEscalated",
    "SupervisorStarted",
    "SupervisorStopped",
    "ms",
]

Level = Literal["info", "warning", "error", "critical"]


@dataclass(frozen=True)
class SupervisionEvent:
    """Base of all events; `supervisor` is the id of the one that saw it."""

    name: ClassVar[str]
    levels: ClassVar[tuple[Level, ...]] = ("info",)
    """The level of the log line; several where that depends on what happened."""

    supervisor: str

    @property
    def level(self) -> Level:
        """The level of this event's log line."""
        return self.levels[0]

    def log_fields(self) -> dict[str, object]:
        """Return the fields of the log line, by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}


@dataclass(frozen=True)
class ChildEvent(SupervisionEvent):
    """Base of the events of one child; `incarnation` counts from 1."""

    child: str
    incarnation: int


@dataclass(frozen=True)
class ChildStarted(ChildEvent):
    """The child is ready, `start_ms` after it was started."""

    name = "child.started"

    start_ms: float


@dataclass(frozen=True)
class ChildExited(ChildEvent):
    """The child ended, and this was decided."""

    name = "child.exited"
    levels = ("info", "error", "critical")

    reason: Reason
    decision: Decision
    uptime_ms: float
    error: BaseException | None = None

    @property
    def level(self) -> Level:
        """A good end is `info`, a failure `error`, and one that the supervisor gives up over `critical`."""
        if self.error is None:
            return "info"
        return "critical" if isinstance(self.decision, Escalate) else "error"

    def log_fields(self) -> dict[str, object]:
        """The fields, with decision and error in words."""
        told = {"decision": str(self.decision)} | ({} if self.error is None else {"error": repr(self.error)})
        return {name: value for name, value in super().log_fields().items() if name != "error"} | told


@dataclass(frozen=True)
class ChildHung(ChildEvent):
    """The child gave no sign of life for `silent_ms`, longer than its watchdog allows; it is cancelled."""

    name = "child.hung"
    levels = ("error",)

    silent_ms: float
    handling: str | None
    stack: str


@dataclass(frozen=True)
class RestartScheduled(ChildEvent):
    """The child will be started again in `delay_ms`; `restart_total` counts all its restarts so far, this one too.

    `attempt` counts its failures in a row; it is 0 for a restart that somebody asked for.
    """

    name = "child.restart_scheduled"
    levels = ("warning",)

    delay_ms: float
    attempt: int
    restart_total: int


@dataclass(frozen=True)
class ChildRestarted(ChildEvent):
    """The child is ready again; it found `mailbox_carried` messages waiting."""

    name = "child.restarted"

    downtime_ms: float
    mailbox_carried: int


@dataclass(frozen=True)
class ChildStopped(ChildEvent):
    """The child ended as asked, `stop_ms` after it was asked."""

    name = "child.stopped"

    stop_ms: float


@dataclass(frozen=True)
class ChildUnstopped(ChildEvent):
    """The child still runs though its whole deadline has passed; the supervisor goes on without it."""

    name = "child.unstopped"
    levels = ("error",)

    after_ms: float
    handling: str | None
    stack: str


@dataclass(frozen=True)
class SupervisorStarted(SupervisionEvent):
    """Every child has been ready once, or is done."""

    name = "supervisor.started"

    start_ms: float


@dataclass(frozen=True)
class SupervisorStopped(SupervisionEvent):
    """The ordered stop is over; `unstopped` names the children that ignored it and still run."""

    name = "supervisor.stopped"

    unstopped: tuple[str, ...] = ()


@dataclass(frozen=True)
class SupervisorEscalated(SupervisionEvent):
    """Too many restarts, or too many failures in a row, of `child`: the supervisor stops the others and gives up."""

    name = "supervisor.escalated"
    levels = ("critical",)

    child: str
    limit: str


@dataclass(frozen=True)
class LoopStalled(SupervisionEvent):
    """The event loop has run nothing for `stalled_ms`, and still does not; `stack` is where its thread stands."""

    name = "loop.stalled"
    levels = ("error",)

    stalled_ms: float
    stack: str


@dataclass(frozen=True)
class LoopRecovered(SupervisionEvent):
    """The event loop runs again, after `stalled_ms` in all."""

    name = "loop.recovered"
    levels = ("warning",)

    stalled_ms: float


@dataclass(frozen=True)
class RecordedEvent:
    """An event as the ring keeps it: numbered from 1 without gaps, and dated (UTC)."""

    sequence: int
    at: datetime
    event: SupervisionEvent


def ms(seconds: float) -> float:
    """Seconds as the milliseconds that events tell."""
    return round(seconds * 1000, 1)


class EventRing:
    """The most recent events. Bounded: the oldest make room, which a reader sees as a gap in the sequence."""

    def __init__(self, capacity: int = 1024) -> None:
        self._recorded: deque[RecordedEvent] = deque(maxlen=capacity)
        self._sequence = 0

    def record(self, event: SupervisionEvent) -> None:
        """Number, date and keep an event."""
        self._sequence += 1
        self._recorded.append(RecordedEvent(self._sequence, datetime.now(UTC), event))

    def recent(self, after: int = 0) -> tuple[RecordedEvent, ...]:
        """Return what is kept of the events numbered above `after`, oldest first."""
        return tuple(recorded for recorded in self._recorded if recorded.sequence > after)
