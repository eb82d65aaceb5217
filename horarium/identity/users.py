"""Users as every request needs them: from Redis, where a copy lives five minutes, else from Postgres."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from horarium.errors import NotFound
from horarium.keyspace.cache import Cache
from horarium.model import User
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from horarium.keyspace.keys import Keys
    from horarium.sql.database import Database

__all__ = ["CachedUser", "Users"]


class CachedUser(User):
    """A user and the session version that a token must carry."""

    session_version: int


class Users:
    """Reads users through the cache; raises Unavailable when Redis or Postgres is away."""

    def __init__(self, database: Database, redis: Redis, keys: Keys) -> None:
        self._database = database
        self._keys = keys
        self._cache = Cache(redis, CachedUser)

    async def get(self, user_id: int) -> CachedUser:
        """The user; raises NotFound when there is none."""
        return await self._cache.get(self._keys.user(user_id), partial(self.get_fresh, user_id))

    async def get_fresh(self, user_id: int) -> CachedUser:
        """The user from Postgres, for what must not rest on a copy; raises NotFound when there is none."""
        async with self._database.connection() as connection:
            row = await QUERIES.user_get.row(connection, id=user_id)
        if row is None:
            raise NotFound("user", user_id)
        return CachedUser(**row)

    async def forget(self, user_id: int) -> None:
        """Keep the cache from answering for a user that is about to change."""
        await self._cache.bar(self._keys.user(user_id))
