"""The stream of events in Redis: what all processes tell, in one order, for the APIs of all of them.

Bounded, derived, and gone with a flush. What makes it fit to resume from: entries are only ever lost from its old end,
or all at once. So whoever finds the entry that it has read last has missed nothing, and whoever does not must say so.
A new stream begins with a marker, and is never empty.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING, NamedTuple, Self, cast

from horarium.keyspace.pool import redis_errors
from horarium.keyspace.scripts import script
from horarium.live_events import LiveEvent

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from horarium.keyspace.keys import Keys

__all__ = ["EVENTS_KEPT", "PAGE_EVENTS", "Batch", "Entry", "EventId", "EventStream"]

EVENTS_KEPT = 10_000
"""About so many events can be resumed from: half a minute of 100 ticks a second, days of a quiet house."""

PAGE_EVENTS = 500
"""Events read, or written, in one call: Redis is held for about a millisecond."""

BATCH_SECONDS = 60
"""How long a batch is known to have been written: longer than a call is tried again."""

WAIT_MS = 1000
"""How long a reader waits for news; less than the pool's timeout of a command."""


class EventId(NamedTuple):
    """Where an event stands: Redis' clock in Unix ms, and a number within it."""

    ms: int
    number: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """What `str` wrote; raises ValueError for any other text."""
        ms, dash, number = text.partition("-")
        if not (dash and text.isascii() and ms.isdecimal() and number.isdecimal() and len(text) <= 40):
            raise ValueError("no id of an event")
        return cls(int(ms), int(number))

    def __str__(self) -> str:
        return f"{self.ms}-{self.number}"


class Entry(NamedTuple):
    """An event as it stands in the stream: `field` is LiveEvent's, `data` its JSON."""

    id: EventId
    field: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Events to add at once; sent again, as after an answer that was lost, it is added once all the same."""

    number: int
    events: Sequence[LiveEvent]


class EventStream:
    """Typed access to the stream; raises Unavailable when Redis is away."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._key = keys.events
        self._batch_key = keys.events_batch(secrets.token_hex(6))
        self._append = script(redis, "events_append")
        self._numbers = count(1)

    def batch(self, events: Sequence[LiveEvent]) -> Batch:
        """A new batch, of `PAGE_EVENTS` at most."""
        return Batch(next(self._numbers), events)

    async def append(self, batch: Batch) -> int:
        """Add a batch; returns how many events were added, which is none for the batch that was added last."""
        return await self._add(self._batch_key, batch.number, batch.events)

    async def begin(self) -> None:
        """See to it that there is a stream."""
        await self._add(f"{self._batch_key}:begin", next(self._numbers), ())

    async def page(self, after: EventId | None) -> list[Entry] | None:
        """What follows an entry, or is oldest, oldest first; None where that entry is no more."""
        start = "-" if after is None else str(after)
        with redis_errors():
            found = await self._redis.xrange(self._key, min=start, count=PAGE_EVENTS + (after is not None))
        entries = [_entry(*each) for each in cast("list[tuple[bytes, dict[bytes, bytes]]]", found)]
        if after is None:
            return entries
        return entries[1:] if entries and entries[0].id == after else None

    async def wait(self, after: EventId) -> None:
        """Wait until something follows an entry, or a second."""
        with redis_errors():
            await self._redis.xread({self._key: str(after)}, count=1, block=WAIT_MS)

    async def _add(self, batch_key: str, number: int, events: Sequence[LiveEvent]) -> int:
        marker = LiveEvent.reset("began")
        args: list[str | bytes | int] = [number, BATCH_SECONDS, EVENTS_KEPT, marker.field, marker.to_json()]
        for event in events:
            args += (event.field, event.to_json())
        with redis_errors():
            return int(await self._append(keys=[self._key, batch_key], args=args))


def _entry(entry_id: bytes, fields: dict[bytes, bytes]) -> Entry:
    """An entry; one that somebody else has put there is of no known kind, and nobody will want it."""
    field, data = next(iter(fields.items()))
    return Entry(EventId.parse(entry_id.decode()), field.decode(errors="replace"), data)
