"""The actor: requests side by side, errors to whom they belong."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

from horarium.actors import token_service
from horarium.errors import Unauthorized, Unavailable
from horarium.messages import EndSessions, LogIn, RotateToken, TokenRequest
from horarium.supervisor import ChildContext, ChildSpec, Mailbox, Reply, Supervisor, SupervisorSpec, TargetDown
from tests.support.identity import PASSWORD, House

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from horarium.identity.passwords import Verdict
    from horarium.model import TokenPair

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def running(house: House) -> AsyncIterator[tuple[Mailbox[TokenRequest], ChildContext]]:
    """One incarnation of the actor behind a mailbox."""
    mailbox: Mailbox[TokenRequest] = Mailbox("token_service", capacity=256)
    async with mailbox.bind() as inbox, anyio.create_task_group() as actors:
        context = ChildContext("token_service", 1, inbox)
        await actors.start(lambda *, task_status: house.service.run(context, task_status=task_status))
        yield mailbox, context
        actors.cancel_scope.cancel()
    mailbox.close()


class Stuck:
    """Stands in for the passwords: every login waits until it is let go."""

    def __init__(self, house: House) -> None:
        self._passwords = house.credentials._passwords
        self.waiting = 0
        self.all_there = anyio.Event()
        self.go = anyio.Event()
        house.credentials._passwords = self  # type: ignore[assignment]  # the one method that a login calls

    async def verify(self, hashed: str | None, text: str) -> Verdict:
        self.waiting += 1
        if self.waiting == token_service.LOGIN_SEATS:
            self.all_there.set()
        await self.go.wait()
        return await self._passwords.verify(hashed, text)


async def test_it_answers_what_is_asked_through_its_mailbox(house: House, ada: int) -> None:
    async with running(house) as (mailbox, context):
        pair: TokenPair = await mailbox.ask(lambda reply: LogIn("ada", PASSWORD, remember_me=False, reply=reply))
        next_pair: TokenPair = await mailbox.ask(lambda reply: RotateToken(pair.refresh_token, reply))
        await mailbox.ask(lambda reply: EndSessions(ada, reply))

        with pytest.raises(Unauthorized):
            await mailbox.ask(lambda reply: RotateToken(next_pair.refresh_token, reply))
        await anyio.wait_all_tasks_blocked()
        assert context.handling is None


@pytest.mark.usefixtures("ada")
async def test_logins_do_not_block_a_refresh_and_too_many_are_told_to_come_again(house: House) -> None:
    pair = await house.log_in()
    stuck = Stuck(house)
    replies: list[Reply[object]] = [Reply() for _ in range(token_service.LOGIN_SEATS + 1)]

    async with running(house) as (mailbox, context):
        for number, reply in enumerate(replies):  # from everywhere and as anybody, or most would be too many guesses
            name = "ada" if number == 0 else f"user {number}"
            await mailbox.send(LogIn(name, PASSWORD, False, reply, f"192.0.2.{number}"))  # type: ignore[arg-type]
        assert await mailbox.ask(lambda reply: RotateToken(pair.refresh_token, reply))

        with pytest.raises(Unavailable):
            await replies[-1].wait()
        await stuck.all_there.wait()
        assert context.handling == f"{token_service.LOGIN_SEATS} requests"
        stuck.go.set()
        assert await replies[0].wait()


async def test_a_server_that_is_away_is_the_askers_news_and_no_crash(house: House) -> None:
    await house.database.__aexit__(None, None, None)

    async with running(house) as (mailbox, _):
        with pytest.raises(Unavailable):
            await mailbox.ask(lambda reply: LogIn("ada", PASSWORD, remember_me=False, reply=reply))
        with pytest.raises(Unauthorized):
            await mailbox.ask(lambda reply: RotateToken("unknown", reply))


@pytest.mark.usefixtures("ada")
async def test_any_other_error_reaches_the_asker_and_restarts_the_actor(house: House) -> None:
    """The one who asked and the one who waited beside both learn it at once, and the next is served."""
    mailbox: Mailbox[TokenRequest] = Mailbox("token_service", capacity=256)
    tree = SupervisorSpec("core", (ChildSpec("token_service", house.service.run, mailbox=mailbox),))
    supervisor = Supervisor(tree, on_event=lambda _: None)
    stuck = Stuck(house)
    beside: list[BaseException] = []

    async def wait_beside() -> None:
        with pytest.raises(TargetDown) as down:
            await mailbox.ask(lambda reply: LogIn("ada", PASSWORD, remember_me=False, reply=reply))
        beside.append(down.value)

    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: supervisor.run(task_status=task_status))
        group.start_soon(wait_beside)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(asyncpg.DataError):
            await mailbox.ask(lambda reply: EndSessions("no number", reply))  # type: ignore[arg-type]
        stuck.go.set()
        assert await mailbox.ask(lambda reply: LogIn("ada", PASSWORD, remember_me=False, reply=reply))
        group.cancel_scope.cancel()

    assert len(beside) == 1


async def test_nothing_is_done_for_an_asker_who_has_gone(house: House, ada: int) -> None:
    reply: Reply[None] = Reply()
    reply.fail(TimeoutError())

    await house.service.step(EndSessions(ada, reply))

    assert await house.sql("SELECT session_version FROM users WHERE id = $1", ada) == 1


@pytest.mark.parametrize(
    "message",
    [LogIn("ada", PASSWORD, remember_me=True, reply=Reply()), RotateToken(PASSWORD, Reply()), EndSessions(7, Reply())],
)
def test_no_request_shows_its_secret(message: TokenRequest) -> None:
    assert PASSWORD not in repr(message)
