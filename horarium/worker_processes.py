"""Several worker processes under one parent, which runs no task and asks no server: `horarium worker --processes P`.

Each process is a child of a supervisor: one that dies is started again, after a moment that grows, and the log says
how it died. One that ends well has been drained and is done; when all are, so is the parent. Settings that a process
refuses (exit code 2) end them all, for starting it again would not help.

A stop reaches all processes at once, since they drain at the same time, and only once, since a second signal cuts a
drain short. For the same reason each has a session of its own: Ctrl-C in our terminal reaches the parent, which
passes it on. When the parent is killed they stop by their lifeline.
"""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from functools import partial
from signal import SIGKILL, SIGTERM
from typing import TYPE_CHECKING

import anyio
import structlog

from horarium.errors import ConfigurationError, HorariumError
from horarium.exit_codes import EXIT_ESCALATED, EXIT_MISCONFIGURED
from horarium.settings import environment_with
from horarium.supervisor import ChildSpec, SupervisorSpec

if TYPE_CHECKING:
    from signal import Signals

    from anyio.abc import Process, TaskStatus

    from horarium.settings import Settings
    from horarium.supervisor import ChildContext

__all__ = ["STOP_SECONDS", "WorkerProcessDied", "WorkerProcesses"]

log = structlog.get_logger(__name__)

STOP_SECONDS = 10.0
"""How long a worker's process may take to end beyond the time that it gives to running tasks."""

CANCEL_SECONDS = 3.0
"""How long one has that is asked for the second time."""

RESTARTS_A_MINUTE = 10
"""Of each process; more of them all together end the parent."""


class WorkerProcessDied(HorariumError):
    """A worker's process ended by itself; `code` is its exit code, or minus the signal that ended it."""

    def __init__(self, number: int, pid: int, code: int | None) -> None:
        super().__init__(f"worker process {number} (pid {pid}) ended with code {code}")
        self.number = number
        self.code = code


class WorkerProcesses:
    """The processes of one parent."""

    def __init__(self, settings: Settings) -> None:
        self._count = settings.worker_processes
        self._drain_seconds = settings.drain_seconds
        self._environ = environment_with(settings, "queues", "worker_concurrency") | {"HORARIUM_WORKER_PROCESSES": "1"}
        self._lifeline, self._kept_end = os.pipe()
        self._living: set[Process] = set()
        self._told: set[int] = set()
        self._ended_badly = False

    def tree(self) -> SupervisorSpec:
        """The supervisor of them all."""
        workers = (
            ChildSpec(
                f"worker-{number}",
                partial(self._run, number),
                restart="transient",
                significant=True,
                drain=self._drain_seconds + STOP_SECONDS,
                shutdown=CANCEL_SECONDS + 1.0,
            )
            for number in range(1, self._count + 1)
        )
        return SupervisorSpec(
            "horarium",
            (*workers, ChildSpec("stop", self._pass_stop_on, drain=1.0)),
            intensity=RESTARTS_A_MINUTE * self._count,
            auto_shutdown="all_significant",
        )

    def exit_code(self, code: int) -> int:
        """The parent's, where its tree ended with `code`: no success while a process has failed to stop in order."""
        return code or (EXIT_ESCALATED if self._ended_badly else 0)

    async def _run(self, number: int, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """One process, from its start to its end."""
        argv = [sys.executable, "-m", "horarium", "worker", "--lifeline", str(self._lifeline)]
        process = await anyio.open_process(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=None,
            stderr=None,
            env=self._environ,
            start_new_session=True,
            pass_fds=(self._lifeline,),
        )
        log.info("worker_process.started", number=number, pid=process.pid)
        self._living.add(process)
        try:
            task_status.started()
            async with anyio.create_task_group() as group:
                group.start_soon(self._stop_when_told, process, context)
                await process.wait()
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process)
            cut_short = process.pid in self._told and process.returncode == -SIGTERM  # told before it could listen
            self._forget(process)
            self._ended_badly |= context.stopping.is_set() and process.returncode != 0 and not cut_short
        if not cut_short:
            _judge(number, process)

    async def _stop_when_told(self, process: Process, context: ChildContext) -> None:
        await context.stopping.wait()
        self._stop(process)

    async def _pass_stop_on(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Started last and so stopped first: what follows, one after the other, finds all of them stopping."""
        task_status.started()
        await context.stopping.wait()
        for process in self._living:
            self._stop(process)

    def _stop(self, process: Process) -> None:
        if process.pid not in self._told:
            self._told.add(process.pid)
            _signal(process, SIGTERM)

    def _forget(self, process: Process) -> None:
        self._living.discard(process)
        self._told.discard(process.pid)


def _judge(number: int, process: Process) -> None:
    """Raise what its end means, if it is no good one."""
    match process.returncode:
        case 0:
            return
        case int(code) if code == EXIT_MISCONFIGURED:
            raise ConfigurationError(f"worker process {number} cannot work like this; it has said why")
        case code:
            raise WorkerProcessDied(number, process.pid, code)


async def _end(process: Process) -> None:
    """See to its end: asked for the second time it gives up what it runs, and then it is killed."""
    for number, seconds in ((SIGTERM, CANCEL_SECONDS), (SIGKILL, CANCEL_SECONDS)):
        if process.returncode is None:
            _signal(process, number)
            with anyio.move_on_after(seconds):
                await process.wait()


def _signal(process: Process, number: Signals) -> None:
    with suppress(ProcessLookupError):  # it has ended in this very moment
        process.send_signal(number)
