"""The first process of a container: it passes signals on to Horarium, and takes in what has lost its parent.

An orphan becomes a child of process 1, which has to take note of its end, or what is left of it stays in the table of
processes until that is full. The guards of programs and of plain functions are orphans (`tasks/group_guard.py`), and so
is what a task leaves running. Horarium cannot do it beside its work: asyncio, `subprocess` and `multiprocessing` each
wait for children of their own, and to wait for any child would take theirs. So a Horarium that finds itself to be
process 1 goes on in a child, and this module, run as a file, takes its place: `python -I -S first_process.py PID`, the
standard library only and little of it. Where an init is process 1 (`docker run --init`, `init: true`), nothing happens.

Every signal is blocked from before the fork on, so that none gets lost between the two: the first process is the one
that a signal without a handler does not reach. The child leads a process group of its own in the foreground of the
terminal, so that Ctrl-C comes to it once.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress

__all__ = ["step_down"]

STDIN = 0


def step_down() -> None:
    """Go on in a child, where this is the first process; returns in the child, or at once where it is not."""
    if os.getpid() != 1:
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    child = os.fork()
    if child:
        os.execv(sys.executable, [sys.executable, "-I", "-S", __file__, str(child)])  # noqa: S606 - no shell is what is wanted
    os.setpgid(0, 0)
    with suppress(OSError):  # no terminal, or none of ours
        os.tcsetpgrp(STDIN, os.getpgrp())
    signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _stand_in(child: int) -> int:
    """Pass on every signal until the child ends; its exit code, as a shell has it."""
    while True:
        number = signal.sigwait(signal.valid_signals())
        if number == signal.SIGCHLD:
            code = _bury(child)
            if code is not None:
                return code
        else:
            with suppress(ProcessLookupError):  # it ends in this very moment
                os.kill(child, number)


def _bury(child: int) -> int | None:
    """Take note of all that have ended; the exit code of the child where it is among them."""
    while True:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if pid == 0:
            return None


if __name__ == "__main__":
    sys.exit(_stand_in(int(sys.argv[1])))
