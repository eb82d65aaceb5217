"""Whoever asks may be cancelled at any checkpoint: the answers that come later go to those who wait for them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import pytest
from anyio.lowlevel import checkpoint

from horarium.supervisor import Mailbox, Reply
from tests.support.checkpoints import cancelled_at_every_checkpoint

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"  # checkpoints are counted in its tasks


@dataclass(eq=False)
class Question:
    text: str
    reply: Reply[str]


@dataclass
class Asks:
    """A question to an actor that answers late, between those of others."""

    capacity: int
    answers: dict[str, str] = field(default_factory=dict)

    async def given(self) -> None:
        self.mailbox: Mailbox[Question] = Mailbox("slow", capacity=self.capacity)
        self.answers.clear()
        self.before = asyncio.ensure_future(self.ask("before"))
        await checkpoint()

    async def ask(self, text: str) -> None:
        self.answers[text] = await self.mailbox.ask(lambda reply: Question(text, reply))

    async def step(self) -> None:
        # a task of asyncio's is outside the scope: its checkpoints count, and it is not cancelled with the asker
        self.actor = asyncio.ensure_future(answers_late(self.mailbox))
        await self.ask("cancelled")

    async def sound(self) -> None:
        assert [question.message.text for question in self.mailbox._questions._open.values()] in ([], ["before"])

    async def then(self) -> None:
        await self.ask("after")
        await self.before
        self.mailbox.close()
        await self.actor
        assert self.answers == {text: f"answer to {text}" for text in self.answers}
        assert {"before", "after"} <= self.answers.keys()


async def answers_late(mailbox: Mailbox[Question]) -> None:
    with mailbox.bind() as inbox:
        async for question in inbox:
            await checkpoint()
            await checkpoint()
            question.reply.set(f"answer to {question.text}")


@pytest.mark.parametrize("capacity", [1, 16])
async def test_an_asker_cancelled_anywhere_leaves_the_answers_of_others_alone(capacity: int) -> None:
    scene = Asks(capacity)

    assert await cancelled_at_every_checkpoint(scene, scene.sound) > 5
