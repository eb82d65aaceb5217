"""A process and all it starts, ended together: for plain functions, which may start processes of their own.

The process leads a process group, and what it starts is in it. Two things end the group:

- `GroupLeader.terminate()`, for a timeout, a cancellation, a worker that stops: one SIGKILL for all of the group.
- a guard, for an end that nobody ordered: `os._exit`, a crash, the out-of-memory killer, `kill -9` of the process or of
  its worker. It is a tiny process in the same group, forked before any code of a task has run, that ignores every
  signal, waits for one of the two to end, and then kills the group, itself included. As long as it lives the number of
  the group cannot be given away, so it never hits anybody else.

The guard is nobody's child (it is forked twice), so that a function that waits for its own children does not wait for
it, and it holds no file of the process, so that no pipe stays open for its sake.

What is promised: a child that stays in the group does not outlive the process. One that makes a session or a group of
its own (`setsid`, `start_new_session=True`, a daemon) has asked to outlive it, and does. A child that runs on after
its function has returned is left alone until the process ends: with the next kill, or with the worker.

The guard learns of the process' end from a pidfd on Linux; elsewhere it looks ten times a second. Of the worker's end
it learns from a pipe that only the worker holds open, everywhere.
"""

from __future__ import annotations

import multiprocessing
import os
import select
import signal
from multiprocessing.context import SpawnContext, SpawnProcess

__all__ = ["GroupContext", "GroupLeader", "lead_group"]

LOOK_MS = 100
"""How often a guard without pidfd looks whether its process is still there."""

ENDED_ITSELF = 255
LAST_STANDARD_FILE = 2


class GroupLeader(SpawnProcess):
    """A spawned process that calls `lead_group` before anything else."""

    def terminate(self) -> None:
        """SIGKILL to the process and all of its group, at once: nothing in it may have a say in that."""
        if self.pid is None or not self.is_alive():
            return
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # it does not lead yet, so it has started nothing
            self.kill()

    @property
    def exitcode(self) -> int | None:
        """As it was, but for 0, which pebble takes for a process without work: it would wait on for an answer."""
        code = super().exitcode
        return ENDED_ITSELF if code == 0 else code


class GroupContext(SpawnContext):
    """The `multiprocessing` context whose processes are group leaders."""

    Process = GroupLeader


def lead_group() -> None:
    """Make this process the leader of a new group, and start the group's guard."""
    os.setpgid(0, 0)
    worker = multiprocessing.parent_process()
    assert worker is not None, "a spawned process has a parent"  # noqa: S101 - what mypy cannot know
    leader = os.getpid()
    between = os.fork()
    if between == 0:
        try:
            if os.fork() == 0:
                _guard(leader, worker.sentinel)
        finally:
            os._exit(0)
    os.waitpid(between, 0)


def _guard(leader: int, worker: int) -> None:
    """Wait for the end of `leader`, or of the worker at the other end of the pipe, and kill the group."""
    try:
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        _wait_for_either(leader, _keep_only(worker))
    finally:
        os.killpg(leader, signal.SIGKILL)


def _keep_only(descriptor: int) -> int:
    """Let go of every file but this one; answers its new number."""
    kept = os.dup2(os.dup(descriptor), LAST_STANDARD_FILE + 1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in range(LAST_STANDARD_FILE + 1):
        os.dup2(nothing, number)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))
    return kept


def _wait_for_either(leader: int, worker: int) -> None:
    ends = select.poll()
    ends.register(worker)
    timeout: int | None = LOOK_MS
    if hasattr(os, "pidfd_open"):
        ends.register(os.pidfd_open(leader), select.POLLIN)
        timeout = None
    while not ends.poll(timeout):
        os.kill(leader, 0)  # raises when it is gone
