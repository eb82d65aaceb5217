"""Actors that do what they are ordered to, and write down what became of them.

An actor is one child over all its incarnations. Between orders it waits, or reads its mailbox and does what each
letter says. What it writes down (starts, readiness, ends, letters taken, handled and held) is the record that a
tree's promises are checked against; nothing in here asks the supervisor.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import anyio

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskStatus

    from horarium.supervisor import ChildContext, ChildExited, Reply

__all__ = ["Actor", "Boom", "Deed", "Incarnation", "Letter", "Order", "Start"]

Start = Literal["ready", "fail", "group", "return", "stray", "slow", "never"]
Deed = Literal["note", "silent", "work", "batch", "hold", "crash"]


class Boom(Exception):
    """What a scripted child crashes with."""


@dataclass(eq=False)
class Letter:
    """A message that says what to do on reading it; a question, if it has a `reply`."""

    number: int
    deed: Deed
    reply: Reply[int] | None = None


@dataclass(frozen=True)
class Order:
    """What a live incarnation is to do; `seconds` for those that last."""

    what: Literal["ready", "crash", "group", "return", "stray", "hang", "deaf", "busy", "linger"]
    seconds: float = 0.0


@dataclass(eq=False)
class Incarnation:
    """One incarnation, in its own words; instants in seconds of virtual time."""

    number: int
    began_at: float
    ready_at: float | None = None
    ended_at: float | None = None
    well_until: float | None = None
    cancelled: bool = False
    unstopped: bool = False
    exits: list[ChildExited] = field(default_factory=list)
    linger: float = 0.0
    in_hand: list[Letter] = field(default_factory=list)
    orders: deque[Order] = field(default_factory=deque)
    patience: anyio.CancelScope | None = None
    task: asyncio.Task[Any] | None = None

    @property
    def alive(self) -> bool:
        """Whether it has begun and not ended."""
        return self.ended_at is None

    @property
    def judged(self) -> bool:
        """Whether its supervisor has told its exit."""
        return bool(self.exits)

    def healthy(self, reset_after: float) -> bool:
        """Whether it ran well for so many seconds, from ready to its end, or to its last sign of life if it hung."""
        if self.ready_at is None or self.ended_at is None:
            return False
        return (self.ended_at if self.well_until is None else self.well_until) - self.ready_at >= reset_after

    def obey(self, order: Order) -> None:
        """Hand it an order, which interrupts what it waits for or does."""
        self.orders.append(order)
        if self.patience is not None:
            self.patience.cancel()


@dataclass(eq=False)
class Actor:
    """A child's script and journal; `starts` are what its next starts are to be like, then all are ready at once."""

    id: str
    on_begin: Callable[[Actor, Incarnation], None]
    on_end: Callable[[Actor, Incarnation], None]
    lives: list[Incarnation] = field(default_factory=list)
    starts: deque[Start] = field(default_factory=deque)
    taken: list[Letter] = field(default_factory=list)
    handled: list[Letter] = field(default_factory=list)

    @property
    def live(self) -> Incarnation | None:
        """The incarnation that runs, if one does."""
        return self.lives[-1] if self.lives and self.lives[-1].alive else None

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Be the entry point of the child."""
        me = Incarnation(context.incarnation, anyio.current_time(), task=_asyncio_task())
        self.on_begin(self, me)
        self.lives.append(me)
        try:
            await self._play(me, context, task_status)
        finally:
            try:
                await _linger(me.linger)
            finally:
                me.cancelled = anyio.current_effective_deadline() == -math.inf
                me.ended_at = anyio.current_time()
                self.on_end(self, me)

    async def _play(self, me: Incarnation, context: ChildContext, task_status: TaskStatus[None]) -> None:
        if await self._start(me):
            return
        me.ready_at = anyio.current_time()
        task_status.started()
        while not await self._do(await self._next_order(me, context), me, context):
            pass

    async def _start(self, me: Incarnation) -> bool:
        """Start as the script has it; True when that was all."""
        start = self.starts.popleft() if self.starts else "ready"
        if start in {"slow", "never"}:
            order = await self._wait(me, 2.0 if start == "slow" else math.inf)
            return order is not None and await self._do(order, me, None)
        return start != "ready" and await self._do(Order("crash" if start == "fail" else start), me, None)

    async def _wait(self, me: Incarnation, seconds: float) -> Order | None:
        with anyio.move_on_after(seconds) as me.patience:
            if not me.orders:
                await anyio.sleep_forever()
        return me.orders.popleft() if me.orders else None

    async def _next_order(self, me: Incarnation, context: ChildContext) -> Order:
        while not me.orders:
            with anyio.CancelScope() as me.patience:
                if context.inbox is None:
                    with context.idle():
                        await anyio.sleep_forever()
                else:
                    await self._read(me, context)
        return me.orders.popleft()

    async def _read(self, me: Incarnation, context: ChildContext) -> None:
        """Take the next letter, which is to have handled those before it, and do what it says."""
        assert context.inbox is not None
        self.handled += me.in_hand
        me.in_hand.clear()
        letter: Letter = await context.inbox.receive()
        self._take(letter, me)
        match letter.deed:
            case "note" if letter.reply is not None:
                letter.reply.set(letter.number)
            case "work":
                await anyio.sleep(1.0)
            case "batch":
                self._take_more(me, context)
            case "hold":
                await anyio.sleep_forever()
            case "crash":
                raise Boom(letter.number)

    def _take_more(self, me: Incarnation, context: ChildContext) -> None:
        assert context.inbox is not None
        for _ in range(3):
            try:
                self._take(context.inbox.receive_nowait(), me)
            except (anyio.WouldBlock, anyio.EndOfStream):
                return

    def _take(self, letter: Letter, me: Incarnation) -> None:
        self.taken.append(letter)
        me.in_hand.append(letter)

    async def _do(self, order: Order, me: Incarnation, context: ChildContext | None) -> bool:
        """Carry out an order; True when the incarnation is to end well."""
        match order.what:
            case "crash":
                raise Boom(self.id)
            case "group":
                raise ExceptionGroup("two at once", [Boom(self.id), LookupError(self.id)])
            case "stray":
                await _stray()
            case "hang":
                await anyio.sleep_forever()
            case "deaf":
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(order.seconds)
                await anyio.lowlevel.checkpoint()
            case "busy":
                with anyio.CancelScope(shield=True), anyio.move_on_after(order.seconds):
                    await self._read_on(me, context)
                await anyio.lowlevel.checkpoint()
            case "linger":
                me.linger = order.seconds
        return order.what == "return"

    async def _read_on(self, me: Incarnation, context: ChildContext | None) -> None:
        if context is None or context.inbox is None:
            await anyio.sleep_forever()
        while context is not None:
            await self._read(me, context)


def _asyncio_task() -> asyncio.Task[Any] | None:
    try:
        return asyncio.current_task()
    except RuntimeError:
        return None


async def _linger(seconds: float) -> None:
    if seconds:
        with anyio.CancelScope(shield=True):
            await anyio.sleep(seconds)


async def _stray() -> None:
    future = asyncio.get_running_loop().create_future()
    future.cancel()
    await future
