"""The guard of a process group, and a launcher that puts a program under one. Standard library only, and little of it.

A guard is a tiny process in the group, forked before any foreign code has run, that ignores every signal, waits for
the end of the group's leader or of its worker, and then kills the group, itself included. As long as it lives the
number of the group cannot be given away, so it never hits anybody else.

It is nobody's child (it is forked twice), so that a program that waits for its own children does not wait for it, and
it holds no file of theirs, so that no pipe stays open for its sake. It learns of the leader's end from a pidfd on
Linux; elsewhere it looks ten times a second. Of the worker's end, and that the worker wants the group to end, it
learns from a *lifeline*: a pipe whose other end only the worker holds.

Run as a file, this module is the launcher: `python -I -S group_guard.py CWD ARGV...`, as the leader of a new session,
with the lifeline as its standard input. It starts the guard and becomes the program: no code of ours runs between a
fork and an exec of the worker, which has threads. A program that cannot be run is said on standard error, with the exit
codes that a shell has for it.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys

__all__ = ["start_guard"]

LOOK_MS = 100
"""How often a guard without pidfd looks whether its leader is still there."""

STDIN, LAST_STANDARD_FILE = 0, 2
NOT_FOUND, NOT_RUNNABLE = 127, 126


def start_guard(leader: int, lifeline: int) -> None:
    """Fork the guard of the group that `leader` leads and this process is in; `lifeline` is a descriptor to poll."""
    between = os.fork()
    if between == 0:
        try:
            if os.fork() == 0:
                _guard(leader, lifeline)
        finally:
            os._exit(0)
    os.waitpid(between, 0)


def _guard(leader: int, lifeline: int) -> None:
    """Wait for the end of `leader`, or of whoever is at the other end of the pipe, and kill the group."""
    try:
        for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
            signal.signal(number, signal.SIG_IGN)
        _wait_for_either(leader, _keep_only(lifeline))
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


def _wait_for_either(leader: int, lifeline: int) -> None:
    ends = select.poll()
    ends.register(lifeline)
    timeout: int | None = LOOK_MS
    if hasattr(os, "pidfd_open"):
        ends.register(os.pidfd_open(leader), select.POLLIN)
        timeout = None
    while not ends.poll(timeout):
        os.kill(leader, 0)  # raises when it is gone


def _launch(cwd: str, *argv: str) -> int:
    """Become the program; returns an exit code where that cannot be."""
    start_guard(os.getpid(), STDIN)
    os.dup2(os.open(os.devnull, os.O_RDONLY), STDIN)
    os.closerange(LAST_STANDARD_FILE + 1, os.sysconf("SC_OPEN_MAX"))  # uvloop leaves some open
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)  # Python ignores them, and what is ignored stays so in the program
    try:
        os.chdir(cwd)
    except OSError as error:
        return _cannot(f"work in {cwd}", error)
    try:
        os.execvp(argv[0], argv)  # noqa: S606 - no shell is what is wanted
    except OSError as error:
        return _cannot(f"run {argv[0]}", error)


def _cannot(what: str, error: OSError) -> int:
    sys.stderr.write(f"cannot {what}: {error.strerror}\n")
    return NOT_FOUND if error.errno == errno.ENOENT else NOT_RUNNABLE


if __name__ == "__main__":
    sys.exit(_launch(*sys.argv[1:]))
