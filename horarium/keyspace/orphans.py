"""Keys in Redis that nobody will ask for again, found by walking the keyspace a little at a time, never by KEYS.

A walk goes on where the last step left off, so a step costs the same however much there is. History and status of a
deleted config would run out by themselves, after a month; entries that are only half in the timeout index would not.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from horarium.keyspace.pool import redis_errors
from horarium.keyspace.scripts import script

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis.asyncio import Redis

    from horarium.keyspace.keys import Keys

__all__ = ["Orphans"]

SCANNED_KEYS = 1000
"""Keys that one SCAN looks at; it holds Redis up for well under a millisecond."""

SCANS = 10
"""SCANs of one step."""


class Orphans:
    """Typed access to what may be orphaned; raises Unavailable when Redis is away."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._trim = script(redis, "timeout_trim")
        self._histories = (keys.history(0)[:-1], keys.status(0)[:-1])
        self._at = 0
        self._indexed_at = 0
        self._known_at = 0

    async def configs(self) -> set[int]:
        """The configs that the next keys of the walk speak of."""
        found: set[int] = set()
        for _ in range(SCANS):
            with redis_errors():
                self._at, names = await self._redis.scan(self._at, match=f"{self._keys.prefix}*", count=SCANNED_KEYS)
            keys = cast("list[bytes]", names)
            found.update(number for key in keys if (number := self._config_of(key.decode())) is not None)
            if self._at == 0:
                break
        return found

    async def forget(self, config_ids: Iterable[int]) -> int:
        """Delete history and status of these configs; returns how many keys there were."""
        names = [name for each in config_ids for name in (self._keys.history(each), self._keys.status(each))]
        if not names:
            return 0
        with redis_errors():
            return int(await self._redis.unlink(*names))

    async def trim_timeouts(self) -> int:
        """Take out of the timeout index what is only half in it; returns how many."""
        tasks, index = self._keys.timeout_tasks, self._keys.timeout_index
        with redis_errors():
            self._indexed_at, pairs = await self._redis.zscan(index, self._indexed_at, count=SCANNED_KEYS)
            self._known_at, known = await self._redis.hscan(tasks, self._known_at, count=SCANNED_KEYS)
            ids = sorted({member for member, _ in pairs} | set(cast("dict[bytes, bytes]", known)))
            return int(await self._trim(keys=[tasks, index], args=ids)) if ids else 0

    def _config_of(self, name: str) -> int | None:
        for beginning in self._histories:
            number = name.removeprefix(beginning)
            if number != name and number.isascii() and number.isdecimal():
                return int(number)
        return None
