"""`taskiq worker` with Horarium's receiver, as a process: started, watched through the ledger, killed."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # ships no types

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

__all__ = ["TaskiqWorker", "taskiq_worker"]

END_SECONDS = 45.0


@dataclass
class TaskiqWorker:
    """The command, and what it has printed."""

    process: subprocess.Popen[bytes]
    printed: Path

    @property
    def said(self) -> str:
        """All that it has printed."""
        return self.printed.read_text()

    def workers(self) -> list[psutil.Process]:
        """The processes that run tasks."""
        return list(psutil.Process(self.process.pid).children())

    def ended(self, *, within: float = END_SECONDS) -> int:
        """Its exit code, once it has ended."""
        return self.process.wait(within)


@contextmanager
def taskiq_worker(
    printed: Path, environ: Mapping[str, str], *options: str, processes: int = 1
) -> Iterator[TaskiqWorker]:
    """The command, killed with all that it has started when the block ends."""
    command = [sys.executable, "-m", "taskiq", "worker", "tests.support.taskiq_app:broker"]
    options = ("--receiver", "horarium.tasks:Receiver", "--workers", str(processes), *options)
    with printed.open("wb") as output:
        process = subprocess.Popen(  # noqa: S603 - our own command
            [*command, *options], env={**os.environ, **environ}, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield TaskiqWorker(process, printed)
    finally:
        for each in _all_of(process.pid):
            each.kill()
        process.wait(END_SECONDS)


def _all_of(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [*root.children(recursive=True), root]
    except psutil.NoSuchProcess:
        return []
