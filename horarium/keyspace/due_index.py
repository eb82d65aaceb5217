"""The due index: which config is due next, and what it takes to decide and send it.

A rebuildable cursor over what Postgres knows. Its cost grows with what is due, never with what exists: the due
members are a range of a sorted set. Each entry carries the version of the config it was made from, so that neither
a late loader nor a late dispatcher can overwrite what a newer one wrote.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, TypeVar, cast

import orjson
from redis.exceptions import ResponseError

from horarium.keyspace.pool import redis_errors
from horarium.keyspace.scripts import script
from horarium.schedule.instants import EPOCH, MILLISECOND, micros

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from redis.asyncio import Redis

    from horarium.keyspace.keys import Keys

__all__ = ["Advance", "DueConfig", "DueEntry", "DueIndex", "from_ms", "to_ms"]

_T = TypeVar("_T")

LOADING, LOADED = b"loading 2", b"loaded 2"
"""The number is that of the entries' format: an index that another release has loaded is loaded again."""

SCRIPT_ROWS = 1000
"""Rows sent to one script call: long enough to save round trips, short enough not to hold Redis up."""


@dataclass(frozen=True, slots=True)
class DueEntry:
    """A config to put into the index; `tick` is when it fires, which jitter may have put off from the tick itself."""

    config_id: int
    version: int
    tick: datetime
    spec: bytes


@dataclass(frozen=True, slots=True)
class DueConfig:
    """A config in the index and when it fires (`tick`); `spec` is empty when the index lost it."""

    config_id: int
    tick: datetime
    version: int
    spec: bytes


@dataclass(frozen=True, slots=True)
class Advance:
    """When a config fires after its due ticks were decided; `following` None: it has no tick left."""

    config_id: int
    version: int
    tick: datetime
    following: datetime | None


class DueIndex:
    """Typed access to `schedule:due` and `schedule:spec`; raises Unavailable when Redis is away."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._read = script(redis, "due_read")
        self._list = script(redis, "due_list")
        self._upsert = script(redis, "due_upsert")
        self._advance = script(redis, "due_advance")

    async def due(self, now: datetime, *, passed_over: int, limit: int) -> list[DueConfig]:
        """Due configs, earliest first, after the first `passed_over` of them.

        The present is rounded down: a timer may wake its reader a moment early, who would get a thousand configs and
        find nothing to decide of them.
        """
        with redis_errors():
            flat = await self._read(keys=self._pair, args=[micros(now) // MILLISECOND, passed_over, limit])
        return [_due_config(*flat[i : i + 3]) for i in range(0, len(flat), 3)]

    async def next_tick(self) -> datetime | None:
        """The earliest tick in the index, due or not."""
        with redis_errors():
            first = await self._redis.zrange(self._keys.due, 0, 0, withscores=True)
        return from_ms(float(first[0][1])) if first else None

    async def upsert(self, entries: Sequence[DueEntry]) -> int:
        """Put configs in, unless a newer version is there; returns how many were put."""
        put = 0
        for page in _pages(entries):
            rows = [(str(e.config_id), e.version, to_ms(e.tick), e.spec.decode()) for e in page]
            with redis_errors():
                put += await self._upsert(keys=self._pair, args=[orjson.dumps(rows)])
        return put

    async def advance(self, moves: Sequence[Advance]) -> int:
        """Move configs on, where nothing has changed since they were read; returns how many were moved."""
        moved = 0
        for page in _pages(moves):
            rows = [
                (str(m.config_id), m.version, to_ms(m.tick), to_ms(m.following) if m.following else False) for m in page
            ]
            with redis_errors():
                moved += await self._advance(keys=self._pair, args=[orjson.dumps(rows)])
        return moved

    async def remove(self, config_ids: Iterable[int]) -> int:
        """Take configs out; returns how many were there."""
        ids = [str(config_id) for config_id in config_ids]
        if not ids:
            return 0
        with redis_errors():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.zrem(self._keys.due, *ids)
                pipe.hdel(self._keys.spec, *ids)
                removed, _ = await pipe.execute()
        return int(removed)

    async def ticks(self, config_ids: Sequence[int]) -> dict[int, datetime]:
        """The next tick of each of these configs that is in the index."""
        if not config_ids:
            return {}
        with redis_errors():
            scores = await self._redis.zmscore(self._keys.due, [str(i) for i in config_ids])
        return {i: from_ms(s) for i, s in zip(config_ids, scores, strict=True) if s is not None}

    async def versions(self, config_ids: Sequence[int]) -> dict[int, int]:
        """The version each of these configs was indexed at; one that has no tick or no spec is not in the index."""
        if not config_ids:
            return {}
        ids = [str(i) for i in config_ids]
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.hmget(self._keys.spec, ids)
                pipe.zmscore(self._keys.due, ids)
                specs, ticks = await pipe.execute()
        known = [(i, spec) for i, spec, tick in zip(config_ids, specs, ticks, strict=True) if spec and tick is not None]
        return {i: int(spec.split(b":", 1)[0]) for i, spec in known}

    async def config_ids(self) -> list[int]:
        """Every config in the index, walked without holding Redis up."""
        with redis_errors():
            return [int(member) async for member, _ in self._redis.zscan_iter(self._keys.due, count=SCRIPT_ROWS)]

    async def page(self, after: tuple[int, int] | None, limit: int) -> list[DueConfig]:
        """A page of everything in the index, earliest tick first; at most 1000.

        `after` is the config that was read last and the Unix milliseconds at which it fired then. Where it has moved on
        since, the page begins at that instant: some may be read twice, and none is left out.
        """
        config_id, tick_ms = ("", 0) if after is None else after
        with redis_errors():
            flat = await self._list(keys=self._pair, args=[config_id, tick_ms, limit])
        return [_due_config(*flat[i : i + 3]) for i in range(0, len(flat), 3)]

    async def firing_before(self, until: datetime, most: int) -> tuple[list[DueConfig], int]:
        """Configs that fire before `until`, earliest first, and how many there are; of many, evenly spread ones."""
        with redis_errors():
            total = int(await self._redis.zcount(self._keys.due, "-inf", f"({to_ms(until)}"))
            if total <= most:
                return await self.page(None, total) if total else [], total
            async with self._redis.pipeline(transaction=False) as pipe:
                for number in range(most):
                    place = number * total // most
                    pipe.zrange(self._keys.due, place, place, withscores=True)
                pairs = [pair for found in await pipe.execute() for pair in found]
            ids = [member for member, _ in pairs]
            specs = cast("list[bytes | None]", await self._redis.hmget(self._keys.spec, ids))
        return [
            _due_config(member, tick, spec or b"") for (member, tick), spec in zip(pairs, specs, strict=True)
        ], total

    async def size(self) -> int:
        """How many configs are in the index."""
        with redis_errors():
            return int(await self._redis.zcard(self._keys.due))

    async def is_loaded(self) -> bool:
        """Whether a full load has been finished since Redis was last empty."""
        with redis_errors():
            return bool(await self._redis.get(self._keys.loaded) == LOADED)

    async def run_id(self) -> str | None:
        """Which run of Redis has the index: another one may lack what was written last; None where it is not told.

        INFO is one of the commands that whoever runs a Redis likes to forbid.
        """
        with redis_errors():
            try:
                server: dict[str, Any] = await self._redis.info("server")
            except ResponseError:
                return None
        return server.get("run_id")

    async def begin_load(self) -> None:
        """Say that a full load begins."""
        with redis_errors():
            await self._redis.set(self._keys.loaded, LOADING)

    async def end_load(self) -> bool:
        """Say that the load is finished; False when Redis was flushed since it began, and it must begin again."""
        with redis_errors():
            return bool(await self._redis.set(self._keys.loaded, LOADED, xx=True))

    @property
    def _pair(self) -> list[str]:
        return [self._keys.due, self._keys.spec]


def to_ms(instant: datetime) -> int:
    """Unix milliseconds of an aware instant."""
    return round(instant.timestamp() * 1000)


def from_ms(milliseconds: float) -> datetime:
    """The UTC instant of Unix milliseconds."""
    return EPOCH + timedelta(milliseconds=milliseconds)  # exact, which a float of seconds is not in far centuries


def _due_config(member: bytes, score: bytes | float, spec: bytes) -> DueConfig:
    version, _, body = spec.partition(b":")
    return DueConfig(int(member), from_ms(float(score)), int(version or 0), body)


def _pages(rows: Sequence[_T]) -> Iterable[Sequence[_T]]:
    return (rows[i : i + SCRIPT_ROWS] for i in range(0, len(rows), SCRIPT_ROWS))
