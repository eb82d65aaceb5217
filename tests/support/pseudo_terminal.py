"""A command in a pseudo terminal: what a user sees of it, and types into it.

The process gets a session of its own and so no controlling terminal: whatever terminal runs the tests stays out of it.
"""

from __future__ import annotations

import os
import re
import select
import subprocess
import sys
import termios
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.support.processes import START_SECONDS, environment
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

__all__ = ["Terminal", "in_terminal", "program_in_terminal"]

ROWS, COLUMNS = 40, 80
ESCAPE = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@dataclass
class Terminal:
    """The user's side of it."""

    process: subprocess.Popen[bytes]
    master: int
    raw: bytearray = field(default_factory=bytearray)

    def type(self, line: str) -> None:
        os.write(self.master, f"{line}\n".encode())

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        os.write(self.master, b"\x03")

    def text(self) -> str:
        """All that was written so far, without the escape sequences."""
        while select.select([self.master], [], [], 0)[0]:
            try:
                chunk = os.read(self.master, 65536)
            except OSError:  # Linux's way to say that nobody holds the other end any more
                break
            self.raw += chunk
        return ESCAPE.sub("", self.raw.decode(errors="replace"))

    async def shows(self, words: str, *, times: int = 1, since: int = 0) -> str:
        """All that was written, once it holds these words so often behind its first `since` characters."""

        async def look() -> str:
            over = self.process.poll() is not None  # before the text: what ends writes first
            text = self.text()
            assert words in text or not over, text
            return text if text.count(words, since) >= times else ""

        return await eventually(look, within=START_SECONDS)

    async def ended(self) -> int:
        """Its exit code, once it has ended."""

        async def code() -> tuple[int] | None:
            self.text()  # a full terminal would keep it from ending
            return None if self.process.poll() is None else (self.process.returncode,)

        return (await eventually(code, within=START_SECONDS))[0]


@contextmanager
def in_terminal(*arguments: str, editor: str = "false", **settings: object) -> Iterator[Terminal]:
    """`horarium` with these arguments, settings and $EDITOR; killed when the block ends."""
    with program_in_terminal(
        [sys.executable, "-m", "horarium", *arguments], {"EDITOR": editor}, **settings
    ) as terminal:
        yield terminal


@contextmanager
def program_in_terminal(
    argv: Sequence[str], variables: Mapping[str, str], *, cwd: Path | None = None, **settings: object
) -> Iterator[Terminal]:
    """A program with these variables beside Horarium's settings; killed when the block ends."""
    master, slave = os.openpty()
    termios.tcsetwinsize(slave, (ROWS, COLUMNS))
    with subprocess.Popen(  # noqa: S603 - what a test says
        argv,
        cwd=cwd,
        env=environment(**settings) | {"TERM": "xterm", "COLUMNS": str(COLUMNS), "LINES": str(ROWS), **variables},
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
    ) as process:
        os.close(slave)
        try:
            yield Terminal(process, master)
        finally:
            process.kill()
            os.close(master)
