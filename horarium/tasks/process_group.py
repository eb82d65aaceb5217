"""A process and all it starts, ended together: for plain functions, which may start processes of their own.

The process leads a process group, and what it starts is in it. Two things end the group:

- `GroupLeader.terminate()`, for a timeout, a cancellation, a worker that stops: one SIGKILL for all of the group.
- a guard (`group_guard.py`), for an end that nobody ordered: `os._exit`, a crash, the out-of-memory killer, `kill -9`
  of the process or of its worker.

What is promised: a child that stays in the group does not outlive the process. One that makes a session or a group of
its own (`setsid`, `start_new_session=True`, a daemon) has asked to outlive it, and does. A child that runs on after
its function has returned is left alone until the process ends: with the next kill, or with the worker.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.context import SpawnContext, SpawnProcess

from horarium.tasks.group_guard import start_guard

__all__ = ["GroupContext", "GroupLeader", "lead_group"]

ENDED_ITSELF = 255


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
    start_guard(os.getpid(), worker.sentinel)
