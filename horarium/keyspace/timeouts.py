"""The timeout index: running executions by deadline. Postgres has the truth (`deadline_at`); this one is quick."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from uuid import UUID

from horarium.keyspace.due_index import to_ms
from horarium.keyspace.pool import redis_errors

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from redis.asyncio import Redis

    from horarium.keyspace.keys import Keys

__all__ = ["TimeoutIndex", "Watch"]


@dataclass(frozen=True, slots=True)
class Watch:
    """A running attempt and the instant it may not outlive."""

    execution_id: UUID
    attempt: int
    deadline: datetime


class TimeoutIndex:
    """Typed access to `timeout:tasks` and `timeout:index`; raises Unavailable when Redis is away."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys

    async def watch(self, watches: Sequence[Watch]) -> None:
        """Start watching running attempts."""
        if not watches:
            return
        with redis_errors():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hset(self._keys.timeout_tasks, mapping={str(w.execution_id): w.attempt for w in watches})
                pipe.zadd(self._keys.timeout_index, {str(w.execution_id): to_ms(w.deadline) for w in watches})
                await pipe.execute()

    async def unwatch(self, execution_ids: Sequence[UUID]) -> None:
        """Stop watching; an id that is not watched is no error."""
        if not execution_ids:
            return
        ids = [str(i) for i in execution_ids]
        with redis_errors():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.hdel(self._keys.timeout_tasks, *ids)
                pipe.zrem(self._keys.timeout_index, *ids)
                await pipe.execute()

    async def overdue(self, before: datetime, limit: int) -> list[UUID]:
        """Executions whose deadline was before `before`, earliest first."""
        with redis_errors():
            members = await self._redis.zrange(
                self._keys.timeout_index, "-inf", to_ms(before), byscore=True, offset=0, num=limit
            )
        return [UUID(member.decode()) for member in cast("list[bytes]", members)]

    async def watched(self) -> set[UUID]:
        """Every execution in the index."""
        with redis_errors():
            members = await self._redis.hkeys(self._keys.timeout_tasks)
        return {UUID(member.decode()) for member in cast("list[bytes]", members)}
