"""A stage on which trees are played in virtual time, on asyncio and on trio alike.

trio brings a MockClock. For asyncio, a selector that never waits lets the loop's clock jump to the next timer in the
same way, so that hours of backoff take milliseconds and no test sleeps on either backend.
"""

from __future__ import annotations

import asyncio
import selectors
from collections import defaultdict
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import pytest
from trio.testing import MockClock

from horarium.supervisor import (
    Backoff,
    Bystander,
    ChildContext,
    ChildExited,
    ChildSpec,
    ChildStarted,
    RestartIntensityExceeded,
    SupervisionEvent,
    Supervisor,
    SupervisorSpec,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from anyio.abc import TaskStatus

E = TypeVar("E", bound=SupervisionEvent)


class JumpingSelector(selectors.DefaultSelector):
    """Instead of waiting for the next timer, moves the clock to it."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(None if timeout is None else 0)
        if not ready and timeout is not None:
            self.now += timeout
        return ready


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is its selector's."""

    def __init__(self) -> None:
        self._jumping = JumpingSelector()
        super().__init__(self._jumping)

    def time(self) -> float:
        return self._jumping.now


@pytest.fixture(params=["asyncio", "trio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    if request.param == "asyncio":
        return "asyncio", {"loop_factory": VirtualTimeLoop}
    return "trio", {"clock": MockClock(autojump_threshold=0)}


class Boom(Exception):
    """What a scripted child crashes with."""


class Stage:
    """Scripted children, the events of their tree, and a journal of who did what."""

    Boom = Boom

    def __init__(self) -> None:
        self.events: list[SupervisionEvent] = []
        self.journal: list[str] = []
        self.instants: dict[str, list[float]] = defaultdict(list)
        self._orders: dict[str, anyio.Event] = {}
        self._endings: dict[str, BaseException | None] = {}
        self._news = anyio.Event()

    def child(self, name: str, *acts: str, **options: Any) -> ChildSpec:
        """A child whose n-th incarnation plays the n-th act, and the last one ever after; without acts it serves.

        serve: ready, then waits for `end`, idle. busy: the same, but without a sign of life. stubborn: the same, and
        deaf to its cancellation. drain: ready, and seven seconds more once it is asked to stop. crash, finish: ready,
        then at once. fail: before it is ready. hang: never ready.
        """

        async def run(context: ChildContext, *, task_status: TaskStatus[None]) -> None:
            script = acts or ("serve",)
            self.journal.append(f"{name} starts")
            self.instants[name].append(anyio.current_time())
            try:
                await self._play(script[min(context.incarnation, len(script)) - 1], context, task_status)
            finally:
                self.journal.append(f"{name} ends")

        return ChildSpec(name, run, **{"backoff": Backoff(jitter=0.0), **options})

    async def _play(self, act: str, context: ChildContext, task_status: TaskStatus[None]) -> None:
        name = context.id
        if act == "hang":
            await anyio.sleep_forever()
        if act == "fail":
            raise Boom(name)
        task_status.started()
        if act == "crash":
            raise Boom(name)
        if act == "serve":
            with context.idle():
                await self._wait_for_order(name)
        if act == "busy":
            await self._wait_for_order(name)
        if act == "drain":
            await context.stopping.wait()
            await anyio.sleep(7)
        if act == "stubborn":
            with anyio.CancelScope(shield=True):
                await self._wait_for_order(name)

    async def _wait_for_order(self, name: str) -> None:
        self._orders[name] = anyio.Event()
        await self._orders[name].wait()
        if error := self._endings[name]:
            raise error

    def end(self, name: str, error: BaseException | None = None) -> None:
        """End a serving child: it raises the error, or returns."""
        self._endings[name] = error
        self._orders[name].set()

    def _release_the_stubborn(self) -> None:
        """Let a test that fails do so at once, instead of waiting for a child that is deaf to its cancellation."""
        for name in self._orders:
            self.end(name)

    def supervisor(self, *children: ChildSpec | SupervisorSpec, **options: Any) -> Supervisor:
        return Supervisor(SupervisorSpec("root", children, **options), on_event=self._note, random=lambda: 0.0)

    @asynccontextmanager
    async def playing(self, *children: ChildSpec | SupervisorSpec, **options: Any) -> AsyncIterator[Supervisor]:
        """Run a tree that is ready, and stop it in order at the end."""
        supervisor = self.supervisor(*children, **options)
        async with anyio.create_task_group() as group:
            await group.start(lambda *, task_status: supervisor.run(task_status=task_status))
            try:
                yield supervisor
            except BaseException:
                self._release_the_stubborn()
                raise
            supervisor.stop()

    async def escalation(self, *children: ChildSpec | SupervisorSpec, **options: Any) -> RestartIntensityExceeded:
        """Run a tree that gives up, and return what it gives up with."""
        with pytest.raises(RestartIntensityExceeded) as raised:
            await self.supervisor(*children, **options).run()
        return raised.value

    async def until(self, kind: type[E], *, count: int = 1, **wanted: object) -> E:
        """Wait for the n-th event of a kind with such fields, and return it."""
        while len(found := self.of(kind, **wanted)) < count:
            self._news = anyio.Event()
            await self._news.wait()
        return found[count - 1]

    def of(self, kind: type[E], **wanted: object) -> list[E]:
        """The events of a kind with such fields, so far."""
        return [event for event in self.events if isinstance(event, kind) and _has(event, wanted)]

    def fate(self, name: str, exit_event: ChildExited) -> str:
        """What the end of one child meant for another one, in a word; to be asked when all is quiet again."""
        exit_at = self.events.index(exit_event)
        was_there = any(self.events.index(started) < exit_at for started in self.of(ChildStarted, child=name))
        stopped_for_it = self.of(ChildExited, child=name, decision=Bystander(exit_event.child))
        if not was_there:
            return "waited" if self.journal.count(f"{name} starts") == 1 else "waited and more"
        return "restarted" if stopped_for_it else "untouched" if not self.of(ChildExited, child=name) else "ended"

    def pauses(self, name: str) -> list[float]:
        """The seconds between the child's starts."""
        instants = self.instants[name]
        return [round(later - earlier, 6) for earlier, later in pairwise(instants)]

    def _note(self, event: SupervisionEvent) -> None:
        self.events.append(event)
        self._news.set()


def _has(event: SupervisionEvent, wanted: Mapping[str, object]) -> bool:
    return all(getattr(event, name) == value for name, value in wanted.items())


@pytest.fixture
def stage() -> Stage:
    return Stage()
