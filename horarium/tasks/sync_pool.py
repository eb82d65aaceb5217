"""Plain functions run in processes of their own, because a thread that hangs cannot be stopped and a process can.

pebble's pool kills the process whose call is cancelled and starts another. Processes are spawned, not forked: the
worker has threads and an event loop. They ignore Ctrl-C, which the worker answers for them, and what they start ends
with them (`process_group.py`). What a function says of itself comes to the worker by `report_relay.py`.

A call that is cancelled ends when its process is dead and not before: whoever writes down that an attempt has ended
opens the way for the next one, and two must not run at once.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import ctypes
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import structlog
from pebble import ProcessPool

from horarium.stages import ids_of
from horarium.tasks.packed import call_packed, packed, unpacked
from horarium.tasks.process_group import GroupContext, lead_group
from horarium.tasks.report import Report, current
from horarium.tasks.report_relay import Relay, RelayConfig, call_heard, set_up_relay
from horarium.tasks.to_the_end import to_the_end

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["SyncPool"]

log = structlog.get_logger(__name__)

STOP_SECONDS = 2.0
START_SECONDS = 10.0
"""How long a process may take to start; a call cancelled before that is killed as it begins."""

KILL_SECONDS = 5.0
"""How long a killed process may take to be gone: a process in the middle of a disk access ends after it."""

LOOK_SECONDS = 0.02
PR_SET_PDEATHSIG = 1  # prctl(2): the signal to get when the parent dies


class SyncPool:
    """A bounded pool of killable processes, started at the first call; hold one of `seats` for a call."""

    def __init__(self, processes: int) -> None:
        self.seats = asyncio.Semaphore(processes)
        self._processes = processes
        self._pool: ProcessPool | None = None
        self._relay: Relay | None = None

    async def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Run `function` in a process; cancelling this call kills that process and waits for its end.

        Raises TypeError where an argument or the result cannot be sent.
        """
        pool, relay = self._serving()
        call, report = packed(function, args, kwargs), current.get()
        if not isinstance(report, Report):
            return unpacked(await _ended(pool.schedule(call_packed, args=[call])))
        with relay.hearing(report) as name:
            told = [name, ids_of(report.attempt), call_packed, call]
            return unpacked(await _ended(pool.schedule(call_heard, args=told)))

    def stop(self) -> None:
        """Kill whatever still runs."""
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]  # pebble leaves it without annotations
            self._pool.join(timeout=STOP_SECONDS)
            self._pool = None
        if self._relay is not None:
            self._relay.close()
            self._relay = None

    def _serving(self) -> tuple[ProcessPool, Relay]:
        """The pool, and where it is heard; new where pebble gave it up, as it does when an idle process is killed."""
        if self._pool is not None and not self._pool.active:
            log.warning("sync_pool.replaced")
            self.stop()
        if self._relay is None:
            self._relay = Relay(asyncio.get_running_loop())
        if self._pool is None:
            told = [os.getpid(), self._relay.config]
            self._pool = ProcessPool(
                max_workers=self._processes, initializer=_serve, initargs=told, context=GroupContext()
            )
        return self._pool, self._relay


async def _ended(future: concurrent.futures.Future[Any]) -> Any:
    """What a call answers; cancelled, its process is killed and gone."""
    try:
        # shielded: pebble forgets a call that is cancelled before its process has told of its beginning
        return await asyncio.shield(asyncio.wrap_future(future))
    except asyncio.CancelledError:
        await to_the_end(_kill(future))
        raise


async def _kill(future: concurrent.futures.Future[Any]) -> None:
    """Cancel a call once it runs, and wait until pebble has seen its process end."""
    if not await _within(START_SECONDS, lambda: future.running() or future.done()):
        log.warning("sync_pool.slow_start", waited_seconds=START_SECONDS)
    future.cancel()
    if not await _within(KILL_SECONDS, lambda: bool(concurrent.futures.wait([future], timeout=0).done)):
        log.error("sync_pool.process_outlives_its_kill", waited_seconds=KILL_SECONDS)


async def _within(seconds: float, happened: Callable[[], bool]) -> bool:
    """Whether it happened within so many seconds."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not happened():
        if asyncio.get_running_loop().time() > deadline:
            return False
        await asyncio.sleep(LOOK_SECONDS)
    return True


def _serve(worker: int, relay: RelayConfig) -> None:
    """Take all that is started along to one's end, leave Ctrl-C to the worker, and do not outlive it."""
    lead_group()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != worker:  # killed before prctl was called
            os._exit(1)
    set_up_relay(relay)
