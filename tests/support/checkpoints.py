"""Cancelling a step at its k-th checkpoint, for every k: what is left behind must not depend on where it was cut off.

A checkpoint is a place where the step lets the event loop go on: a yield of its coroutine. The step is driven by hand,
each yield is counted and passed on, and at the k-th one the cancel scope around the step is cancelled, so that what
the step waits for at this moment is what is broken off. Anyio then goes on cancelling until the step has ended, as it
does when a supervisor stops an actor; `task_cancelled_at` cancels once, as asyncio's own tasks are.

Counted are the yields of the step and of every task that it makes, which a task factory sees to: the lanes of a task
group, and also what goes on behind a shield (a pool that takes a connection back, a batch under way), where the step
itself only waits. Their order is the event loop's own, and their number varies by a few with what the network has
brought by then: a k may fall on a place next to the one of the last run, and the loop over k ends only when several
runs in a row did not come as far as their k.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Protocol

import anyio

from tests.support.waiting import report

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator, Iterator

__all__ = ["Driven", "Ending", "Scene", "cancelled_at", "cancelled_at_every_checkpoint", "task_cancelled_at"]

MOST_CHECKPOINTS = 1000
"""A step with more has lost its way, and the loop over k would not end."""

TRIES = 3
"""Runs that must end before their k-th checkpoint, for k to be past the last."""

Step = "Callable[[], Coroutine[Any, Any, object]]"


class Ending(Enum):
    """How a step went that was to be cancelled at its k-th checkpoint."""

    BEFORE = "it ended before that checkpoint"
    CANCELLED = "it was cancelled"
    ALL_THE_SAME = "it came to the checkpoint and ended all the same, shielded to its last"


class Scene(Protocol):
    """A step with something to do: what is prepared, what is cut off, and what must hold after it is done again."""

    async def given(self) -> None:
        """Prepare the work, the same each time."""

    async def step(self) -> object:
        """Do the work: this is cancelled."""

    async def then(self) -> None:
        """Do the work again, and check that all of it is done."""


class Driven(Coroutine[Any, Any, Any]):
    """The coroutine, which tells `passes` of each of its yields before the event loop gets it."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], passes: Callable[[], None]) -> None:
        self._coroutine = coroutine
        self._passes = passes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._coroutine, name)  # anyio and asyncio ask a task's coroutine for its state and its name

    def send(self, value: Any) -> Any:
        waits_for = self._coroutine.send(value)
        self._passes()
        return waits_for

    def throw(self, *error: Any) -> Any:
        waits_for = self._coroutine.throw(*error)
        self._passes()
        return waits_for

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        go_on, value = self.send, None
        while True:
            try:
                waits_for = go_on(value)
            except StopIteration as end:
                return end.value
            try:
                go_on, value = self.send, (yield waits_for)
            except BaseException as error:  # noqa: BLE001 - not swallowed: it is the coroutine's
                go_on, value = self.throw, error


@dataclass
class _Count:
    """How many yields were passed; the one number `last` calls `cancel`."""

    last: int
    cancel: Callable[[], object]
    passed: int = 0

    @property
    def reached(self) -> bool:
        return self.passed >= self.last

    def __call__(self) -> None:
        self.passed += 1
        if self.passed == self.last:
            self.cancel()


COUNT: ContextVar[_Count | None] = ContextVar("COUNT", default=None)
"""The count that the running task belongs to; a task inherits it from the one that made it, and others have none."""


async def cancelled_at(checkpoint: int, step: Step) -> Ending:
    """Run `step`, and cancel the scope around it at its k-th checkpoint."""
    with anyio.CancelScope() as scope:
        counted = _Count(checkpoint, scope.cancel)
        with _counting(counted):
            await Driven(step(), counted)
    return _ending(counted, cancelled=scope.cancelled_caught)


async def task_cancelled_at(checkpoint: int, step: Step) -> Ending:
    """Run `step` in a task of its own, and cancel that, once, at its k-th checkpoint."""
    counted = _Count(checkpoint, lambda: task.cancel())  # noqa: PLW0108 - the task is made below
    with _counting(counted):
        task = asyncio.ensure_future(step())
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()
    return _ending(counted, cancelled=task.cancelled())


async def cancelled_at_every_checkpoint(
    scene: Scene,
    sound: Callable[[], Awaitable[None]],
    *,
    cancelled_at: Callable[[int, Step], Awaitable[Ending]] = cancelled_at,
) -> int:
    """Play the scene for k = 1, 2, 3, ... until its step ends before its k-th checkpoint; returns how many there were.

    After each cancelled step `sound` checks what it left behind, before the scene does.
    """
    played = 0
    for checkpoint in range(1, MOST_CHECKPOINTS):
        for _ in range(TRIES):
            played += 1
            if await _play(scene, sound, checkpoint, cancelled_at) is not Ending.BEFORE:
                break
        else:
            report(f"{type(scene).__name__}: cancelled at {checkpoint - 1} checkpoints, played {played} times")
            return checkpoint - 1
    raise AssertionError(f"{type(scene).__name__} does not come to its end")


async def _play(
    scene: Scene,
    sound: Callable[[], Awaitable[None]],
    checkpoint: int,
    cancelled_at: Callable[[int, Step], Awaitable[Ending]],
) -> Ending:
    try:
        await scene.given()
        ending = await cancelled_at(checkpoint, scene.step)
        await sound()
        await scene.then()
    except BaseException as error:
        error.add_note(f"{type(scene).__name__}, cancelled at checkpoint {checkpoint}")
        raise
    return ending


def _ending(counted: _Count, *, cancelled: bool) -> Ending:
    if cancelled:
        return Ending.CANCELLED
    return Ending.ALL_THE_SAME if counted.reached else Ending.BEFORE


@contextmanager
def _counting(counted: _Count) -> Iterator[None]:
    """Count the yields of every task that is made in this context."""
    loop = asyncio.get_running_loop()
    token, before = COUNT.set(counted), loop.get_task_factory()
    loop.set_task_factory(_counted_task)
    try:
        yield
    finally:
        loop.set_task_factory(before)
        COUNT.reset(token)


def _counted_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **options: Any
) -> asyncio.Task[Any]:
    counted = COUNT.get()
    return asyncio.Task(Driven(coroutine, counted) if counted else coroutine, loop=loop, **options)
