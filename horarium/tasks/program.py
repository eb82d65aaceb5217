"""One program, run by the worker and ended with all it has started.

It leads a session and a process group of its own, under a guard (`group_guard.py`). The group ends when the program
ends, by itself or not; when the run is cancelled; and when the worker is gone, killed or not. What makes a session of
its own has asked to outlive it, and does.

It has no terminal and reads nothing. What it writes is read to the end, so that it never waits for us, and kept within
a bound: the beginning and the end of each stream. Nothing of the worker's environment reaches it, which holds secrets.

This is a protocol and no `asyncio.subprocess.Process`, whose `wait` waits in Python 3.11 until every process that
inherited the pipes has closed them, a daemon included.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from horarium.tasks import group_guard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

__all__ = ["EDGE_BYTES", "Ended", "run_program"]

log = structlog.get_logger(__name__)

EDGE_BYTES = 32 * 1024
"""How much is kept of a stream's beginning, and as much of its end."""

LAST_WORDS_SECONDS = 1.0
"""How long the streams of a program that has ended are read: who left its group may hold them open for ever."""

KILL_SECONDS = 5.0
"""How long a killed program may take to be gone: one in the middle of a disk access ends after it."""

STDOUT, STDERR = 1, 2


@dataclass(frozen=True, slots=True)
class Ended:
    """How a program ended; `exit_code` is minus the number of the signal that ended it, where one did."""

    exit_code: int
    stdout: str
    stderr: str


async def run_program(argv: Sequence[str], env: Mapping[str, str], cwd: str | None) -> Ended:
    """Run a program to its end; cancelling this kills its group and waits for the program's end."""
    lifeline, ours = os.pipe()
    try:
        transport, program = await _start(argv, env, cwd or ".", lifeline)
        try:
            return await program.ended(transport)
        finally:
            await program.kill(transport)
            transport.close()
    finally:
        os.close(ours)  # whatever went wrong above, the guard now ends the group


async def _start(
    argv: Sequence[str], env: Mapping[str, str], cwd: str, lifeline: int
) -> tuple[asyncio.SubprocessTransport, _Program]:
    launcher = (sys.executable, "-I", "-S", group_guard.__file__, cwd)
    try:
        return await asyncio.get_running_loop().subprocess_exec(
            _Program, *launcher, *argv, stdin=lifeline, env=dict(env), start_new_session=True
        )
    finally:
        os.close(lifeline)


@dataclass
class _Stream:
    """The beginning and the end of what was written."""

    head: bytearray = field(default_factory=bytearray)
    tail: bytearray = field(default_factory=bytearray)
    left_out: int = 0

    def add(self, data: bytes) -> None:
        room = EDGE_BYTES - len(self.head)
        self.head += data[:room]
        self.tail += data[room:]
        excess = max(0, len(self.tail) - EDGE_BYTES)
        del self.tail[:excess]
        self.left_out += excess

    def text(self) -> str:
        gap = f"\n[... {self.left_out} bytes left out ...]\n".encode() if self.left_out else b""
        return (self.head + gap + self.tail).decode("utf-8", "replace")


class _Program(asyncio.SubprocessProtocol):
    """What a program has written, and that it has ended."""

    def __init__(self) -> None:
        self._streams = {STDOUT: _Stream(), STDERR: _Stream()}
        self._open = set(self._streams)
        self._silent = asyncio.Event()
        self._exited = asyncio.Event()

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        self._streams[fd].add(data)

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's
        self._open.discard(fd)
        if not self._open:
            self._silent.set()

    def process_exited(self) -> None:
        self._exited.set()

    async def ended(self, transport: asyncio.SubprocessTransport) -> Ended:
        """Wait for the program's end, and then for its last words."""
        await self._exited.wait()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._silent.wait(), LAST_WORDS_SECONDS)
        code = transport.get_returncode()
        assert code is not None, "it has ended"  # noqa: S101 - what mypy cannot know
        return Ended(code, self._streams[STDOUT].text(), self._streams[STDERR].text())

    async def kill(self, transport: asyncio.SubprocessTransport) -> None:
        """SIGKILL to the group of a program that has not ended, and wait until it is gone."""
        if self._exited.is_set():
            return
        with suppress(ProcessLookupError):
            os.killpg(transport.get_pid(), signal.SIGKILL)
        try:
            await asyncio.wait_for(self._exited.wait(), KILL_SECONDS)
        except TimeoutError:
            log.error("program.outlives_its_kill", waited_seconds=KILL_SECONDS)  # noqa: TRY400 - it says all there is
