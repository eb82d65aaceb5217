"""Standard output that says so when it takes nothing more, whoever prints.

A disk that is full and a reader that has gone (`| head -1`) are found out by whoever happens to print: we, rich, typer
with its help, the interpreter at its end. Each has an idea of its own of what to do then: a traceback, exit code 1,
exit code 120. So the stream raises an error that none of them knows, and one place makes an end of it.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from signal import SIGPIPE
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

    from _typeshed import ReadableBuffer

__all__ = ["OutputLost", "give_up", "guard_stdout", "leave_nothing_in"]

EXIT_LOST = 1
EXIT_READER_GONE = 128 + SIGPIPE
"""As a shell has it."""


class OutputLost(OSError):
    """Standard output takes nothing more. It has no `errno`, by which rich and typer would know a broken pipe."""

    def __init__(self, error: OSError) -> None:
        super().__init__(f"cannot write the output: {os.strerror(error.errno or 0)}")
        self.reader_gone = error.errno == errno.EPIPE
        self.exit_code = EXIT_READER_GONE if self.reader_gone else EXIT_LOST


class _Raw(io.FileIO):
    """The file below everything that is printed, as text or as bytes."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OutputLost(error) from error


def guard_stdout() -> None:
    """Have standard output raise OutputLost; a locale without a sign for the tree's lines still gets the tree."""
    given = sys.stdout
    if not isinstance(given, io.TextIOWrapper):  # closed, or somebody's own
        return
    raw = _Raw(given.fileno(), "w", closefd=False)
    sys.stdout = io.TextIOWrapper(
        raw if given.write_through else io.BufferedWriter(raw),
        encoding=given.encoding,
        errors="replace",
        line_buffering=given.line_buffering,
        write_through=given.write_through,
    )


def give_up(stream: TextIO) -> None:
    """Put nothing in its place, or the interpreter would fail over what is left to write when it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def leave_nothing_in(stream: TextIO) -> None:
    """Write what is left, or give it up: at its end the interpreter would put 120 in the place of any exit code."""
    try:
        stream.flush()
    except OSError:
        give_up(stream)
