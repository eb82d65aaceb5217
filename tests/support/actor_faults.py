"""Faults for the actors of a real tree: one that hangs in the middle of its work, one that fails to start.

Each actor hangs where its own code does its work, so that what is found out is what the watchdog of the product sees.
A hang strikes once; the next incarnation works.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import anyio

from horarium import asking
from horarium.actors import auditor, cleanup, token_service
from horarium.actors.auditor import Auditor
from horarium.actors.cleanup import Cleanup
from horarium.actors.dispatcher import Dispatcher
from horarium.actors.event_reader import EventReader
from horarium.actors.history_writer import HistoryWriter
from horarium.actors.leader import Leader
from horarium.actors.publisher import Publisher
from horarium.actors.schedule_loader import ScheduleLoader
from horarium.actors.timeout_sweeper import TimeoutSweeper
from horarium.http.connections import Door
from horarium.messages import RotateToken
from horarium.supervisor import ChildSpec, Reply, SupervisorSpec
from horarium.tasks import heartbeat
from horarium.tasks.heartbeat import Heartbeat

if TYPE_CHECKING:
    from collections.abc import Callable

    import pytest

    from tests.support.tree import House

    Change = Callable[[SupervisorSpec], SupervisorSpec]

__all__ = ["HANGS", "WATCHDOG_SECONDS", "Hang", "failing_to_start", "held_back", "watched_closely"]

SOON_SECONDS = 0.2
"""What stands in for pauses of a minute or of seconds, which a test would wait out."""

WATCHDOG_SECONDS = 3.0
"""After which an actor is taken to hang: longer than any is silent by itself, on a machine that is busy."""


@dataclass
class Hang:
    """A hang that waits to be let loose; `struck` is set when it has hit."""

    provoke: Callable[[House], None] = lambda _: None
    struck: anyio.Event = field(default_factory=anyio.Event)
    armed: bool = False

    def strike(self, house: House) -> None:
        """Make the next call hang."""
        self.armed = True
        self.provoke(house)

    def hits(self) -> bool:
        """Say, once, that the call that asks is the one."""
        hit, self.armed = self.armed, False
        if hit:
            self.struck.set()
        return hit


def _in_method(owner: type, name: str, **faster: Any) -> Callable[[pytest.MonkeyPatch], Hang]:
    """A hang in a coroutine method; `faster` are module constants, as `module__NAME`, that make it be called soon."""

    def install(monkeypatch: pytest.MonkeyPatch) -> Hang:
        hang, original = Hang(), getattr(owner, name)

        async def hangs_once(*args: Any, **kwargs: Any) -> Any:
            if hang.hits():
                await anyio.sleep_forever()
            return await original(*args, **kwargs)

        monkeypatch.setattr(owner, name, hangs_once)
        for constant, value in faster.items():
            module, _, attribute = constant.partition("__")
            monkeypatch.setattr(
                {"auditor": auditor, "cleanup": cleanup, "heartbeat": heartbeat}[module], attribute, value
            )
        return hang

    return install


def _without_a_seat(monkeypatch: pytest.MonkeyPatch) -> Hang:
    """The token service waits for ever for a place to answer a request at."""
    hang = Hang(provoke=lambda house: house.resources.mailboxes.tokens.send_nowait(RotateToken("none", Reply())))

    class Seats(token_service._Seats):
        @property
        def others(self) -> Any:
            return NoSeat() if hang.hits() else self._others

        @others.setter
        def others(self, seats: Any) -> None:
            self._others = seats

    class NoSeat:
        async def acquire(self) -> None:
            await anyio.sleep_forever()

    monkeypatch.setattr(token_service, "_Seats", Seats)
    return hang


def _mute(monkeypatch: pytest.MonkeyPatch) -> Hang:
    """The API accepts connections and answers none: not the door that was hit, until its end."""
    hang, original, muted = Hang(), Door.__call__, []

    def answers(self: Door) -> asyncio.Protocol:
        if hang.hits():
            muted.append(self)
        return asyncio.Protocol() if self in muted else original(self)

    monkeypatch.setattr(Door, "__call__", answers)
    monkeypatch.setattr(asking, "EVERY_SECONDS", SOON_SECONDS)
    monkeypatch.setattr(asking, "ANSWER_SECONDS", WATCHDOG_SECONDS / 2)
    return hang


HANGS: dict[str, Callable[[pytest.MonkeyPatch], Hang]] = {
    "history_writer": _in_method(HistoryWriter, "step"),
    "token_service": _without_a_seat,
    "schedule_loader": _in_method(ScheduleLoader, "_look"),
    "leader": _in_method(Leader, "step"),
    "dispatcher": _in_method(Dispatcher, "step"),
    "publisher": _in_method(Publisher, "step"),
    "timeout_sweeper": _in_method(TimeoutSweeper, "step"),
    "cleanup": _in_method(Cleanup, "step", cleanup__EVERY_SECONDS=SOON_SECONDS),
    "auditor": _in_method(Auditor, "step", auditor__PASS_SECONDS=SOON_SECONDS),
    "event_reader": _in_method(EventReader, "step"),
    "worker": _in_method(Heartbeat, "_beat", heartbeat__BEAT_SECONDS=SOON_SECONDS),
    "api": _mute,
}


def watched_closely(actor: str) -> Change:
    """The tree in which this actor is taken to hang after a few seconds."""
    return _changing(actor, lambda child: replace(child, watchdog=WATCHDOG_SECONDS))


def failing_to_start(actor: str) -> Change:
    """The tree in which this actor's second incarnation ends before it is ready."""
    return _changing(actor, lambda child: replace(child, start=_FailsOnce(child.start)))


def held_back(actor: str, free: anyio.Event) -> Change:
    """The tree in which this actor's second incarnation does not begin before the event."""
    return _changing(actor, lambda child: replace(child, start=_Waits(child.start, free)))


def _changing(actor: str, change: Callable[[ChildSpec], ChildSpec]) -> Change:
    def changed(child: ChildSpec | SupervisorSpec) -> ChildSpec | SupervisorSpec:
        if isinstance(child, SupervisorSpec):
            return changed_tree(child)
        return change(child) if child.id == actor else child

    def changed_tree(spec: SupervisorSpec) -> SupervisorSpec:
        return replace(spec, children=tuple(map(changed, spec.children)))

    return changed_tree


@dataclass
class _FailsOnce:
    start: Any

    async def __call__(self, context: Any, *, task_status: Any) -> None:
        if context.incarnation == 2:
            raise RuntimeError("cannot start, as ordered")
        await self.start(context, task_status=task_status)


@dataclass
class _Waits:
    start: Any
    free: anyio.Event

    async def __call__(self, context: Any, *, task_status: Any) -> None:
        if context.incarnation == 2:
            await self.free.wait()
        await self.start(context, task_status=task_status)
