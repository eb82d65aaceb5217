"""Copies of rows in Redis, which live five minutes; Postgres has the truth.

The danger of a cache is the reader that took its row before a change and stores it after, so that a disabled user
would be let in for five minutes more. A *bar* shuts that out: it stands in the copy's place for longer than any reader
can take, and readers only ever store into an empty place. While it stands, that one row is read from Postgres.

With Redis away the answer is Unavailable and never a look at Postgres instead: it is Redis that says whether a copy was
barred, and a database that suddenly has every request to bear would be the next to go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from horarium.keyspace.gathered import GatheredReads
from horarium.keyspace.pool import redis_errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from redis.asyncio import Redis

__all__ = ["Cache"]

CACHE_SECONDS = 300
BAR_SECONDS = 60
"""Longer than the timeouts of Postgres and Redis together, which bound what lies between a reader's read and store."""

BAR = b""

Model = TypeVar("Model", bound=BaseModel)


class Cache(Generic[Model]):
    """Copies of one kind of row."""

    def __init__(self, redis: Redis, model: type[Model]) -> None:
        self._redis = redis
        self._reads = GatheredReads(redis)
        self._model = model

    async def get(self, key: str, load: Callable[[], Awaitable[Model]]) -> Model:
        """The copy, or what `load` answers, of which a copy is then kept. Raises what that raises, and Unavailable."""
        copy = await self._reads.get(key)
        if copy and (known := self._read(copy)) is not None:
            return known
        loaded = await load()
        if copy is None:
            with redis_errors():
                await self._redis.set(key, loaded.model_dump_json(), ex=CACHE_SECONDS, nx=True)
        return loaded

    async def bar(self, key: str) -> None:
        """Drop the copy and keep readers from storing another for a minute.

        Call it *before* changing the row: the change is then seen by every later request, though the process may die
        right after it. A change that takes longer than half a minute calls it again afterwards.
        """
        with redis_errors():
            await self._redis.set(key, BAR, ex=BAR_SECONDS)

    def _read(self, copy: bytes) -> Model | None:
        """The row in a copy; None for what another release of Horarium wrote, which only Postgres can tell us then."""
        try:
            return self._model.model_validate_json(copy)
        except ValidationError:
            return None
