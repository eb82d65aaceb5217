"""The newest events of the stream, as one process holds them for all clients of its API. No I/O.

The actor `event_reader` extends the feed as it reads the stream; every client has a place in it, and takes what comes
after. So a client costs no memory of its own, however slow it is, and what several clients take at once is put
together once. A client whose place has fallen off the old end, or whose stream is no more, is told `reset`: it has to
read its lists anew, and goes on from the newest event. While the stream cannot be read, clients are told `away`.

An event keeps its id in every process, so a client may resume at another one.
"""

from __future__ import annotations

import time
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import anyio
import orjson

from horarium.keyspace.event_stream import EVENTS_KEPT, PAGE_EVENTS, EventId

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from horarium.keyspace.event_stream import Entry

__all__ = ["EventFeed", "Frame", "Subscription", "Wanted"]

SLACK_EVENTS = 1000
"""How many more are held before old ones are let go, all at once."""

CHUNKS_HELD = 32
"""Texts that several clients may be about to take: those who follow live ask for the same few."""

ABOUT_EXECUTIONS = frozenset({"execution", "progress", "log"})
TOLD_SINGLY = 20
"""So many events about executions at once are told one by one to whoever wants it brief; more are told as one."""
BRIEF_SECONDS = 0.5
"""How long whoever wants it brief is told nothing more after it was told something: a burst is a few texts to it."""

CATCH_UP_SECONDS = 3.0
"""How long a client that has seen more than this process waits for it to have read as much."""

NONE_YET = EventId(0, 0)


class Frame(NamedTuple):
    """An event, ready to be sent."""

    id: EventId
    kind: str
    config_id: str
    text: bytes

    @classmethod
    def of(cls, entry: Entry) -> Frame:
        """An entry of the stream; one that would break the lines of the wire is of no kind, and nobody wants it."""
        kind, _, config_id = entry.field.partition(":")
        if b"\n" in entry.data or b"\r" in entry.data:
            kind = ""
        return cls(entry.id, kind, config_id, _text(kind, entry.data, entry.id))


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events a client wants: of these kinds, and of one config where `config_id` is not empty.

    Who wants it `brief` reads lists anew, and has no use for what became of each execution, nor for each moment.
    """

    kinds: frozenset[str]
    config_id: str = ""
    brief: bool = False

    def has(self, frame: Frame) -> bool:
        """Whether this is one; that something is missing is for everybody to know."""
        if frame.kind == "reset":
            return True
        return frame.kind in self.kinds and self.config_id in ("", frame.config_id)

    def text(self, frames: Sequence[Frame]) -> bytes:
        """What of these is sent, as one."""
        wanted = [frame for frame in frames if self.has(frame)]
        others = [frame for frame in wanted if frame.kind not in ABOUT_EXECUTIONS]
        number = len(wanted) - len(others)
        many = b"" if not self.brief or number <= TOLD_SINGLY else _many(number, wanted[-1].id)
        return b"".join([frame.text for frame in (others if many else wanted)]) + many


class EventFeed:
    """The newest events in order. Places are counted from the first event that this process ever held."""

    def __init__(self, *, kept: int = EVENTS_KEPT, clock: Callable[[], float] = time.monotonic) -> None:
        self._kept = kept
        self.clock = clock
        self._frames: list[Frame] = []
        self._chunks: dict[tuple[int, Wanted], tuple[bytes, int]] = {}
        self._moved: anyio.Event | None = None
        self.first = 0
        self.last_id = NONE_YET
        self.is_away = False

    @property
    def end(self) -> int:
        """The place behind the newest event."""
        return self.first + len(self._frames)

    def extend(self, entries: Sequence[Entry]) -> None:
        """Take in what came after all others."""
        if not entries:
            return
        self._frames += map(Frame.of, entries)
        self.last_id = entries[-1].id
        if len(self._frames) > self._kept + SLACK_EVENTS:
            self._let_go(len(self._frames) - self._kept)
        self._wake()

    def clear(self) -> None:
        """Forget everything: what comes next does not follow on it, and nobody's place leads there."""
        self._let_go(len(self._frames))
        self.first += 1
        self._wake()

    def away(self, *, is_away: bool) -> None:
        """Say whether the stream can be read."""
        if is_away != self.is_away:
            self.is_away = is_away
            self._wake()

    async def moved(self) -> None:
        """Wait until there is something to take."""
        self._moved = self._moved or anyio.Event()
        await self._moved.wait()

    async def subscribe(self, wanted: Wanted, last_event_id: str | None) -> Subscription:
        """A place behind the event that the client has seen last, or behind the newest."""
        if last_event_id is None:
            return Subscription(self, wanted, self.end)
        try:
            seen = EventId.parse(last_event_id)
        except ValueError:
            return Subscription(self, wanted, -1)
        with anyio.move_on_after(CATCH_UP_SECONDS):
            while self.last_id < seen:
                await self.moved()
        return Subscription(self, wanted, self._place_behind(seen))

    def chunk(self, place: int, wanted: Wanted) -> tuple[bytes, int]:
        """What of the events from a place on is wanted, and the place behind them; a page at most, if not in brief."""
        known = self._chunks.get((place, wanted))
        if known is None:
            start = place - self.first
            page = self._frames[start : None if wanted.brief else start + PAGE_EVENTS]
            known = wanted.text(page), place + len(page)
            if len(self._chunks) >= CHUNKS_HELD:
                self._chunks.clear()
            self._chunks[place, wanted] = known
        return known

    def id_before(self, place: int) -> EventId | None:
        """The event that a client at this place has come to, of whatever kind; None for a place that leads nowhere."""
        if place == self.end:
            return self.last_id
        at = place - self.first - 1
        return self._frames[at].id if at >= 0 else None

    def _place_behind(self, seen: EventId) -> int:
        """The place behind this event; one that is not held has none, as its successors may not be, either."""
        at = bisect_left(self._frames, seen, key=lambda frame: frame.id)
        found = at < len(self._frames) and self._frames[at].id == seen
        return self.first + at + 1 if found else -1

    def _let_go(self, number: int) -> None:
        del self._frames[:number]
        self.first += number

    def _wake(self) -> None:
        self._chunks.clear()
        if self._moved is not None:
            self._moved.set()
            self._moved = None


class Subscription:
    """One client's place in a feed."""

    def __init__(self, feed: EventFeed, wanted: Wanted, place: int) -> None:
        self._feed = feed
        self._wanted = wanted
        self._place = place
        self._told_away = False
        self._rests_until = 0.0

    def take(self) -> bytes | None:
        """What the client is to be sent next; None when there is nothing new."""
        feed = self._feed
        if self._resting:
            return None
        if self._told_away != feed.is_away:
            self._told_away = feed.is_away
            return _text("away" if feed.is_away else "back", _now())
        if self._place < feed.first:
            self._place = feed.end
            return _text("reset", _now(reason="gap"), feed.last_id)
        while self._place < feed.end:
            text, self._place = feed.chunk(self._place, self._wanted)
            if text:
                self._rests_until = feed.clock() + BRIEF_SECONDS if self._wanted.brief else 0.0
                return text
        return None

    @property
    def _resting(self) -> float:
        """For how many seconds this client is told nothing more."""
        return max(0.0, self._rests_until - self._feed.clock())

    def whereabouts(self) -> bytes:
        """The id to resume from, of whatever kind that event is: no event to a client, but a sign of life.

        It is the client's own place and not the newest event: who is cut off right now has still to be told the rest.
        """
        seen = self._feed.id_before(self._place)
        return b": here\n\n" if seen is None else f": here\nid: {seen}\n\n".encode()

    async def news(self) -> None:
        """Wait until there may be something to take."""
        if self._rests_until:
            await anyio.sleep(self._resting)
            self._rests_until = 0.0  # and then it takes what has come meanwhile, before it waits for more
        else:
            await self._feed.moved()


def _text(kind: str, data: bytes, event_id: EventId | None = None) -> bytes:
    """An event as it goes over the wire; without an id, it is none to resume from."""
    place = b"" if event_id is None else f"id: {event_id}\n".encode()
    return b"%bevent: %b\ndata: %b\n\n" % (place, kind.encode(), data)


def _many(executions: int, last_id: EventId) -> bytes:
    return _text("many", _now(executions=executions), last_id)


def _now(**more: str | int) -> bytes:
    return orjson.dumps({**more, "timestamp": datetime.now(UTC)})
