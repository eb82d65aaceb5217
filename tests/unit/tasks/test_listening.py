"""When a receiver listens: one session after the other, as its worker is told."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import anyio
import pytest

from horarium.tasks.listening import Listening
from horarium.tasks.orders import Orders
from tests.support.waiting import eventually

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from horarium.sql.database import Database
    from horarium.tasks.orders import Order

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@dataclass
class Receives:
    """A receiver without messages: what it was told, and how many of its sessions are open."""

    active: int = 0
    said: list[str] = field(default_factory=list)
    sessions: int = 0
    free: anyio.Event = field(default_factory=anyio.Event)

    async def listen(self, finish_event: asyncio.Event) -> None:
        """As taskiq's: until the event, and then for what runs."""
        self.sessions += 1
        await finish_event.wait()
        self.sessions -= 1

    def take(self) -> None:
        self.said.append("take")

    def give_back(self) -> None:
        self.said.append("give back")

    async def idle(self) -> None:
        if self.active:
            await self.free.wait()

    async def hand_back_all(self) -> None:
        self.said.append("hand back")
        self.active = 0


@dataclass
class Worker:
    """A worker that listens, and what it is told."""

    listening: Listening
    receiver: Receives
    orders: Orders
    stopping: anyio.Event = field(default_factory=anyio.Event)
    over: bool = False

    def told(self, order: Order) -> None:
        """As when the row has been read."""
        self.orders.order = order
        news, self.orders._news = self.orders._news, anyio.Event()
        news.set()

    async def run(self) -> None:
        await self.listening.run(self.stopping)
        self.over = True

    async def has(self, sessions: int) -> None:
        """Wait until so many sessions are open."""

        async def so_many() -> bool:
            return self.receiver.sessions == sessions

        await eventually(so_many)

    async def ends(self) -> None:
        async def ended() -> bool:
            return self.over

        await eventually(ended)


@asynccontextmanager
async def a_worker(*, drain_seconds: float = 60.0, leaves: bool = True) -> AsyncIterator[Worker]:
    receiver, orders = Receives(), Orders(cast("Database", None), "w")
    worker = Worker(Listening(receiver, orders, drain_seconds=drain_seconds, leaves=leaves), receiver, orders)
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run)
        yield worker
        group.cancel_scope.cancel()


async def test_nothing_is_taken_before_it_is_known_what_was_told() -> None:
    async with a_worker() as worker:
        await anyio.wait_all_tasks_blocked()
        before = worker.receiver.sessions
        worker.told("running")
        await worker.has(1)

    assert before == 0


async def test_a_pause_ends_the_session_and_a_resume_begins_another() -> None:
    async with a_worker() as worker:
        worker.told("running")
        await worker.has(1)
        worker.told("paused")
        await worker.has(0)
        worker.told("running")
        await worker.has(1)

    assert worker.receiver.said == ["take", "give back", "take"]


async def test_a_pausing_worker_is_paused_when_nothing_runs_any_more() -> None:
    async with a_worker() as worker:
        worker.told("running")
        await worker.has(1)
        worker.receiver.active = 1
        worker.told("paused")
        await worker.has(0)
        while_it_runs = worker.listening.state
        worker.receiver.active = 0

        assert (while_it_runs, worker.listening.state) == ("pausing", "paused")


async def test_a_drain_ends_the_worker_as_soon_as_nothing_runs() -> None:
    async with a_worker() as worker:
        worker.told("running")
        await worker.has(1)
        worker.receiver.active = 1
        worker.told("draining")
        await worker.has(0)
        while_it_runs = (worker.over, worker.listening.state)
        worker.receiver.active = 0
        worker.receiver.free.set()
        await worker.ends()

    assert while_it_runs == (False, "draining")
    assert worker.receiver.said == ["take", "give back"]


async def test_a_drain_ends_the_worker_at_its_deadline_whatever_runs() -> None:
    async with a_worker(drain_seconds=0.05) as worker:
        worker.told("running")
        await worker.has(1)
        worker.receiver.active = 1
        worker.told("draining")

        await worker.ends()


async def test_a_drained_worker_that_stays_is_paused_and_is_resumed() -> None:
    async with a_worker(drain_seconds=0.05, leaves=False) as worker:
        worker.told("running")
        await worker.has(1)
        worker.receiver.active = 1
        worker.told("draining")

        async def drained() -> bool:
            return worker.listening.state == "paused"

        await eventually(drained)
        worker.told("running")
        await worker.has(1)

        assert worker.listening.state == "running"
    assert worker.receiver.said == ["take", "give back", "hand back", "take"]


@pytest.mark.parametrize("order", ["running", "paused"])
async def test_a_stop_ends_it_and_lets_what_runs_go_on_until_the_deadline(order: Order) -> None:
    async with a_worker() as worker:
        worker.told(order)
        await worker.has(1 if order == "running" else 0)
        worker.receiver.active = 1
        worker.stopping.set()
        await worker.has(0)
        while_it_runs = worker.over
        worker.receiver.free.set()
        await worker.ends()

    assert not while_it_runs


async def test_a_stop_before_anything_is_known_is_a_stop() -> None:
    async with a_worker() as worker:
        worker.stopping.set()

        await worker.ends()
