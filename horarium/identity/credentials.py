"""Names and passwords: whose they are, checked so that the answer and its time tell nothing but yes or no.

An account that is not there, one that is disabled and a wrong password take the same way: counted, looked up, one
argon2 verification, the same words. Whoever has guessed too often is turned away before any of that costs anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from horarium.errors import Unauthorized, Unavailable
from horarium.identity.passwords import Passwords, Verdict
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    import asyncpg

    from horarium.identity.throttle import LoginThrottle
    from horarium.sql.database import Database

__all__ = ["WRONG_CREDENTIALS", "Account", "Credentials"]

WRONG_CREDENTIALS = "wrong username or password"


@dataclass(frozen=True, slots=True)
class Account:
    """Whose password it was."""

    id: int
    username: str
    session_version: int


class Credentials:
    """Checks who logs in; raises Unavailable when Redis or Postgres is away."""

    def __init__(self, database: Database, throttle: LoginThrottle) -> None:
        self._database = database
        self._throttle = throttle
        self._passwords = Passwords()

    async def check(self, username: str, password: str, address: str) -> Account:
        """Whose they are; raises Unauthorized, or TooManyRequests after many tries."""
        attempt = await self._throttle.admit(username, address)
        try:
            account = await self._account(username)
        except Unavailable:
            await self._throttle.take_back(attempt)  # nobody has learnt anything
            raise
        verdict = await self._passwords.verify(account["password_hash"] if account else None, password)
        if account is None or verdict is Verdict.WRONG or not account["is_active"]:
            raise Unauthorized(WRONG_CREDENTIALS)
        await self._throttle.forgive(attempt)
        if verdict is Verdict.RIGHT_BUT_OUTDATED:
            await self._rehash(account, password)
        return Account(account["id"], account["username"], account["session_version"])

    async def _account(self, username: str) -> asyncpg.Record | None:
        # Postgres refuses NUL and half characters with an error, which a stranger could use to end this actor.
        if not username.isprintable():
            return None
        async with self._database.connection() as connection:
            return await QUERIES.user_credentials.row(connection, username=username)

    async def _rehash(self, account: asyncpg.Record, password: str) -> None:
        hashed = await self._passwords.hash(password)
        async with self._database.connection() as connection:
            await QUERIES.user_rehash.run(
                connection, id=account["id"], known_hash=account["password_hash"], password_hash=hashed
            )
