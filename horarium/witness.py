"""What a process has to tell of itself: what its supervisor saw, and that some of what was recorded is lost.

The supervisor's own numbered list is read, rather than each event passed on as it happens: so nothing is missed that
was seen before anybody could write, or by another thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from horarium.live_events import LiveEvent
from horarium.logs import redact

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from horarium.supervisor import Mailbox, RecordedEvent, Supervisor

__all__ = ["News", "Witness"]


@dataclass(frozen=True, slots=True)
class News:
    """What is new; `seen` and `lost` are how far that goes."""

    events: Sequence[LiveEvent]
    seen: int
    lost: int


class Witness:
    """Of one process; `recorded` is the mailbox whose losses are told."""

    def __init__(self, recorded: Mailbox[Any], supervisor: Callable[[], Supervisor], process: str) -> None:
        self._recorded = recorded
        self._supervisor = supervisor
        self._process = process
        self._seen = 0
        self._lost = 0

    def news(self) -> News:
        """What is new: the same again until `told` says that it was told."""
        recorded = self._supervisor().events.recent(after=self._seen)
        lost = self._recorded.dropped + self._recorded.lost
        events = [LiveEvent.reset("dropped")] if lost > self._lost else []
        events += [self._of(one) for one in recorded]
        return News(events, recorded[-1].sequence if recorded else self._seen, lost)

    def told(self, news: News) -> None:
        """Take note that this was told."""
        self._seen, self._lost = news.seen, news.lost

    def _of(self, recorded: RecordedEvent) -> LiveEvent:
        event = recorded.event
        told = {name: redact(value) for name, value in event.log_fields().items() if value is not None}
        known = {"seq": recorded.sequence, "process": self._process, "timestamp": recorded.at}
        return LiveEvent("supervision", None, {**told, **known, "event": event.name, "level": event.level})
