"""A worker's hold on the ledger, cut off at every checkpoint: no attempt is lost between claim and acknowledgement."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import anyio
import pytest

from horarium.keyspace.history import HistoryEvent
from horarium.outcome import Succeeded, decide
from horarium.sql.executions import Claim, Finished
from horarium.tasks.ledger import Ledger
from horarium.tasks.receiver import LedgerReceiver
from horarium.tasks.stream_broker import StreamBroker
from horarium.tasks.sync_pool import SyncPool
from tests.support.checkpoints import task_cancelled_at
from tests.support.pools import redis_is_sound
from tests.support.scenes import BY_HAND, OnARig, checkpoints_of
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from taskiq import AckableMessage

    from horarium.live_events import Told
    from horarium.outcome import Attempt
    from tests.support.rig import Rig

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("in_silence")]

WORKER, OTHER = "worker", "another worker"


@pytest.fixture
def rig(relayed_rig: Rig) -> Rig:
    return relayed_rig


@pytest.fixture
async def broker(rig: Rig, redis_db: str) -> AsyncIterator[StreamBroker]:
    """The real one."""
    made = StreamBroker(redis_db, rig.keys)
    yield made
    await made.shutdown()


@dataclass
class OnALedger(OnARig):
    """A scene of two executions and the ledger of one worker."""

    runs: list[UUID] = field(default_factory=list)

    async def prepare(self) -> None:
        config = await self.rig.config(**BY_HAND)
        self.runs = [await self.rig.manual_run(config) for _ in range(2)]
        self.ledger = Ledger(self.rig.database, self.rig.broker, self.rig.timeouts, WORKER)

    async def sound(self) -> None:
        await let_it_end(self.ledger)
        await super().sound()

    async def claim_all(self) -> list[Attempt]:
        return [cast("Attempt", await self.ledger.claim(Claim(each, 1))) for each in self.runs]


async def let_it_end(ledger: Ledger) -> None:
    """Wait for what is sent for callers that were cancelled: it may be the end of an execution."""

    async def idle() -> bool:
        return not (ledger._claims._sender or ledger._finishes._sender)

    await eventually(idle)


class LedgerClaims(OnALedger):
    """Two messages are claimed at once."""

    async def step(self) -> None:
        async with anyio.create_task_group() as messages:
            for each in self.runs:
                messages.start_soon(self.ledger.claim, Claim(each, 1))

    async def then(self) -> None:
        """What was claimed is this worker's still, and nobody else's."""
        won = await self.claim_all()
        await self.ledger.follow_deadlines()
        assert [attempt.execution_id for attempt in won] == self.runs
        assert await self.rig.timeouts.watched() == set(self.runs)
        elsewhere = Ledger(self.rig.database, self.rig.broker, self.rig.timeouts, OTHER)
        assert [await elsewhere.claim(Claim(each, 1)) for each in self.runs] == [None, None]


class LedgerFinishes(OnALedger):
    """Two attempts end at once."""

    async def prepare(self) -> None:
        await super().prepare()
        self.attempts = await self.claim_all()

    async def finish(self, attempt: Attempt) -> Finished | None:
        return await self.ledger.finish(attempt, decide(attempt, Succeeded(str(attempt.execution_id))))

    async def step(self) -> None:
        async with anyio.create_task_group() as messages:
            for each in self.attempts:
                messages.start_soon(self.finish, each)

    async def then(self) -> None:
        """What was begun has been done; doing it again changes nothing."""
        ended = [await self.finish(each) for each in self.attempts]
        rows = [await self.rig.row(each) for each in self.runs]
        assert [(row["status"], row["result"]) for row in rows] == [("success", str(each)) for each in self.runs]
        assert [end.completed_at for end in ended if end] in ([], [row["completed_at"] for row in rows])
        await self.ledger.follow_deadlines()
        assert await self.rig.timeouts.watched() == set()


@dataclass
class ReceiverWorks(OnARig):
    """A message is claimed, run, finished and acknowledged."""

    broker: StreamBroker
    events: list[Told] = field(default_factory=list)

    async def prepare(self) -> None:
        self.ledger = Ledger(self.rig.database, self.rig.broker, self.rig.timeouts, WORKER)
        self.receiver = LedgerReceiver(
            self.broker, self.ledger, SyncPool(1), self.events.append, concurrency=1, drain_seconds=0
        )
        self.events.clear()
        await self.broker._declare_consumer_group()
        self.run = await self.rig.manual_run(await self.rig.config(**BY_HAND))
        (self.message,) = await self.sent()

    async def sent(self) -> list[AckableMessage]:
        """Send what waits; the messages that are new."""
        done = await self.rig.publisher(self.broker).step([self.run])
        return [self.broker._ackable(entry) for entry in await self.broker._new()] if done.published else []

    async def step(self) -> None:
        await self.receiver.callback(self.message)

    async def sound(self) -> None:
        await let_it_end(self.ledger)
        await super().sound()
        await redis_is_sound(self.broker.connection_pool)

    async def then(self) -> None:
        """Delivered again if it was not acknowledged, sent again if it was handed back: it has succeeded once."""
        assert (await self.rig.row(self.run))["status"] in ("queued", "pending", "success")
        await self.receiver.callback(self.message)
        for message in await self.sent():
            await self.receiver.callback(message)
        row = await self.rig.row(self.run)
        assert (row["status"], row["worker"]) == ("success", WORKER)
        assert [earlier["status"] for earlier in row["earlier_attempts"]] == ["cancelled"] * (row["attempt"] - 1)
        assert [each.event for each in self.events if isinstance(each, HistoryEvent)].count("success") == 1
        assert await self.broker.depths() == {"default": 0}
        assert self.receiver.active == 0


async def test_a_claim_cancelled_anywhere_is_still_the_workers_own(rig: Rig) -> None:
    assert await checkpoints_of(LedgerClaims(rig)) > 4


async def test_a_finish_cancelled_anywhere_is_done_once(rig: Rig) -> None:
    assert await checkpoints_of(LedgerFinishes(rig)) > 4


async def test_a_message_cancelled_anywhere_succeeds_once_in_the_end(rig: Rig, broker: StreamBroker) -> None:
    assert await checkpoints_of(ReceiverWorks(rig, broker), cancelled_at=task_cancelled_at) > 10
