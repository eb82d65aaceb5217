"""Runs a tree in a process: signals, the end of it, and the exit code.

The first SIGINT or SIGTERM asks the tree to stop in order, the second cancels all of it at once, each child with the
time that its spec gives it to end, the third ends the process. A terminal that is closed (SIGHUP) asks as the first
does, however often: a shell passes on what the kernel has sent. Whoever was started to outlive it, by nohup, does. In a
process whose signals are somebody else's, an event asks it to stop. A child that cannot be stopped does not keep the
process alive: it is named in the log, and the process ends itself. A ConfigurationError in a child (a database newer
than this code, say) ends the tree too: starting it again would not help. Beside the tree, a monitor watches the event
loop itself.
"""

from __future__ import annotations

import gc
import os
import resource
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import structlog

from horarium.errors import ConfigurationError
from horarium.exit_codes import EXIT_ESCALATED, EXIT_MISCONFIGURED
from horarium.supervisor import ChildExited, RestartIntensityExceeded, Supervisor, log_event

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Coroutine

    from anyio.abc import TaskStatus

    from horarium.supervisor import StallMonitor, SupervisionEvent, SupervisorSpec

__all__ = ["Host", "calm_collector", "open_more_files"]

log = structlog.get_logger(__name__)

FILES = 4096
"""Files and connections that this process may have open: twice what the API and a large worker take."""

LAST_WAIT_SECONDS = 1.0
"""How long the process waits for a child that was declared unstopped."""


def calm_collector() -> None:
    """Let Python's cycle collector run less often: it walks every schedule we know each time, to free next to nothing.

    A burst of ten thousand ticks spends about a tenth of its time there otherwise.
    """
    gc.set_threshold(50_000, 20, 100)


def open_more_files() -> None:
    """Raise the limit of open files to what we may need, as far as it may be raised.

    Shells give 1024, of which little more than half is left for clients of the API, and those of macOS 256: none.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = FILES if hard == resource.RLIM_INFINITY else min(FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


class Host:
    """One tree in this process; `asked` is what asks it to stop, where that is not signals."""

    def __init__(self, spec: SupervisorSpec, stalls: StallMonitor, *, asked: asyncio.Event | None = None) -> None:
        self.supervisor = Supervisor(spec, on_event=self._on_event)
        self._stalls = stalls
        self._asked = asked
        self._fatal: ConfigurationError | None = None

    async def run(self, when_ready: Callable[[], Coroutine[Any, Any, None]]) -> int:
        """Run the tree until it is asked to stop; `when_ready` is called once, when all of it is up.

        Returns the exit code; raises the ConfigurationError that stopped it.
        """
        code = 0
        try:
            async with anyio.create_task_group() as group:
                group.start_soon(self._obey_signals if self._asked is None else self._obey)
                group.start_soon(self._end_unstopped)
                await group.start(self._watch_the_loop)
                await self._supervise(when_ready)
                group.cancel_scope.cancel()
        except* RestartIntensityExceeded as escalation:
            log.error("horarium.gave_up", error=str(_innermost(escalation)))  # noqa: TRY400 - the exits are logged
            code = EXIT_ESCALATED
        if self._fatal is not None:
            raise self._fatal
        return code

    async def _supervise(self, when_ready: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run the tree to its end, and `when_ready` beside it."""
        async with anyio.create_task_group() as beside:

            async def then(*, task_status: TaskStatus[None]) -> None:
                await self.supervisor.run(task_status=task_status)
                beside.cancel_scope.cancel()

            await beside.start(then)
            beside.start_soon(when_ready)

    async def _obey(self) -> None:
        assert self._asked is not None, "signals are obeyed otherwise"  # noqa: S101 - what mypy cannot know
        await self._asked.wait()
        self.supervisor.stop()

    async def _obey_signals(self) -> None:
        with anyio.open_signal_receiver(*_stop_signals()) as received:
            times = 0
            async for number in received:
                times = max(times, 1) if number == signal.SIGHUP else times + 1
                log.info("signal.received", signal=signal.Signals(number).name, times=times)
                if times == 1:
                    self.supervisor.stop()
                elif times == 2:
                    self.supervisor.cancel()
                else:
                    os._exit(128 + number)

    async def _watch_the_loop(self, *, task_status: TaskStatus[None]) -> None:
        hook = partial(log_event, log)  # and not `_on_event`, which is for the loop's own thread
        await self._stalls.run(self.supervisor.spec.id, self.supervisor.events, hook, task_status=task_status)

    async def _end_unstopped(self) -> None:
        """End the process when children that ignored the stop would keep it alive."""
        unstopped = await self.supervisor.wait_stopped()
        if unstopped:
            await anyio.sleep(LAST_WAIT_SECONDS)
            log.error("horarium.left_behind", children=unstopped)
            if self._fatal is not None:
                log.error("horarium.misconfigured", error=str(self._fatal))
            os._exit(EXIT_ESCALATED if self._fatal is None else EXIT_MISCONFIGURED)

    def _on_event(self, event: SupervisionEvent) -> None:
        log_event(log, event, told=(ConfigurationError,))
        if isinstance(event, ChildExited) and isinstance(event.error, ConfigurationError) and self._fatal is None:
            self._fatal = event.error
            self.supervisor.stop()


def _stop_signals() -> tuple[signal.Signals, ...]:
    """The signals that ask for an end; not the one that this process was started to ignore."""
    outlives_terminal = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM) if outlives_terminal else (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def _innermost(error: BaseException) -> BaseException:
    """The first error of a group of groups: each task group on its way has wrapped it."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
