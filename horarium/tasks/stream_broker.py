"""taskiq-redis' stream broker, mended.

What the stock `RedisStreamBroker` (1.2) does, and this one does not:

- It looks for orphaned messages only after new ones arrive, so on a quiet stream they wait for ever. Here every
  turn of the loop looks, whether or not something new came.
- It makes its consumer group at `$`, so what was sent before the first worker started is never delivered. Here `0`.
- It never deletes acknowledged entries, so a stream grows without end. Here acknowledging deletes.
- It dies of NOGROUP after a flush. Here the group is made again and the loop goes on.
- It gives a message away while its worker still works on it. Here the worker keeps it (`stream_upkeep.py`).
- It knows no delay. Here the label `delay` has a message wait in a sorted set, whence workers take it once it is due.

What a worker has read and does not begin, because it pauses or stops, it gives back: the entry becomes an orphan at
once, of a consumer that is nobody, and goes to whoever looks next.

An orphan is a message unacknowledged for `ORPHAN_SECONDS` that no worker keeps. A worker keeps what `listen` has
yielded and nobody has acknowledged or released. What was read and waits to be yielded grows old, so that a worker
without room does not withhold it from one that has some. To deliver twice is harmless: the claim in Postgres lets one
attempt run once.
"""

from __future__ import annotations

import asyncio
import math
import time
import uuid
from collections import defaultdict, deque
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

import anyio
import structlog
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from taskiq_redis import RedisStreamBroker

from horarium.errors import Unavailable
from horarium.keyspace.due_index import from_ms
from horarium.keyspace.packing import pack_quickly
from horarium.keyspace.pool import connection_options, redis_errors
from horarium.keyspace.scripts import script
from horarium.tasks.batching import Batcher
from horarium.tasks.delay import delay_in
from horarium.tasks.delivery import Delivery
from horarium.tasks.message import Formatter
from horarium.tasks.stream_upkeep import Upkeep

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
    from datetime import datetime

    from taskiq import AckableMessage, BrokerMessage

    from horarium.keyspace.keys import Keys
    from horarium.tasks.message import TaskMessage

__all__ = ["StreamBroker", "lost_after", "made_at", "redis_now"]

log = structlog.get_logger(__name__)

GROUP = "horarium"
STREAM_IS_GONE = ("NOGROUP", "UNBLOCKED the stream key no longer exists")
"""What a flush is answered with; the second by Redis 7.0, to a reader that was waiting."""

BLOCK_MS = 1000
READ_COUNT = 100
"""Messages read at once; fewer by a worker that runs fewer."""

RECONNECT_SECONDS = 0.5
ORPHAN_SECONDS = 5.0
NOBODY = "nobody"
"""The consumer that holds what was given back, until somebody else claims it."""

LOST_AFTER = timedelta(seconds=5)
"""How much longer ago than the oldest entry a message was sent that counts as lost: by so much Redis' clock may be set
back meanwhile."""

PUBLISH_ROWS = 500
"""Messages sent to Redis in one script call."""

TIDIED_KEYS = 10_000
TIDIED_ENTRIES = 1000
SILENT_MS = 3_600_000
"""How long a consumer that holds nothing must have been silent to be deleted; one that lives asks every second."""

_Entry = tuple[bytes, bytes, bytes]  # stream, entry id, data


class StreamBroker(RedisStreamBroker):
    """A taskiq broker over one Redis stream for each queue."""

    def __init__(
        self,
        url: str,
        keys: Keys,
        *,
        queues: Sequence[str] = ("default",),
        consumer: str = "sender",
        concurrency: int = READ_COUNT,
    ) -> None:
        self._keys = keys
        self._read_count = min(concurrency, READ_COUNT)
        self._queues = tuple(queues)
        self._streams = [keys.queue(name) for name in queues]
        super().__init__(
            url,
            queue_name=self._streams[0],
            additional_streams=dict.fromkeys(self._streams[1:], ">"),
            consumer_group_name=GROUP,
            consumer_name=consumer,
            consumer_id="0",
            xread_block=BLOCK_MS,
            max_connection_pool_size=16,
            timeout=5.0,
            **cast("dict[str, Any]", connection_options()),
        )
        pack_quickly(self.connection_pool)
        self.formatter = Formatter(self)
        self._redis = Redis(connection_pool=self.connection_pool)
        self._publish = script(self._redis, "queue_publish")
        self._delay = script(self._redis, "queue_delay")
        self._tidy = script(self._redis, "queue_tidy")
        self._walked = 0
        self._upkeep = Upkeep(self._redis, keys, self._queues, GROUP, consumer)
        self._acks: Batcher[tuple[str, bytes], None] = Batcher(self._ack_all)

    async def _declare_consumer_group(self) -> None:
        with redis_errors("broker"):
            await super()._declare_consumer_group()

    async def startup(self) -> None:
        """Make the groups. Started again, it keeps nothing of what a crashed worker before it had in hand."""
        await self._upkeep.end()
        await super().startup()

    async def shutdown(self) -> None:
        """Close the connections; what was not acknowledged is delivered again, a few seconds later."""
        await self._upkeep.end()
        await super().shutdown()

    async def kick(self, message: BrokerMessage) -> None:
        """Send one message, as taskiq's kicker does, label `delay` included; raises ValueError for one that is none."""
        queue, delay = str(message.labels.get("queue", "default")), delay_in(message.labels)
        with redis_errors("broker"):
            if delay:
                await self._delay(
                    keys=[self._keys.delayed(queue)], args=[math.ceil(delay * 1000), uuid.uuid4().hex, message.message]
                )
            else:
                await self._publish(keys=[self._keys.queue(queue)], args=[message.message])

    async def publish(self, messages: Sequence[TaskMessage]) -> None:
        """Send messages, each queue's in as few round trips as may be.

        Raises Unavailable at the first page that fails; what was sent before it is sent. A message sent twice is
        claimed once, so the caller need not know which.
        """
        by_queue: defaultdict[str, list[bytes]] = defaultdict(list)
        for message in messages:
            by_queue[message.queue].append(message.to_json())
        with redis_errors("broker"):
            for queue, lines in by_queue.items():
                for first in range(0, len(lines), PUBLISH_ROWS):
                    await self._publish(keys=[self._keys.queue(queue)], args=lines[first : first + PUBLISH_ROWS])

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        """Yield orphans first, then what is new, for ever; at its end, what was read and not yielded is given back."""
        read: deque[_Entry] = deque()
        try:
            async for page in self._pages():
                read.extend(page)
                while read:
                    yield self._ackable(read.popleft())
        finally:
            with anyio.CancelScope(shield=True):
                await self._give_back(read)

    async def _pages(self) -> AsyncGenerator[list[_Entry], None]:
        looked_at, stream_is_gone = 0.0, False
        self._upkeep.begin()
        while True:
            _end_if_cancelled()
            self._upkeep.check()
            try:
                if stream_is_gone:
                    await self._declare_consumer_group()
                    stream_is_gone = False
                if time.monotonic() - looked_at > ORPHAN_SECONDS / 2:
                    looked_at = time.monotonic()
                    for stream in self._streams:
                        yield await self._orphans(stream)
                yield await self._new()
            except ResponseError as error:
                if not str(error).startswith(STREAM_IS_GONE):
                    raise
                stream_is_gone = True
            except Unavailable as error:
                # what runs must go on while Redis is away: only the listening waits
                log.warning("broker.waits", error=str(error))
                await asyncio.sleep(RECONNECT_SECONDS)

    async def depths(self) -> dict[str, int]:
        """How many messages of each queue are not acknowledged yet, those included that are not due."""
        with redis_errors("broker"):
            async with self._redis.pipeline(transaction=True) as pipe:
                for name in self._queues:
                    pipe.xlen(self._keys.queue(name))
                    pipe.zcard(self._keys.delayed(name))
                counts = await pipe.execute()
        return {name: counts[2 * place] + counts[2 * place + 1] for place, name in enumerate(self._queues)}

    @property
    def redelivers_after(self) -> float | None:
        """Never: what a worker has in hand it keeps."""
        return None

    async def lost_after(self, queue: str) -> timedelta | None:
        """How long ago a message of the queue was sent, at least, that is lost unless it was claimed; None: none is.

        Acknowledged entries are deleted, so what was sent before the oldest one is left nowhere. Its id carries Redis'
        own clock, by which its age is told, too; one from the future was made before that clock was set back, and says
        nothing. What is not due yet is no row's message, and is a new entry once it is.
        """
        with redis_errors("broker"):
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xrange(self._keys.queue(queue), count=1)
                pipe.time()
                oldest, now = await pipe.execute()
        return lost_after(made_at(oldest[0][0]) if oldest else redis_now(now), redis_now(now))

    async def tidy(self) -> int:
        """Delete what is left of the queues' past, those that only others read included; returns how much it was.

        Messages that are not due are left alone, and those that are due in a queue that nobody reads.
        """
        with redis_errors("broker"):
            self._walked, names = await self._redis.scan(
                self._walked, match=self._keys.queue("*"), count=TIDIED_KEYS, _type="stream"
            )
        tidied = 0
        for stream in {*self._streams, *(name.decode() for name in cast("list[bytes]", names))}:
            with redis_errors("broker"):
                entries, consumers = await self._tidy(keys=[stream], args=[GROUP, TIDIED_ENTRIES, SILENT_MS])
            tidied += entries + consumers
        return tidied

    async def _new(self) -> list[_Entry]:
        with redis_errors("broker"):
            answer = await self._redis.xreadgroup(
                GROUP, self.consumer_name, dict.fromkeys(self._streams, ">"), count=self._read_count, block=BLOCK_MS
            )
        pages = cast("list[tuple[bytes, list[tuple[bytes, dict[bytes, bytes]]]]]", answer or [])
        return [(stream, entry_id, _data(fields)) for stream, page in pages for entry_id, fields in page]

    async def _orphans(self, stream: str) -> list[_Entry]:
        """Take what nobody keeps, as much as is read at once.

        XAUTOCLAIM would look at ten entries for each that is asked for, the oldest ones: with so many in the hands of
        living workers, an orphan behind them would wait until those are done.
        """
        idle, count = int(ORPHAN_SECONDS * 1000), self._read_count
        with redis_errors("broker"):
            left = await self._redis.xpending_range(stream, GROUP, min="-", max="+", count=count, idle=idle)
            ids = [each["message_id"] for each in cast("list[dict[str, Any]]", left)]
            if not ids:
                return []
            page = await self._redis.xclaim(stream, GROUP, self.consumer_name, idle, ids)
        # Redis 6.2 answers an entry that was deleted meanwhile without fields
        claimed = cast("list[tuple[bytes, dict[bytes, bytes] | None]]", page)
        return [(stream.encode(), entry_id, _data(fields)) for entry_id, fields in claimed if fields]

    def _ackable(self, entry: _Entry) -> Delivery:
        stream, entry_id, data = entry[0].decode(), entry[1], entry[2]
        self._upkeep.take(stream, entry_id)

        async def release() -> None:
            self._upkeep.let_go(stream, entry_id)
            await self._give_back([entry])

        return Delivery(data=data, ack=self._ack_generator(entry_id.decode(), stream), release=release)

    async def _give_back(self, entries: Iterable[_Entry]) -> None:
        """Make orphans of entries that nobody has begun; where Redis does not take it they are orphans in a while."""
        by_stream: defaultdict[bytes, list[bytes]] = defaultdict(list)
        for stream, entry_id, _ in entries:
            by_stream[stream].append(entry_id)
        idle = int(ORPHAN_SECONDS * 1000)
        try:
            with redis_errors("broker"):
                for stream, ids in by_stream.items():
                    await self._redis.xclaim(stream, GROUP, NOBODY, 0, cast("list[Any]", ids), idle=idle, justid=True)
        except (ResponseError, Unavailable) as error:
            log.debug("broker.not_given_back", error=str(error))

    def _ack_generator(self, id: str, queue_name: str) -> Callable[[], Awaitable[None]]:  # noqa: A002 - the base class' name
        async def acknowledge() -> None:
            self._upkeep.let_go(queue_name, id.encode())
            await self._acks.submit((queue_name, id.encode()))

        return acknowledge

    async def _ack_all(self, entries: Sequence[tuple[str, bytes]]) -> list[None]:
        by_stream: defaultdict[str, list[bytes]] = defaultdict(list)
        for stream, entry_id in entries:
            by_stream[stream].append(entry_id)
        with redis_errors("broker"):
            async with self._redis.pipeline(transaction=False) as pipe:
                for stream, ids in by_stream.items():
                    pipe.xack(stream, GROUP, *ids)
                    pipe.xdel(stream, *ids)
                await pipe.execute()
        return [None] * len(entries)


def _data(fields: dict[bytes, bytes]) -> bytes:
    """The message in an entry; nothing in one that somebody else has put there, which the receiver then drops."""
    return fields.get(b"data", b"")


def made_at(entry_id: bytes) -> datetime:
    """When an entry was made, by Redis' clock."""
    return from_ms(int(entry_id.split(b"-")[0]))


def redis_now(time: tuple[int, int]) -> datetime:
    """The answer to TIME, in whole milliseconds as ids of entries are."""
    return from_ms(time[0] * 1000 + time[1] // 1000)


def lost_after(oldest: datetime, now: datetime) -> timedelta | None:
    """What `Publisher.lost_after` answers where nothing that was sent before `oldest` is left; both by one clock."""
    return None if oldest > now else now - oldest + LOST_AFTER


def _end_if_cancelled() -> None:
    """Raise `CancelledError` in a task that was cancelled and did not hear of it.

    taskiq cancels its read once and waits for it to end, without a deadline; about one cancellation in a hundred gets
    lost within redis-py while it connects, and then a worker that is told to stop would never do so.
    """
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
