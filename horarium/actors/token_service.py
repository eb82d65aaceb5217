"""The token service: the one place where tokens are issued, changed and ended.

Owns no state. Users and the session version are Postgres's, refresh tokens are Redis's, and what ties them is the
session version: each login notes the one it was made under, each rotation compares it with Postgres. So the single
UPDATE that raises it ends everything issued before, and what Redis still holds is only litter.

Requests are handled side by side, because a login spends its time in a thread with argon2 and a refresh must not stand
behind it. Logins have seats of their own; one that finds none is told to come again at once, instead of waiting until
nobody listens. All others wait for a seat, in the mailbox and then with their sender.

What the asker must know (bad credentials, too many of them, a server that is away) goes to the asker. Any other error
goes to the asker and ends this actor: its supervisor starts it anew, and the requests in its hands fail at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from horarium.audit_log import Author, Target, note
from horarium.errors import NotFound, TooManyRequests, Unauthorized, Unavailable
from horarium.identity.sessions import BAD_REFRESH_TOKEN
from horarium.messages import EndSession, EndSessions, LogIn, RotateToken
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from anyio.abc import TaskStatus

    from horarium.identity.credentials import Credentials
    from horarium.identity.sessions import Sessions
    from horarium.identity.users import Users
    from horarium.keyspace.tokens import HeldToken
    from horarium.messages import TokenRequest
    from horarium.model import TokenPair
    from horarium.sql.database import Database
    from horarium.supervisor import ChildContext

__all__ = ["TokenService"]

LOGIN_SEATS = 64
"""Two argon2 threads clear this many in about a second; a sender waits five."""

OTHER_SEATS = 64
"""Requests that only talk to Postgres and Redis, milliseconds each."""


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

    def __init__(self, database: Database, users: Users, credentials: Credentials, sessions: Sessions) -> None:
        self._database = database
        self._users = users
        self._credentials = credentials
        self._sessions = sessions

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
                    request.reply.set(await self._rotate(request))
                case EndSession():
                    await self._sessions.end(request.refresh_token)
                    request.reply.set(None)
                case EndSessions():
                    await self._end_sessions(request.user_id)
                    request.reply.set(None)
        except (Unauthorized, TooManyRequests, Unavailable) as error:
            request.reply.fail(error)
        except Exception as error:
            request.reply.fail(error)
            raise

    async def _log_in(self, request: LogIn) -> TokenPair:
        account = await self._credentials.check(request.username, request.password, request.address)
        user = Author("user", account.id, account.username, address=request.address)
        async with self._database.connection() as connection:
            await note(connection, user, "user.logged_in", Target("user", account.id, account.username))
        return await self._sessions.open(account.id, account.session_version, remember_me=request.remember_me)

    async def _rotate(self, request: RotateToken) -> TokenPair:
        held = await self._sessions.find(request.refresh_token)
        # The user is looked at first: were Postgres away after the rotation, the successor would be lost and the
        # client's next try a replay. A dead token needs no user to end its family; but one that is presented
        # again for an answer that was lost does, before it is answered.
        if not held.spent:
            await self._check_holder(held)
        pair = await self._sessions.renew(held, retry_key=request.retry_key)
        if held.spent:
            await self._check_holder(held)
        return pair

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
        await self._sessions.end_all(user_id)
