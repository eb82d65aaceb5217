"""API keys: for machines, shown once, kept as SHA-256, each with a role and an end of its own.

A key is 256 random bits after `hk_`, so that whoever finds one in a log or a repository knows what it is. Nothing slow
is needed to protect it: 256 bits cannot be guessed. Checking one costs one read of Redis, as an access token does, and
one that is taken back is refused from then on.
"""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime  # noqa: TC003 - a field of a model
from functools import partial
from typing import TYPE_CHECKING

from horarium.audit_log import Target, note, shown
from horarium.errors import Conflict, FieldError, InvalidInput, NotFound, Unauthorized
from horarium.identity.callers import Caller
from horarium.keyspace.cache import Cache
from horarium.model import Answer, Role
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg
    from redis.asyncio import Redis

    from horarium.audit_log import Author
    from horarium.keyspace.keys import Keys
    from horarium.model import ApiKeyCreate
    from horarium.sql.database import Database

__all__ = ["PREFIX", "ApiKeys"]

PREFIX = "hk_"
SECRET_BYTES = 32
LENGTH = len(PREFIX) + 43
SHOWN_CHARS = len(PREFIX) + 5
LOGGED = ("name", "prefix", "role", "expires_at")


class CachedApiKey(Answer):
    """What a request needs to know of a key."""

    id: int
    name: str
    role: Role
    expires_at: datetime | None


class ApiKeys:
    """The life of API keys; raises NotFound, Conflict, InvalidInput, Unauthorized and Unavailable."""

    def __init__(self, database: Database, redis: Redis, keys: Keys, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._keys = keys
        self._clock = clock
        self._cache = Cache(redis, CachedApiKey)

    async def caller(self, text: str) -> Caller:
        """Whose key this is; raises Unauthorized for one that is unknown, has expired or was taken back."""
        if len(text) != LENGTH or not text.isascii():
            raise Unauthorized("no key of ours")
        digest = _digest(text)
        key = await self._cache.get(self._keys.api_key(digest.hex()), partial(self._load, digest))
        if key.expires_at is not None and key.expires_at <= self._clock():
            raise Unauthorized("the key has expired")
        return Caller("api_key", key.id, key.name, key.role, expires_at=key.expires_at)

    async def create(self, body: ApiKeyCreate, *, by: Author) -> tuple[asyncpg.Record, str]:
        """A new key: its row, and its text, which nobody can tell a second time."""
        if body.expires_at is not None and body.expires_at <= self._clock():
            raise InvalidInput(FieldError(("expires_at",), "must be in the future"))
        text = PREFIX + secrets.token_urlsafe(SECRET_BYTES)
        async with self._database.transaction() as connection:
            row = await QUERIES.api_key_insert.row(
                connection,
                **body.model_dump(),
                prefix=text[:SHOWN_CHARS],
                digest=_digest(text),
                created_by=by.user_id,
            )
            if row is None:
                raise Conflict("name", f"there is an API key named {body.name!r} already")
            await note(connection, by, "api_key.created", _target(row), after=shown(row, LOGGED))
        return row, text

    async def delete(self, key_id: int, *, by: Author) -> None:
        """Take a key back: it is refused from now on."""
        async with self._database.transaction() as connection:
            digest = await QUERIES.api_key_digest.value(connection, id=key_id)
            if digest is not None:
                await self._cache.bar(self._keys.api_key(digest.hex()))
            row = await QUERIES.api_key_delete.row(connection, id=key_id)
            if row is None:
                raise NotFound("API key", key_id)
            await note(connection, by, "api_key.deleted", _target(row), before=shown(row, LOGGED))

    async def page(self, *, after: int, limit: int) -> tuple[list[asyncpg.Record], int]:
        """A page of keys, in the order they were made, and how many there are in all."""
        async with self._database.connection() as connection:
            rows = await QUERIES.api_key_list.rows(connection, after=after, max_rows=limit)
            return rows, int(await QUERIES.api_key_count.value(connection))

    async def _load(self, digest: bytes) -> CachedApiKey:
        async with self._database.connection() as connection:
            row = await QUERIES.api_key_by_digest.row(connection, digest=digest)
        if row is None:
            raise Unauthorized("no key of ours")
        return CachedApiKey(**row)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def _target(row: asyncpg.Record) -> Target:
    return Target("api_key", row["id"], row["name"])
