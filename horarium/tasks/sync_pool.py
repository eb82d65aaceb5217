"""Plain functions run in processes of their own, because a thread that hangs cannot be stopped and a process can.

pebble's pool kills the process whose call is cancelled and starts another. Processes are spawned, not forked: the
worker has threads and an event loop. They ignore Ctrl-C, which the worker answers for them.
"""

from __future__ import annotations

import asyncio
import ctypes
import multiprocessing
import os
import signal
import sys
from typing import TYPE_CHECKING, Any

from pebble import ProcessPool

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

__all__ = ["SyncPool"]

STOP_SECONDS = 2.0
PR_SET_PDEATHSIG = 1  # prctl(2): the signal to get when the parent dies


class SyncPool:
    """A bounded pool of killable processes, started at the first call; hold one of `seats` for a call."""

    def __init__(self, processes: int) -> None:
        self.seats = asyncio.Semaphore(processes)
        self._processes = processes
        self._pool: ProcessPool | None = None

    async def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Run `function` in a process; cancelling this call kills that process."""
        if self._pool is None:
            self._pool = ProcessPool(
                max_workers=self._processes,
                initializer=_serve,
                initargs=[os.getpid()],
                context=multiprocessing.get_context("spawn"),
            )
        return await asyncio.wrap_future(self._pool.schedule(function, args=list(args), kwargs=dict(kwargs)))

    def stop(self) -> None:
        """Kill whatever still runs."""
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]  # pebble leaves it without annotations
            self._pool.join(timeout=STOP_SECONDS)
            self._pool = None


def _serve(worker: int) -> None:
    """Leave Ctrl-C to the worker, and do not outlive it: it may be killed, and its work given to another."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != worker:  # killed before prctl was called
            os._exit(1)
