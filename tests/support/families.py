"""Task types for tests: plain functions that start processes, and write down which."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no types

from horarium import task

__all__ = ["alive", "members", "plain_family", "plain_waits_for_its_children"]

DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)"


@task("test.plain_family")
def plain_family(mark: str, then: str = "wait") -> str:
    """Start a program, a shell with one in the background, a fork and one deaf to SIGTERM; then wait or end."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    started = [
        subprocess.Popen(["sleep", "600"]).pid,  # noqa: S607 - whichever sleep there is
        subprocess.Popen(["sh", "-c", "sleep 600 & wait"]).pid,  # noqa: S607 - as above
        subprocess.Popen([sys.executable, "-c", DEAF]).pid,  # noqa: S603 - ourselves
        _forked(),
    ]
    grandchildren = [child.pid for child in _children(started[1])]
    _write(Path(mark), [os.getpid(), *started, *grandchildren])
    if then == "return":
        return "done"
    if then.startswith("exit"):
        os._exit(int(then.removeprefix("exit ")))
    while True:
        time.sleep(60)


@task("test.plain_waits_for_its_children")
def plain_waits_for_its_children() -> int:
    """Count its children until there are none."""
    _forked(seconds=0.1)
    ended = 0
    while True:
        try:
            os.wait()
        except ChildProcessError:
            return ended
        ended += 1


def members(mark: Path) -> list[int]:
    """The pids that a family has written down; none before it has."""
    return [int(pid) for pid in mark.read_text().split()] if mark.exists() else []


def alive(group: int) -> list[int]:
    """Every process of a group, zombies included."""
    return [pid for pid in psutil.pids() if _group(pid) == group]


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return -1


def _children(pid: int) -> list[psutil.Process]:
    while not (found := psutil.Process(pid).children()):
        time.sleep(0.01)
    return list(found)


def _forked(*, seconds: float = 600) -> int:
    pid = os.fork()
    if pid == 0:
        time.sleep(seconds)
        os._exit(0)
    return pid


def _write(path: Path, pids: list[int]) -> None:
    """Whole or not at all."""
    half = path.with_suffix(".half")
    half.write_text(" ".join(map(str, pids)))
    half.rename(path)
