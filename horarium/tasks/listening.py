"""When a receiver listens: as its worker is told, in one session after the other.

taskiq's receiver listens once, until it is asked to finish, and then waits for what runs. So a pause is the end of a
session, and a resume is the next session of the same receiver; the one before may still be waiting for its tasks, and
both draw on the same semaphores, so that `concurrency` holds. What was taken and not begun goes back to the broker when
a session ends; what runs goes on.

A drain ends the worker: when nothing runs any more, or `drain_seconds` later, `run` returns, and whoever called it
hands back what is left, as after a stop. A worker that shares its process with others (`leaves` is false) stays,
paused.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

import anyio

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from horarium.model.workers import WorkerStatus
    from horarium.tasks.orders import Order, Orders

__all__ = ["Listening"]


class Receives(Protocol):
    """What is told to listen."""

    @property
    def active(self) -> int:
        """How many messages are being worked on."""

    async def listen(self, finish_event: asyncio.Event) -> None:
        """Take messages until the event, and wait a while for what runs."""

    def take(self) -> None:
        """Begin what arrives."""

    def give_back(self) -> None:
        """Begin nothing more, and give back what has not begun."""

    async def idle(self) -> None:
        """Wait until nothing is being worked on."""

    async def hand_back_all(self) -> None:
        """Cancel what still runs and wait until each has been given back."""


class Listening:
    """Has one receiver listen as `orders` has it."""

    def __init__(self, receiver: Receives, orders: Orders, *, drain_seconds: float, leaves: bool) -> None:
        self._receiver = receiver
        self._orders = orders
        self._drain_seconds = drain_seconds
        self._leaves = leaves
        self._session: asyncio.Event | None = None
        self._drained = False

    @property
    def state(self) -> WorkerStatus:
        """What the worker says of itself."""
        order = self._orders.order
        if order == "draining" and not self._drained:
            return "draining"
        if order in ("paused", "draining"):
            return "pausing" if self._receiver.active else "paused"
        return "running"

    async def run(self, stopping: anyio.Event) -> None:
        """Listen as told until `stopping` is set or a drain ends it; what runs then has `drain_seconds`."""
        async with anyio.create_task_group() as sessions:
            async with anyio.create_task_group() as told:
                told.start_soon(self._obey, sessions, told.cancel_scope)
                await stopping.wait()
                told.cancel_scope.cancel()
            self._end_session()
            await self._wind_down()  # a session ends by itself, for it waits no longer than this for what runs

    async def _obey(self, sessions: TaskGroup, here: anyio.CancelScope) -> None:
        """Begin and end sessions as told; a drain of a worker that leaves ends the scope `here`."""
        order: Order | None = None
        while True:
            order = await self._orders.change(order)
            self._drained = False
            if order == "running":
                self._begin_session(sessions)
                continue
            self._end_session()
            if order == "draining" and self._leaves:
                here.cancel()
            elif order == "draining":
                await self._wind_down()
                await self._receiver.hand_back_all()
                self._drained = True

    def _begin_session(self, sessions: TaskGroup) -> None:
        self._session = asyncio.Event()  # taskiq's receiver waits for asyncio's own kind
        self._receiver.take()
        sessions.start_soon(self._receiver.listen, self._session)

    def _end_session(self) -> None:
        if self._session is not None:
            self._session.set()
            self._session = None
            self._receiver.give_back()

    async def _wind_down(self) -> None:
        with anyio.move_on_after(self._drain_seconds):
            await self._receiver.idle()
