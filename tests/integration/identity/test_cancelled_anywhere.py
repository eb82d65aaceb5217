"""The token service and the first account, cut off at every checkpoint; and who is answered with what afterwards."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import pytest

from horarium.actors.bootstrap import Bootstrap
from horarium.errors import Unauthorized
from horarium.keyspace.tokens import Grant
from horarium.messages import EndSessions, LogIn, RotateToken, TokenRequest
from horarium.model import TokenPair
from horarium.sql.migrator import pending
from horarium.supervisor import ChildContext, Mailbox, Reply, TargetDown
from horarium.tasks.stream_broker import StreamBroker
from tests.support.checkpoints import cancelled_at_every_checkpoint
from tests.support.identity import HOUR, PASSWORD, House, a_house
from tests.support.pools import postgres_is_sound, redis_is_sound
from tests.support.relay import relayed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from typing import Any

    from anyio.abc import TaskGroup

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("in_silence")]


@pytest.fixture
async def house(emptied_ledger: str, redis_db: str) -> AsyncIterator[House]:
    """A house whose Redis is a network away."""
    async with relayed(redis_db) as url, a_house(emptied_ledger, url) as made:
        yield made


@dataclass
class InAHouse:
    """A scene with a user, ada, who is logged in as nobody else is."""

    house: House
    ada: int = 0
    held: TokenPair | None = None

    async def given(self) -> None:
        await self.house.redis.flushdb()
        self.ada = self.ada or await self.house.account("ada")
        self.held = await self.house.log_in("ada")

    async def sound(self) -> None:
        await postgres_is_sound(self.house.database)
        await redis_is_sound(self.house.redis.connection_pool)

    @property
    def token(self) -> str:
        assert self.held is not None
        return self.held.refresh_token

    async def is_let_in(self, pair: TokenPair) -> None:
        """Check that the pair is ada's, and that its family is the only one."""
        assert (await self.house.enter(pair.access_token)).id == self.ada
        assert len(await self.house.families(self.ada)) == 1
        assert (await self.house.refresh(pair.refresh_token)).refresh_token != pair.refresh_token


class LogsIn(InAHouse):
    """A login, which ends the one before."""

    async def step(self) -> None:
        await self.house.log_in("ada")

    async def then(self) -> None:
        await self.is_let_in(await self.house.log_in("ada"))
        await is_refused(self.house, self.token)


class Rotates(InAHouse):
    """A token is changed for its successor."""

    async def step(self) -> None:
        await self.house.refresh(self.token, "hers")

    async def then(self) -> None:
        """Nothing has happened yet, or the successor was lost on its way: either way it is to be had."""
        await self.is_let_in(await self.house.refresh(self.token, "hers"))


class EndsSessions(InAHouse):
    """Every session of a user is ended."""

    async def step(self) -> None:
        await self.house.log_out(self.ada)

    async def then(self) -> None:
        await self.step()
        assert self.held is not None
        with pytest.raises(Unauthorized):
            await self.house.enter(self.held.access_token)
        await is_refused(self.house, self.token)
        assert await self.house.families(self.ada) == []
        await self.is_let_in(await self.house.log_in("ada"))


async def is_refused(house: House, refresh_token: str) -> None:
    with pytest.raises(Unauthorized):
        await house.refresh(refresh_token)


async def checkpoints_of(scene: InAHouse | Boots) -> int:
    return await cancelled_at_every_checkpoint(scene, scene.sound)


async def test_a_login_cancelled_anywhere_leaves_the_next_one_as_the_only_one(house: House) -> None:
    assert await checkpoints_of(LogsIn(house)) > 4


async def test_a_refresh_cancelled_anywhere_can_be_asked_for_again(house: House) -> None:
    assert await checkpoints_of(Rotates(house)) > 4


async def test_an_end_of_sessions_cancelled_anywhere_is_completed_by_the_next(house: House) -> None:
    assert await checkpoints_of(EndsSessions(house)) > 4


# Through the mailbox

Question = "Callable[[InAHouse, Reply[Any]], TokenRequest]"


def logs_in(_: InAHouse, reply: Reply[Any]) -> TokenRequest:
    return LogIn("ada", PASSWORD, remember_me=False, reply=reply)


def rotates(scene: InAHouse, reply: Reply[Any]) -> TokenRequest:
    return RotateToken(scene.token, reply)


def ends_sessions(scene: InAHouse, reply: Reply[Any]) -> TokenRequest:
    return EndSessions(scene.ada, reply)


@dataclass
class AnswersAda(InAHouse):
    """An incarnation of the actor is cut off with ada's question in its hands; then bob asks the next one."""

    askers: TaskGroup = field(kw_only=True)
    question: Question = field(kw_only=True)
    mailbox: Mailbox[TokenRequest] = field(default_factory=lambda: Mailbox("token_service"))
    bob: int = 0
    answers: list[object] = field(default_factory=list)
    answered: anyio.Event = field(default_factory=anyio.Event)

    async def given(self) -> None:
        await super().given()
        self.bob = self.bob or await self.house.account("bob")
        self.answers, self.answered = [], anyio.Event()
        self.askers.start_soon(self.ada_asks)

    async def ada_asks(self) -> None:
        try:
            self.answers.append(await self.mailbox.ask(lambda reply: self.question(self, reply)))
        except TargetDown as down:
            self.answers.append(down)
        self.answered.set()

    async def step(self) -> None:
        async with incarnation(self.house, self.mailbox):
            await self.answered.wait()

    async def then(self) -> None:
        async with incarnation(self.house, self.mailbox):
            assert await bobs_answer(self.house, self.mailbox, self.bob) == self.bob
            await self.answered.wait()
        (answer,) = self.answers
        assert answer is None or isinstance(answer, TargetDown | TokenPair)
        if isinstance(answer, TokenPair):
            assert (await self.house.enter(answer.access_token)).id == self.ada
        assert (self.mailbox.depth, self.mailbox._questions._open) == (0, {})


@dataclass
class AdaAsks(InAHouse):
    """Ada is cut off while the actor works on her question; then bob asks the same incarnation."""

    question: Question = field(kw_only=True)
    mailbox: Mailbox[TokenRequest] = field(default_factory=lambda: Mailbox("token_service"))
    bob: int = 0

    async def given(self) -> None:
        await super().given()
        self.bob = self.bob or await self.house.account("bob")
        self.over = anyio.Event()

    async def step(self) -> object:
        # a task of asyncio's is outside the scope: its checkpoints count, and it is not cancelled with ada
        self.actor = asyncio.ensure_future(self.answers())
        return await self.mailbox.ask(lambda reply: self.question(self, reply))

    async def answers(self) -> None:
        async with incarnation(self.house, self.mailbox):
            await self.over.wait()

    async def sound(self) -> None:
        assert self.mailbox._questions._open == {}

    async def then(self) -> None:
        assert await bobs_answer(self.house, self.mailbox, self.bob) == self.bob
        self.over.set()
        await self.actor
        await super().sound()
        assert self.mailbox.depth == 0


@asynccontextmanager
async def incarnation(house: House, mailbox: Mailbox[TokenRequest]) -> AsyncIterator[None]:
    """The actor behind its mailbox, as its supervisor runs it, until the block ends."""
    with mailbox.bind() as inbox:
        try:
            async with anyio.create_task_group() as actor:
                context = ChildContext("token_service", 1, inbox)
                await actor.start(lambda *, task_status: house.service.run(context, task_status=task_status))
                yield
                actor.cancel_scope.cancel()
        finally:
            mailbox.owner_down(dropped_work=True)


async def bobs_answer(house: House, mailbox: Mailbox[TokenRequest], bob: int) -> int:
    """Whose token bob is given, who asks with one of his own."""
    now = house.clock()
    grant = Grant(bob, session_version=1, expires_at=now + HOUR, single_session=True)
    token = await house.refresh_tokens.issue(grant, now=now)
    pair: TokenPair = await mailbox.ask(lambda reply: RotateToken(token, reply))
    return (await house.enter(pair.access_token)).id


@pytest.mark.parametrize("question", [logs_in, rotates, ends_sessions])
async def test_an_actor_cancelled_anywhere_answers_nobody_with_what_another_has_asked(
    house: House, question: Question
) -> None:
    async with anyio.create_task_group() as askers:
        scene = AnswersAda(house, askers=askers, question=question)

        assert await checkpoints_of(scene) > 10


@pytest.mark.parametrize("question", [logs_in, rotates, ends_sessions])
async def test_an_asker_cancelled_anywhere_leaves_her_answer_to_nobody(house: House, question: Question) -> None:
    assert await checkpoints_of(AdaAsks(house, question=question)) > 10


# The first account


@dataclass
class Boots:
    """A database with nothing in it is made ready."""

    house: House
    broker: StreamBroker
    told: list[str] = field(default_factory=list)

    async def given(self) -> None:
        self.told.clear()
        await self.house.redis.flushdb()
        async with self.house.database.connection() as connection:
            await connection.execute("DROP SCHEMA public CASCADE; CREATE SCHEMA public")

    async def sound(self) -> None:
        await postgres_is_sound(self.house.database)
        await redis_is_sound(self.broker.connection_pool)

    async def step(self) -> None:
        database, redis, told = self.house.database, self.house.redis, self.told.append
        await Bootstrap(database, redis, self.broker, admin_password=None, tell_password=told).step()

    async def then(self) -> None:
        await self.step()
        assert await pending(self.house.database) == []
        assert await self.house.sql("SELECT count(*) FROM users") == 1
        assert await self.house.log_in("admin", self.told[-1])


async def test_a_bootstrap_cancelled_anywhere_is_completed_and_its_password_is_told(
    house: House, redis_db: str
) -> None:
    broker = StreamBroker(redis_db, house.keys)

    assert await checkpoints_of(Boots(house, broker)) > 15
    await broker.shutdown()
