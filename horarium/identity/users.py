"""Users as every request needs them: from Redis, where a copy lives five minutes, else from Postgres.

Postgres has the truth. The danger of a cache is the reader that took its row before a change and stores it after, so
that a disabled user would be let in for five minutes more. `forget` shuts that out: it leaves a *bar* in the copy's
place, for longer than any reader can take, and readers only ever store into an empty place. While the bar stands, that
one user is read from Postgres.

With Redis away the answer is Unavailable and never a look at Postgres instead: it is Redis that says whether a copy
was barred, and a database that suddenly has every request to bear would be the next to go.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from pydantic import ValidationError

from horarium.errors import NotFound
from horarium.keyspace.pool import redis_errors
from horarium.model import User
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from redis.asyncio import Redis

    from horarium.keyspace.keys import Keys
    from horarium.sql.database import Database

__all__ = ["CachedUser", "Users"]

CACHE_SECONDS = 300
BAR_SECONDS = 60
"""Longer than the timeouts of Postgres and Redis together, which bound what lies between a reader's read and store."""

BAR = b""


class CachedUser(User):
    """A user and the session version that a token must carry."""

    session_version: int

    def public(self) -> User:
        """The user as the API shows it."""
        return User(**self.model_dump(exclude={"session_version"}))


class Users:
    """Reads users through the cache; raises Unavailable when Redis or Postgres is away."""

    def __init__(self, database: Database, redis: Redis, keys: Keys) -> None:
        self._database = database
        self._redis = redis
        self._keys = keys

    async def get(self, user_id: int) -> CachedUser:
        """The user; raises NotFound when there is none."""
        key = self._keys.user(user_id)
        with redis_errors():
            copy = cast("bytes | None", await self._redis.get(key))
        if copy and (user := _read(copy)) is not None:
            return user
        user = await self.get_fresh(user_id)
        if copy is None:
            with redis_errors():
                await self._redis.set(key, user.model_dump_json(), ex=CACHE_SECONDS, nx=True)
        return user

    async def get_fresh(self, user_id: int) -> CachedUser:
        """The user from Postgres, for what must not rest on a copy; raises NotFound when there is none."""
        async with self._database.connection() as connection:
            row = await QUERIES.user_get.row(connection, id=user_id)
        if row is None:
            raise NotFound("user", user_id)
        return CachedUser(**row)

    async def forget(self, user_id: int) -> None:
        """Drop the copy and keep readers from storing another for a minute.

        Call it *before* changing a user: the change is then seen by every later request, though the process may die
        right after it. A change that takes longer than half a minute calls it again afterwards.
        """
        with redis_errors():
            await self._redis.set(self._keys.user(user_id), BAR, ex=BAR_SECONDS)


def _read(copy: bytes) -> CachedUser | None:
    """The user in a copy; None for what another release of Horarium wrote, which only Postgres can tell us then."""
    try:
        return CachedUser.model_validate_json(copy)
    except ValidationError:
        return None
