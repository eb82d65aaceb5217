"""The identity core put together over real servers, with a clock that tests move."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, cast

import anyio

from horarium.actors.token_service import TokenService
from horarium.errors import Unauthorized
from horarium.identity.access_tokens import AccessTokens
from horarium.identity.api_keys import ApiKeys
from horarium.identity.authenticator import Authenticator
from horarium.identity.credentials import Credentials
from horarium.identity.passwords import Passwords
from horarium.identity.sessions import SessionPolicy, Sessions
from horarium.identity.throttle import LoginThrottle
from horarium.identity.users import Users
from horarium.keyspace.keys import Keys
from horarium.keyspace.pool import connect
from horarium.keyspace.tokens import RefreshTokens, _named
from horarium.messages import EndSession, EndSessions, LogIn, RotateToken
from horarium.sql.database import Database
from horarium.sql.migrator import migrate
from horarium.sql.queries import QUERIES
from horarium.supervisor import Reply

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from horarium.identity.users import CachedUser
    from horarium.keyspace.tokens import HeldToken
    from horarium.model import TokenPair

__all__ = ["HOUR", "KEY", "PASSWORD", "House", "a_house", "held", "race"]

KEY = "a key of tests, and of tests only"
PASSWORD = "correct horse battery staple"
HOUR = timedelta(hours=1)


@dataclass
class Clock:
    """The present, which `passes` when told to."""

    ahead: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.ahead

    def passes(self, by: timedelta) -> None:
        self.ahead += by


@dataclass
class House:
    """Everything a test of identity talks to."""

    database: Database
    redis: Redis
    keys: Keys
    policy: SessionPolicy
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        self.access_tokens = AccessTokens(KEY, 900)
        self.refresh_tokens = RefreshTokens(self.redis, self.keys)
        self.users = Users(self.database, self.redis, self.keys)
        self.api_keys = ApiKeys(self.database, self.redis, self.keys, clock=self.clock)
        self.authenticator = Authenticator(self.access_tokens, self.users, self.api_keys)
        self.credentials = Credentials(self.database, LoginThrottle(self.redis, self.keys))
        self.sessions = Sessions(self.access_tokens, self.refresh_tokens, self.policy, clock=self.clock)
        self.service = TokenService(self.database, self.users, self.credentials, self.sessions)

    async def log_in(
        self, username: str = "ada", password: str = PASSWORD, *, remember_me: bool = False, address: str = "192.0.2.1"
    ) -> TokenPair:
        reply: Reply[TokenPair] = Reply()
        await self.service.step(LogIn(username, password, remember_me, reply, address))
        return await reply.wait()

    async def refresh(self, token: str, key: str | None = None) -> TokenPair:
        reply: Reply[TokenPair] = Reply()
        await self.service.step(RotateToken(token, reply, key))
        return await reply.wait()

    def kept_for_a_retry(self, token: str, key: str) -> str:
        """Where Redis has what it takes to answer this token again under this key."""
        return self.keys.retry(_named(token, key))

    async def the_retry_ends(self, token: str, key: str) -> None:
        """As if ten seconds had passed since this token was changed under this key."""
        assert await self.redis.delete(self.kept_for_a_retry(token, key)) == 1

    async def end_session(self, token: str) -> None:
        reply: Reply[None] = Reply()
        await self.service.step(EndSession(token, reply))
        await reply.wait()

    async def log_out(self, user_id: int) -> None:
        reply: Reply[None] = Reply()
        await self.service.step(EndSessions(user_id, reply))
        await reply.wait()

    async def enter(self, access_token: str) -> CachedUser:
        caller = await self.authenticator.authenticate(f"Bearer {access_token}")
        assert caller.user is not None
        return caller.user

    async def account(self, username: str = "ada", *, password_hash: str | None = None) -> int:
        """A new user with PASSWORD; returns its id."""
        hashed = password_hash or await Passwords().hash(PASSWORD)
        async with self.database.connection() as connection:
            row = await QUERIES.user_insert.row(
                connection,
                username=username,
                email=None,
                full_name=None,
                role="viewer",
                is_active=True,
                password_hash=hashed,
            )
        assert row is not None
        return int(row["id"])

    async def sql(self, statement: str, *values: object) -> Any:
        """Run a statement; returns its first value."""
        async with self.database.connection() as connection:
            return await connection.fetchval(statement, *values)

    async def families(self, user_id: int) -> list[bytes]:
        """The ids in the user's index."""
        return cast("list[bytes]", await self.redis.zrange(self.keys.user_tokens(user_id), 0, -1))

    async def every_key(self) -> list[bytes]:
        return [key async for key in self.redis.scan_iter(f"{self.keys.prefix}*")]


@asynccontextmanager
async def a_house(
    database_url: str, redis_url: str, *, prefix: str = "horarium:", single_session: bool = True
) -> AsyncIterator[House]:
    """A house with an empty, migrated database."""
    redis = connect(redis_url)
    try:
        async with Database(database_url) as database:
            await migrate(database)
            policy = SessionPolicy(
                refresh_token_seconds=7 * 86_400,
                remember_me_seconds=30 * 86_400,
                single_session=single_session,
                refresh_idle_seconds=2 * 86_400,
            )
            yield House(database, redis, Keys(prefix), policy)
    finally:
        await redis.aclose()


async def held(house: House, token: str) -> HeldToken:
    """What Redis knows of a token."""
    found = await house.refresh_tokens.find(token)
    assert found is not None
    return found


async def race(house: House, token: str, times: int, key: str | None = None) -> list[TokenPair]:
    """Present one token many times at once; what was answered to those who got a pair."""
    won: list[TokenPair] = []

    async def present() -> None:
        try:
            won.append(await house.refresh(token, key))
        except Unauthorized:
            return

    async with anyio.create_task_group() as group:
        for _ in range(times):
            group.start_soon(present)
    return won
