"""Event loops that run for a moment when told to: a tree lives on one between the steps of a state machine.

`call` runs a plain function inside the loop; `advance` runs the loop until nothing is left to do, and on past the
timers of so many seconds of virtual time. No time passes between the two, so a step is what a tree does in an instant,
and hours cost milliseconds. asyncio gets a selector that moves the clock instead of waiting, and stops the loop where
it was told to; trio its MockClock, in a thread of its own, as it cannot stop and go on.
"""

from __future__ import annotations

import asyncio
import selectors
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

import anyio
import trio
import trio.testing
from anyio.from_thread import start_blocking_portal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from anyio.from_thread import BlockingPortal

__all__ = ["Stepped", "stepped"]

R = TypeVar("R")

SAME_INSTANT = 1e-9
"""Seconds; asyncio's loop takes timers that close together for one."""


class Stepped(Protocol):
    """What a state machine needs of an event loop."""

    def call(self, function: Callable[[], R]) -> R:
        """Call a function in a task of the loop, and return what it returns."""

    def advance(self, seconds: float = 0.0) -> None:
        """Let so much virtual time pass; at 0, do what there is to do now."""


@contextmanager
def stepped(backend: str, main: Callable[[], Awaitable[None]]) -> Iterator[Stepped]:
    """Run `main` on a stepped loop, and cancel it at the end."""
    with _on_asyncio(main) if backend == "asyncio" else _on_trio(main) as loop:
        yield loop


class _Selector(selectors.DefaultSelector):
    """Moves the clock to the next timer instead of waiting for it, and says so when that is beyond the horizon."""

    now = 0.0
    horizon = 0.0

    def __init__(self, idle: Callable[[], None]) -> None:
        super().__init__()
        self._idle = idle

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if timeout is not None and self.now + timeout <= self.horizon + SAME_INSTANT:
            self.now += max(timeout, 0.0)
        else:
            self.now = max(self.now, self.horizon)
            self._idle()
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._stepping = _Selector(self.stop)
        super().__init__(self._stepping)

    def time(self) -> float:
        return self._stepping.now

    def run_for(self, seconds: float) -> None:
        self._stepping.horizon = self.time() + seconds
        self.run_forever()


class _OnAsyncio:
    def __init__(self, loop: _Loop) -> None:
        self._loop = loop

    def call(self, function: Callable[[], R]) -> R:
        async def body() -> R:
            return function()

        return self._loop.run_until_complete(body())

    def advance(self, seconds: float = 0.0) -> None:
        self._loop.run_for(seconds)


@contextmanager
def _on_asyncio(main: Callable[[], Awaitable[None]]) -> Iterator[Stepped]:
    async def body() -> None:
        await main()

    with asyncio.Runner(loop_factory=_Loop) as runner:
        loop = runner.get_loop()
        assert isinstance(loop, _Loop)
        task = loop.create_task(body())
        loop.run_for(0)
        yield _OnAsyncio(loop)
        task.cancel()
        loop.run_for(0)


class _OnTrio:
    def __init__(self, portal: BlockingPortal, clock: trio.testing.MockClock) -> None:
        self._portal = portal
        self._clock = clock
        self._steps = 0

    def call(self, function: Callable[[], R]) -> R:
        return self._portal.call(self._call, function)

    async def _call(self, function: Callable[[], R]) -> R:
        self._make_reproducible()
        result = function()
        await trio.testing.wait_all_tasks_blocked()
        return result

    def advance(self, seconds: float = 0.0) -> None:
        self._portal.call(self._advance, seconds)

    async def _advance(self, seconds: float) -> None:
        self._make_reproducible()
        horizon = trio.current_time() + seconds
        await trio.testing.wait_all_tasks_blocked()
        while trio.current_time() + (step := _to_next_timer()) <= horizon:
            self._clock.jump(step)
            await trio.testing.wait_all_tasks_blocked()
        self._clock.jump(max(0.0, horizon - trio.current_time()))
        await trio.testing.wait_all_tasks_blocked()

    def _make_reproducible(self) -> None:
        # trio picks among runnable tasks at random, once a turn; how many turns a step of this thread's takes is up to
        # the operating system, so every step begins with a seed of its own.
        self._steps += 1
        trio._core._run._ALLOW_DETERMINISTIC_SCHEDULING = True  # type: ignore[attr-defined]
        trio._core._run._r.seed(self._steps)  # type: ignore[attr-defined]


def _to_next_timer() -> float:
    return max(0.0, trio.lowlevel.current_statistics().seconds_to_next_deadline)


@contextmanager
def _on_trio(main: Callable[[], Awaitable[None]]) -> Iterator[Stepped]:
    clock = trio.testing.MockClock()
    with start_blocking_portal("trio", {"clock": clock}) as portal:
        scopes: list[anyio.CancelScope] = []

        async def body() -> None:
            with anyio.CancelScope() as scope:
                scopes.append(scope)
                await main()

        over = portal.start_task_soon(body)
        loop = _OnTrio(portal, clock)
        loop.advance()
        yield loop
        portal.call(scopes[0].cancel)
        over.result()
