"""What a worker does for its streams beside reading them: it keeps what it has in hand, and moves what has become due.

An entry that nobody acknowledges for a while is taken for an orphan and given to somebody else. What a living worker
has in hand is none, however long it takes: the worker claims its entries again every two seconds, many in one command,
which makes them young. That ends with the worker, and five seconds later they are orphans. Rejected: to ask, before an
orphan is taken, whether its consumer lives. It needs a second truth about who lives, read by everybody at every look.

Delayed messages wait in a sorted set for each queue, and every worker that reads the queue moves those that are due:
one script, so that a message is always in the one place or the other, whoever is killed.

Redis away: what is in hand ages meanwhile, which nobody sees before it is back; one turn later it is young again.
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from typing import TYPE_CHECKING

import anyio
import structlog
from redis.exceptions import ResponseError

from horarium.errors import Unavailable
from horarium.keyspace.pool import redis_errors
from horarium.keyspace.scripts import script

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from redis.asyncio import Redis

    from horarium.keyspace.keys import Keys

__all__ = ["Upkeep"]

log = structlog.get_logger(__name__)

KEEP_SECONDS = 2.0
"""How often entries in hand are made young: twice within the time after which they are orphans."""

KEPT_ENTRIES = 1000
"""Entries claimed in one command."""

LOOK_SECONDS = 0.3
"""How often it is looked for delayed messages that others have sent, and so how late one may be that was to wait for a
shorter time; every other one is moved when it is due."""

PROMOTED_MESSAGES = 500
"""Messages moved in one script call."""

AGAIN_SECONDS = 0.5
END_SECONDS = 1.0
"""How long a command under way is waited for: one that is cancelled costs its connection."""


class Upkeep:
    """The upkeep of one worker's queues; `begin` starts it, `end` stops it and forgets what was in hand."""

    def __init__(self, redis: Redis, keys: Keys, queues: Sequence[str], group: str, consumer: str) -> None:
        self._redis = redis
        self._pairs = [(keys.delayed(name), keys.queue(name)) for name in queues]
        self._group = group
        self._consumer = consumer
        self._promote = script(redis, "queue_promote")
        self._in_hand: set[tuple[str, bytes]] = set()
        self._ending = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    def begin(self) -> None:
        """Go on until `end`, if it does not go on already."""
        if not self._tasks:
            self._ending = asyncio.Event()
            self._tasks = [
                asyncio.create_task(_repeat(self._keep_and_pause, self._ending)),
                asyncio.create_task(_repeat(self._promote_and_pause, self._ending)),
            ]

    def check(self) -> None:
        """Raise what has ended it, if it has ended by itself."""
        for task in self._tasks:
            if task.done():
                task.result()

    async def end(self) -> None:
        """Stop; what was in hand and is not acknowledged is delivered again soon."""
        tasks, self._tasks = self._tasks, []
        self._ending.set()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=END_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._in_hand.clear()

    def take(self, stream: str, entry_id: bytes) -> None:
        """Keep this entry from now on."""
        self._in_hand.add((stream, entry_id))

    def let_go(self, stream: str, entry_id: bytes) -> None:
        """Keep it no more: it is acknowledged, or somebody else's turn."""
        self._in_hand.discard((stream, entry_id))

    async def keep(self) -> int:
        """Make all that is in hand young; returns how many entries were still ours to keep. Raises Unavailable."""
        by_stream: defaultdict[str, list[bytes]] = defaultdict(list)
        for stream, entry_id in self._in_hand:
            by_stream[stream].append(entry_id)
        kept = 0
        for stream, ids in by_stream.items():
            for first in range(0, len(ids), KEPT_ENTRIES):
                kept += await self._claim_again(stream, ids[first : first + KEPT_ENTRIES])
        return kept

    async def promote(self) -> float:
        """Move what is due; returns in how many seconds the next is, infinite if none waits. Raises Unavailable."""
        next_due = math.inf
        for delayed, stream in self._pairs:
            moved, in_ms = PROMOTED_MESSAGES, -1
            while moved == PROMOTED_MESSAGES:
                with redis_errors("broker"):
                    moved, in_ms = await self._promote(keys=[delayed, stream], args=[PROMOTED_MESSAGES])
            next_due = min(next_due, in_ms / 1000 if in_ms >= 0 else math.inf)
        return next_due

    async def _keep_and_pause(self) -> float:
        await self.keep()
        return KEEP_SECONDS

    async def _promote_and_pause(self) -> float:
        return min(await self.promote(), LOOK_SECONDS)

    async def _claim_again(self, stream: str, ids: Sequence[bytes]) -> int:
        """JUSTID: neither the message nor the count of its deliveries is of interest."""
        try:
            with redis_errors("broker"):
                return len(await self._redis.xclaim(stream, self._group, self._consumer, 0, [*ids], justid=True))
        except ResponseError as error:
            if not str(error).startswith("NOGROUP"):
                raise
            return 0  # flushed: there is nothing to keep


async def _repeat(step: Callable[[], Awaitable[float]], ending: asyncio.Event) -> None:
    """Do `step`, wait as long as it says, and again until `ending`; what Redis is away for is done the next time."""
    while not ending.is_set():
        try:
            pause = await step()
        except Unavailable as error:
            log.debug("broker.upkeep_waits", error=str(error))
            pause = AGAIN_SECONDS
        with anyio.move_on_after(pause):
            await ending.wait()
