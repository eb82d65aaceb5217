"""What is asked of whoever sits at the terminal; stdout stays free for results.

Where stdin is no terminal a password is its next line, so that scripts need no pseudo-terminal and no password ever
stands on a command line, which others on the machine can read.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from getpass import getpass
from typing import TYPE_CHECKING, Any

import typer

from horarium.commands.console import remark
from horarium.commands.talk import EXIT_INTERRUPTED
from horarium.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["agreed", "asked", "asked_password", "is_attended"]


def is_attended() -> bool:
    """Whether somebody sits at stdin, which a program may have closed."""
    return sys.stdin is not None and sys.stdin.isatty()


def asked_password(question: str, *, confirmed: bool = False) -> str:
    """A password; `confirmed` has a new one typed twice."""
    if is_attended():
        return _hidden(question, confirmed=confirmed)
    try:
        password = "" if sys.stdin is None else sys.stdin.readline().rstrip("\r\n")
        password.encode()  # some locales have what is no text read as something that cannot be written
    except UnicodeError as error:
        raise typer.BadParameter("the password on stdin is no UTF-8 text") from error
    if not password:
        raise typer.BadParameter("there is no terminal to ask on: give the password as a line of stdin")
    return password


def agreed(question: str) -> bool:
    """Whether the answer is yes; without a terminal nobody can give it, and only `--yes` could."""
    if not is_attended():
        raise typer.BadParameter("there is no terminal to ask on: give --yes")
    with _interruptible():
        return typer.confirm(printable(question), err=True)


def asked(question: str, **options: Any) -> str:
    """The answer, or the exit code of an interrupt."""
    with _interruptible():
        return str(typer.prompt(question, err=True, **options))


def _hidden(question: str, *, confirmed: bool) -> str:
    """What is typed unseen; asked for again until there is something and, if it is to be confirmed, twice the same.

    `typer.prompt` shows its question while the terminal still echoes, and then throws away what was typed by then.
    `getpass` asks when the echo is off.
    """
    with _interruptible():
        while True:
            while not (password := getpass(f"{printable(question)}: ")):
                pass
            if not confirmed or getpass("The same again: ") == password:
                return password
            remark("The two were not the same.")


@contextmanager
def _interruptible() -> Iterator[None]:
    """Ctrl-C and Ctrl-D at a question end the command, and the line that the question stands in."""
    try:
        yield
    except (typer.Abort, KeyboardInterrupt, EOFError) as error:
        remark("")
        raise typer.Exit(EXIT_INTERRUPTED) from error
