"""The life of users. What changes who may do what ends the sessions that were opened before it.

Each change bars the user's copy in the cache first and is one transaction, which raises the session version where it
disables the user or gives another role or password; from its commit on every token issued before is refused. Refresh
tokens are taken away after it: they are only litter by then.

Whoever changes their own password has to know it, and may guess at it no more often than at a login: an access token
that was stolen is good for minutes, and a password for years. Hashing takes a moment, in which an admin may give the
account another password: that one stays.

One active admin there is always: who would take the last one away holds all of them, so that of two who each see the
other one is refused.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog

from horarium.audit_log import Target, note, shown, what_changed
from horarium.errors import Conflict, FieldError, InvalidInput, NotFound, Unavailable
from horarium.identity.passwords import Passwords, Verdict, check_new_password
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from horarium.audit_log import Author
    from horarium.identity.throttle import LoginThrottle
    from horarium.identity.users import Users
    from horarium.keyspace.tokens import RefreshTokens
    from horarium.model import UserCreate, UserPatch
    from horarium.sql.database import Database
    from horarium.sql.queries import Connection

__all__ = ["Accounts", "UserFilter"]

log = structlog.get_logger(__name__)

EDITABLE = ("username", "email", "full_name", "role", "is_active")
ENDS_SESSIONS = ("role", "is_active", "password_hash")


@dataclass(frozen=True, slots=True)
class UserFilter:
    """What a list of users is narrowed to; None leaves a filter out. `q` is part of a name or an address."""

    username: str | None = None
    role: str | None = None
    is_active: bool | None = None
    q: str | None = None


class Accounts:
    """Creates, edits and deletes users; raises NotFound, Conflict, InvalidInput and Unavailable."""

    def __init__(
        self, database: Database, users: Users, throttle: LoginThrottle, refresh_tokens: RefreshTokens
    ) -> None:
        self._database = database
        self._users = users
        self._throttle = throttle
        self._passwords = Passwords()
        self._refresh_tokens = refresh_tokens

    async def create(self, body: UserCreate, *, by: Author) -> asyncpg.Record:
        """A new user."""
        check_new_password(body.password, username=body.username)
        hashed = await self._passwords.hash(body.password)
        async with self._database.transaction() as connection:
            row = await QUERIES.user_insert.row(
                connection, **body.model_dump(exclude={"password"}), password_hash=hashed
            )
            if row is None:
                raise _name_taken(body.username)
            await note(connection, by, "user.created", _target(row), after=shown(row, EDITABLE))
        return row

    async def get(self, user_id: int) -> asyncpg.Record:
        """One user."""
        async with self._database.connection() as connection:
            return _there(await QUERIES.user_get.row(connection, id=user_id), user_id)

    async def page(self, wanted: UserFilter, *, after: int, limit: int) -> tuple[list[asyncpg.Record], int]:
        """A page of users, in the order they were made, and how many there are in all."""
        async with self._database.connection() as connection:
            rows = await QUERIES.user_list.rows(connection, **asdict(wanted), after=after, max_rows=limit)
            return rows, int(await QUERIES.user_count_listed.value(connection, **asdict(wanted)))

    async def edit(self, user_id: int, patch: UserPatch, *, by: Author) -> asyncpg.Record:
        """Change the fields that `patch` gives."""
        changed = patch.model_dump(exclude_unset=True)
        if (password := changed.pop("password", None)) is not None:
            username = changed.get("username") or (await self.get(user_id))["username"]
            check_new_password(password, username=username)
            changed["password_hash"] = await self._passwords.hash(password)
        return await self._change(user_id, changed, by)

    async def change_password(self, user_id: int, current: str, new: str, *, by: Author) -> None:
        """Give oneself another password; every session ends, the one in use included. Raises TooManyRequests."""
        async with self._database.connection() as connection:
            known = await QUERIES.user_password_hash.value(connection, id=user_id)
        attempt = await self._throttle.admit(by.name, by.address or "")
        if await self._passwords.verify(known, current) is Verdict.WRONG:
            raise InvalidInput(FieldError(("current_password",), "is not your password"))
        await self._throttle.forgive(attempt)
        check_new_password(new, username=by.name, field="new_password")
        await self._change(user_id, {"password_hash": await self._passwords.hash(new)}, by, known_hash=known)

    async def delete(self, user_id: int, *, by: Author) -> None:
        """Take a user away; what it made stays."""
        await self._users.forget(user_id)
        async with self._database.transaction() as connection:
            old, others = await _locked(connection, user_id)
            _keep_an_admin(old, others, {"is_active": False})
            await QUERIES.user_delete.value(connection, id=user_id)
            await note(connection, by, "user.deleted", _target(old), before=shown(old, EDITABLE))
        await self._sweep_up(user_id)

    async def _change(
        self, user_id: int, changed: Mapping[str, Any], by: Author, *, known_hash: str | None = None
    ) -> asyncpg.Record:
        """Change these fields; where a hash is given, only while it is still that of the user's password."""
        await self._users.forget(user_id)
        try:
            async with self._database.transaction() as connection:
                old, others = await _locked(connection, user_id)
                if known_hash not in (None, old["password_hash"]):
                    raise InvalidInput(FieldError(("current_password",), "is not your password any more"))
                _keep_an_admin(old, others, changed)
                wanted = {name: changed.get(name, old[name]) for name in (*EDITABLE, "password_hash")}
                ends = any(wanted[name] != old[name] for name in ENDS_SESSIONS)
                row = _there(
                    await QUERIES.user_update.row(connection, **wanted, id=user_id, ends_sessions=ends), user_id
                )
                await _note_change(connection, by, old, row, changed)
        except asyncpg.UniqueViolationError:
            raise _name_taken(changed["username"]) from None
        if ends:
            await self._sweep_up(user_id)
        return row

    async def _sweep_up(self, user_id: int) -> None:
        """Take the refresh tokens away, which are good for nothing any more."""
        try:
            await self._refresh_tokens.revoke_user(user_id)
        except Unavailable as error:
            log.warning("refresh_tokens.left_to_expire", user_id=user_id, error=str(error))


def _there(row: asyncpg.Record | None, user_id: int) -> asyncpg.Record:
    if row is None:
        raise NotFound("user", user_id)
    return row


async def _locked(connection: Connection, user_id: int) -> tuple[asyncpg.Record, bool]:
    """The user, held until the transaction ends, and whether there is another active admin."""
    rows = await QUERIES.user_lock.rows(connection, id=user_id)
    user = _there(next((row for row in rows if row["id"] == user_id), None), user_id)
    return user, len(rows) > 1


def _keep_an_admin(old: asyncpg.Record, others: bool, changed: Mapping[str, Any]) -> None:
    stays = changed.get("role", "admin") == "admin" and changed.get("is_active", True)
    if old["role"] == "admin" and old["is_active"] and not stays and not others:
        raise Conflict("last_admin", f"{old['username']} is the last active admin; make another one first")


async def _note_change(
    connection: Connection, by: Author, old: asyncpg.Record, new: asyncpg.Record, changed: Mapping[str, Any]
) -> None:
    before, after = what_changed(old, new, EDITABLE)
    if "password_hash" in changed:
        await note(connection, by, "user.password_changed", _target(new))
    if after:
        await note(connection, by, "user.updated", _target(new), before=before, after=after)


def _name_taken(username: str) -> Conflict:
    return Conflict("name", f"there is a user named {username!r} already")


def _target(row: asyncpg.Record) -> Target:
    return Target("user", row["id"], row["username"])
