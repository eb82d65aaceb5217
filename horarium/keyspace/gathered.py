"""Reads that come at the same moment go to Redis as one: what every request of the API needs costs a share of a call.

A command of its own takes more of our processor than all else that a short request does. So the first reader of a
turn of the event loop lets the others of that turn come in, and asks for all their keys at once. Nobody is answered
with what was read before they asked, and nobody waits for a call that is under way.

The first reader asks for everybody. Should it be cancelled before the answer is there, the others ask anew.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import anyio
from anyio.lowlevel import checkpoint

from horarium.errors import Unavailable
from horarium.keyspace.pool import redis_errors

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

__all__ = ["GatheredReads"]


@dataclass(slots=True, eq=False)
class _Gathering:
    """The keys that are asked for together; `values`, in their order, or `error`, or neither when it was cancelled."""

    keys: list[str] = field(default_factory=list)
    over: anyio.Event = field(default_factory=anyio.Event)
    values: Sequence[bytes | None] | None = None
    error: Unavailable | None = None


class GatheredReads:
    """Reads strings; raises Unavailable when Redis is away."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._open: _Gathering | None = None

    async def get(self, key: str) -> bytes | None:
        """What Redis has under this key now."""
        while True:
            gathering, first = self._open, self._open is None
            if gathering is None:
                gathering = self._open = _Gathering()
            place = len(gathering.keys)
            gathering.keys.append(key)
            if first:
                await self._ask(gathering)
            else:
                await gathering.over.wait()
            if gathering.error is not None:
                raise Unavailable(gathering.error.what, retry_after=gathering.error.retry_after) from gathering.error
            if gathering.values is not None:
                return gathering.values[place]

    async def _ask(self, gathering: _Gathering) -> None:
        try:
            try:
                await checkpoint()
            finally:
                self._open = None
            with redis_errors():
                gathering.values = cast("list[bytes | None]", await self._redis.mget(gathering.keys))
        except Unavailable as error:
            gathering.error = error
        finally:
            gathering.over.set()
