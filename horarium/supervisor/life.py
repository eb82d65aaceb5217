"""One incarnation of a child: its task, its cancel scope and how it ended.

Whatever happens in here stays in here, so that one child's end never touches a sibling. That is less obvious than it
sounds: on asyncio, awaiting a future that somebody else cancelled raises `CancelledError` though nobody cancelled
this child, and a task group would take that for its own cancellation and quietly end all its tasks. So a cancellation
that came neither from this incarnation's scope nor from outside is turned into the child's own failure. Cancellation
from outside goes on its way, and KeyboardInterrupt and SystemExit are noted but never absorbed.

The task writes down what happened and wakes its supervisor; judging it is the supervisor's business.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskStatus

from horarium.supervisor.decision import Exit
from horarium.supervisor.errors import NeverReady, StrayCancellation
from horarium.supervisor.stacks import stack_of
from horarium.supervisor.watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable

    from horarium.supervisor.context import ChildContext
    from horarium.supervisor.spec import ChildSpec

__all__ = ["Life"]


class Life(TaskStatus[None]):
    """The record of one incarnation; instants in seconds of `anyio.current_time()`."""

    def __init__(self, spec: ChildSpec, context: ChildContext, wake: Callable[[], None]) -> None:
        self.context = context
        self.watchdog: Watchdog | None = None
        self.began_at = anyio.current_time()
        self.ready_at: float | None = None
        self.asked_at: float | None = None
        self.cancelled_at: float = math.inf
        self.ended_at: float | None = None
        self.exit: Exit | None = None
        self.alive = True
        self.judged = False
        self._spec = spec
        self._wake = wake
        self._task: anyio.TaskInfo | None = None
        self._scope = anyio.CancelScope()
        self._sentence: Exit | None = None
        self._cut_off = False

    def started(self, value: None = None) -> None:  # noqa: ARG002 - the value is part of anyio's protocol
        """Note that the child's resource works; what the child calls as `task_status.started()`."""
        if self.ready_at is not None:
            raise RuntimeError(f"{self.context.id} called task_status.started() twice")
        self.ready_at = anyio.current_time()
        if self._spec.watchdog is not None:
            self.watchdog = Watchdog(self._spec.watchdog, self.context.pulse, self.ready_at)
        self._wake()

    def ask_to_stop(self) -> None:
        """Set `context.stopping`; from now on an end without an error is a shutdown."""
        self.asked_at = anyio.current_time()
        self.context.stopping.set()

    def cancel(self, sentence: Exit | None = None) -> None:
        """Cancel the task; a `sentence` is the exit that it is then given, whatever its last words."""
        self._sentence = self._sentence or sentence
        self.cancelled_at = min(self.cancelled_at, anyio.current_time())
        self._scope.cancel()

    @property
    def sentence(self) -> Exit | None:
        """The exit decided upon when the task was cancelled as a failure."""
        return self._sentence

    def conclude(self, error: BaseException | None) -> None:
        """Note how the incarnation ended. The first word counts."""
        if self.exit is None:
            self.ended_at = anyio.current_time()
            self.exit = self._classify(error)
            self._wake()

    @property
    def well_until(self) -> float | None:
        """Until when the incarnation was well: its end, or its last sign of life if it hung; None while it lives."""
        if self.exit is not None and self.exit.reason == "watchdog" and self.watchdog is not None:
            return self.watchdog.alive_at
        return self.ended_at

    @property
    def unfinished(self) -> bool:
        """Whether the incarnation was cut off in whatever it was doing."""
        return self.exit is None or self.exit.abnormal or self._cut_off

    def stack(self) -> str:
        """Return where the incarnation's tasks stand."""
        return "" if self._task is None else stack_of(self._task)

    async def run(self) -> None:
        """Run the child to its end; the task's whole body."""
        self._task = anyio.get_current_task()
        try:
            await self._contain()
        finally:
            self._cut_off = self._scope.cancel_called or _cancelled_from_outside()
            self.alive = False
            if self.context.inbox is not None:
                self.context.inbox.close()
            self._wake()

    async def _contain(self) -> None:
        try:
            with self._scope:
                await self._spec.start(self.context, task_status=self)
            self.conclude(None)
        except anyio.get_cancelled_exc_class() as cancelled:
            if _cancelled_from_outside():
                self.asked_at = self.asked_at or anyio.current_time()
                self.conclude(None)
                raise
            self.conclude(None if self.asked_at is not None else _stray(cancelled))
        except BaseExceptionGroup as group:
            self.conclude(group)
            if (beyond_us := _not_ours(group)) is not None:
                raise beyond_us from None
        except Exception as error:  # noqa: BLE001 - every failure of a child becomes its exit: that is supervision
            self.conclude(error)
        except BaseException as fatal:
            self.conclude(fatal)
            raise

    def _classify(self, error: BaseException | None) -> Exit:
        if self._sentence is not None:
            if error is not None and self._sentence.error is not None:
                self._sentence.error.add_note(f"while ending it raised {error!r}")
            return self._sentence
        if isinstance(error, StrayCancellation):
            return Exit("stray_cancellation", error)
        if error is None and self.asked_at is not None:
            return Exit("shutdown")
        if self.ready_at is None:
            return Exit("start_failed", error or NeverReady(f"{self.context.id} returned before it was ready"))
        return Exit("normal") if error is None else Exit("error", error)


def _cancelled_from_outside() -> bool:
    return anyio.current_effective_deadline() == -math.inf


def _stray(cancelled: BaseException) -> StrayCancellation:
    error = StrayCancellation("awaited something already cancelled; nobody cancelled this child")
    error.__cause__ = cancelled
    return error


def _not_ours(group: BaseExceptionGroup[BaseException]) -> BaseExceptionGroup[BaseException] | None:
    """Return what must leave the child: interrupts always, cancellations only if they came from outside."""
    _, rest = group.split(Exception)
    if rest is not None and not _cancelled_from_outside():
        _, rest = rest.split(anyio.get_cancelled_exc_class())
    return rest
