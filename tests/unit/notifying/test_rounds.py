"""When the notifier looks and when it sends: looking is every two seconds, however many sends end meanwhile."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, cast
from uuid import UUID

import anyio

from horarium.actors.notifier import LOOK_SECONDS, Notifier
from horarium.measures import Measures
from horarium.notifying.channels import Delivered, Message, Target
from horarium.notifying.outbox import Looked, Settled, Try
from horarium.supervisor import ChildContext
from tests.support.stepped import stepped

if TYPE_CHECKING:
    from collections.abc import Collection

    from horarium.notifying.channels import Outcome
    from horarium.notifying.outbox import Outbox

NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)


class FullOutbox:
    """Twenty messages of one rule, and nothing new."""

    def __init__(self) -> None:
        self.looks = 0
        self.waiting = deque(range(20))

    async def look(self) -> tuple[Looked, bool]:
        self.looks += 1
        return Looked(), True

    async def take(self, busy: Collection[int], _most: int) -> list[Try]:
        if 1 in busy or not self.waiting:
            return []
        message = Message(UUID(int=self.waiting.popleft()), "{}", NOON)
        return [Try(message, Target(None, (), ()), 1, "ops", 1, NOON)]

    async def settle(self, _tried: Try, _outcome: Outcome) -> Settled:
        return Settled("delivered", None)


class AtOnce:
    """Takes whatever is sent."""

    async def send(self, _target: Target, _message: Message) -> Outcome:
        return Delivered()


def test_a_send_that_has_ended_lets_the_next_one_go_and_is_no_reason_to_look() -> None:
    outbox = FullOutbox()
    notifier = Notifier(cast("Outbox", outbox), AtOnce(), Measures())

    with stepped(
        "asyncio", partial(notifier.run, ChildContext("notifier", 1), task_status=anyio.TASK_STATUS_IGNORED)
    ) as loop:
        loop.advance(LOOK_SECONDS - 0.1)
        so_far = (len(outbox.waiting), outbox.looks)
        loop.advance(0.2)

    assert so_far == (0, 1)
    assert outbox.looks == 2
