"""The token service: the one place where tokens are issued, changed and ended.

Owns no state. Users and the session version are Postgres's, refresh tokens are Redis's, and what ties them is the
session version: each login notes the one it was made under, each rotation compares it with Postgres. So the single
UPDATE that raises it ends everything issued before, and what Redis still holds is only litter.

Requests are handled side by side, because a login spends its time in a thread with argon2 and a refresh must not stand
behind it. Logins have seats of their own; one that finds none is told to come again at once, instead of waiting until
nobody listens. All others wait for a seat, in the mailbox and then with their sender.

What the asker must know (bad credentials, a server that is away) goes to the asker. Any other error goes to the asker
and ends this actor: its supervisor starts it anew, and the requests in its hands fail at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import anyio
import structlog

from horarium.errors import NotFound, Unauthorized, Unavailable
from horarium.identity.passwords import Passwords, Verdict
from horarium.keyspace.tokens import Grant, Refused
from horarium.messages import EndSessions, LogIn, RotateToken
from horarium.model import TokenPair
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Callable

    import asyncpg
    from anyio.abc import TaskStatus

    from horarium.identity.access_tokens import AccessTokens
    from horarium.identity.users import Users
    from horarium.keyspace.tokens import HeldToken, RefreshTokens
    from horarium.messages import TokenRequest
    from horarium.settings import Settings
    from horarium.sql.database import Database
    from horarium.supervisor import ChildContext

__all__ = ["SessionPolicy", "TokenService"]

log = structlog.get_logger(__name__)

WRONG_CREDENTIALS = "wrong username or password"
BAD_REFRESH_TOKEN = "this refresh token is not good any more; log in again"  # noqa: S105 - a message

LOGIN_SEATS = 64
"""Two argon2 threads clear this many in about a second; a sender waits five."""

OTHER_SEATS = 64
"""Requests that only talk to Postgres and Redis, milliseconds each."""


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """How long a login lasts, in seconds, and whether it ends the earlier ones of its user."""

    refresh_token_seconds: int
    remember_me_seconds: int
    single_session: bool

    @classmethod
    def of(cls, settings: Settings) -> SessionPolicy:
        """As the settings say."""
        return cls(settings.refresh_token_seconds, settings.remember_me_seconds, settings.single_session)

    def expiry(self, now: datetime, *, remember_me: bool) -> datetime:
        """When a login of `now` ends, however often it is refreshed."""
        return now + timedelta(seconds=self.remember_me_seconds if remember_me else self.refresh_token_seconds)


@dataclass(slots=True)
class _Seats:
    """The requests that one incarnation has in hand."""

    logins: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(LOGIN_SEATS))
    others: anyio.Semaphore = field(default_factory=lambda: anyio.Semaphore(OTHER_SEATS))

    @property
    def taken(self) -> int:
        return LOGIN_SEATS - self.logins.value + OTHER_SEATS - self.others.value


class TokenService:
    """The actor."""

    def __init__(
        self,
        database: Database,
        users: Users,
        access_tokens: AccessTokens,
        refresh_tokens: RefreshTokens,
        policy: SessionPolicy,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._users = users
        self._access_tokens = access_tokens
        self._refresh_tokens = refresh_tokens
        self._policy = policy
        self._clock = clock
        self._passwords = Passwords()

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Answer what is asked, for ever."""
        assert context.inbox is not None, "the tree gives this actor a mailbox"  # noqa: S101 - a fault of the tree
        seats = _Seats()
        async with anyio.create_task_group() as requests:
            task_status.started()
            while True:
                request: TokenRequest = await context.inbox.receive()
                seat = seats.logins if isinstance(request, LogIn) else seats.others
                if seat is seats.logins and seat.value == 0:
                    request.reply.fail(Unavailable("a free place for a login"))
                    continue
                await seat.acquire()
                requests.start_soon(self._seated, request, seat, seats, context)

    async def _seated(self, request: TokenRequest, seat: anyio.Semaphore, seats: _Seats, context: ChildContext) -> None:
        context.working_on(f"{seats.taken} requests")
        try:
            await self.step(request)
        finally:
            seat.release()
            context.working_on(f"{seats.taken} requests" if seats.taken else None)

    async def step(self, request: TokenRequest) -> None:
        """Answer one request; raises what this actor must not survive."""
        if request.reply.settled:
            return
        try:
            match request:
                case LogIn():
                    request.reply.set(await self._log_in(request))
                case RotateToken():
                    request.reply.set(await self._rotate(request.refresh_token))
                case EndSessions():
                    await self._end_sessions(request.user_id)
                    request.reply.set(None)
        except (Unauthorized, Unavailable) as error:
            request.reply.fail(error)
        except Exception as error:
            request.reply.fail(error)
            raise

    async def _log_in(self, request: LogIn) -> TokenPair:
        account = await self._account(request.username)
        verdict = await self._passwords.verify(account["password_hash"] if account else None, request.password)
        if account is None or verdict is Verdict.WRONG or not account["is_active"]:
            raise Unauthorized(WRONG_CREDENTIALS)
        if verdict is Verdict.RIGHT_BUT_OUTDATED:
            await self._rehash(account, request.password)
        now = self._clock()
        grant = Grant(
            user_id=account["id"],
            session_version=account["session_version"],
            expires_at=self._policy.expiry(now, remember_me=request.remember_me),
            single_session=self._policy.single_session,
        )
        return self._pair(grant.user_id, grant.session_version, await self._refresh_tokens.issue(grant, now=now), now)

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

    async def _rotate(self, refresh_token: str) -> TokenPair:
        held = await self._refresh_tokens.find(refresh_token)
        if held is None:
            raise Unauthorized(BAD_REFRESH_TOKEN)
        # The user is looked at first: were Postgres away after the rotation, the successor would be lost and the
        # client's next try would be a replay. A dead token needs no user to end its family.
        if not held.spent:
            await self._check_holder(held)
        now = self._clock()
        outcome = await self._refresh_tokens.rotate(held, now=now)
        if isinstance(outcome, Refused):
            if outcome.reason == "replayed":
                log.warning("refresh_token.replayed", user_id=held.user_id, family=held.family)
            raise Unauthorized(BAD_REFRESH_TOKEN)
        return self._pair(held.user_id, held.session_version, outcome.token, now)

    async def _check_holder(self, held: HeldToken) -> None:
        """Raise Unauthorized unless the user may go on with this login; Postgres is asked, not the cache."""
        try:
            user = await self._users.get_fresh(held.user_id)
        except NotFound as error:
            raise Unauthorized(BAD_REFRESH_TOKEN) from error
        if not user.is_active or user.session_version != held.session_version:
            raise Unauthorized(BAD_REFRESH_TOKEN)

    async def _end_sessions(self, user_id: int) -> None:
        """End every session of a user, in an order of which no part can be left undone to harm.

        The cache is barred first, so that it cannot hide what follows. Then the version rises, which by itself ends
        every token. The families go last: from then on they are only litter.
        """
        await self._users.forget(user_id)
        async with self._database.connection() as connection:
            await QUERIES.user_end_sessions.value(connection, id=user_id)
        await self._refresh_tokens.revoke_user(user_id)

    def _pair(self, user_id: int, session_version: int, refresh_token: str, now: datetime) -> TokenPair:
        access_token, expires_at = self._access_tokens.issue(user_id, session_version, now=now)
        return TokenPair(access_token=access_token, refresh_token=refresh_token, expires_at=expires_at)
