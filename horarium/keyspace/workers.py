"""Heartbeats: a worker that lives renews its key; a key that runs out means a worker that is gone."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING

import orjson

from horarium.keyspace.pool import redis_errors

if TYPE_CHECKING:
    from collections.abc import Iterable

    from redis.asyncio import Redis

    from horarium.keyspace.keys import Keys

__all__ = ["HEARTBEAT_TTL_SECONDS", "WorkerBeat", "Workers"]

HEARTBEAT_TTL_SECONDS = 4.5
"""How long a heartbeat lasts; a worker renews it three times in that."""


@dataclass(frozen=True, slots=True)
class WorkerBeat:
    """What a worker says of itself.

    `process` outlives the worker's restarts within it, and is what orders are given to; `inline`: other parts of
    Horarium share it. What has a default was not said by every release, and a worker of another one is still seen.
    """

    id: str
    queues: tuple[str, ...]
    concurrency: int
    active: int
    started_at: str
    process: str = ""
    inline: bool = False
    host: str = ""
    pid: int = 0
    version: str = ""
    state: str = "running"
    beaten_at: str | None = None


KNOWN = frozenset(each.name for each in fields(WorkerBeat))


class Workers:
    """Typed access to the `worker:{id}` keys; raises Unavailable when Redis is away."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    async def beat(self, beat: WorkerBeat) -> None:
        """Say that this worker lives."""
        with redis_errors():
            await self._redis.set(
                self._keys.worker(beat.id), orjson.dumps(asdict(beat)), px=int(HEARTBEAT_TTL_SECONDS * 1000)
            )

    async def leave(self, worker_id: str) -> None:
        """Say that this worker is gone on purpose."""
        with redis_errors():
            await self._redis.delete(self._keys.worker(worker_id))

    async def living(self) -> list[WorkerBeat]:
        """Every worker whose heartbeat has not run out."""
        with redis_errors():
            names = [name async for name in self._redis.scan_iter(match=self._keys.worker("*"), count=1000)]
            beats = await self._redis.mget(names) if names else []
        return [_read(beat) for beat in beats if beat is not None]

    async def find(self, worker_id: str) -> WorkerBeat | None:
        """The worker of this id; None where its heartbeat has run out, or there never was one."""
        with redis_errors():
            beat = await self._redis.get(self._keys.worker(worker_id))
        return None if beat is None else _read(beat)

    async def gone(self, worker_ids: Iterable[str]) -> set[str]:
        """Which of these workers have no heartbeat now."""
        ids = list(worker_ids)
        if not ids:
            return set()
        with redis_errors():
            beats = await self._redis.mget([self._keys.worker(i) for i in ids])
        return {i for i, beat in zip(ids, beats, strict=True) if beat is None}


def _read(beat: bytes | str) -> WorkerBeat:
    return WorkerBeat(**{name: value for name, value in orjson.loads(beat).items() if name in KNOWN})
