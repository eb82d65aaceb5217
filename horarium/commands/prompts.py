"""What is asked of whoever sits at the terminal; stdout stays free for results.

Where stdin is no terminal a password is its next line, so that scripts need no pseudo-terminal and no password ever
stands on a command line, which others on the machine can read.
"""

from __future__ import annotations

import sys
from getpass import getpass
from typing import Any

import typer

from horarium.commands.console import remark
from horarium.commands.talk import EXIT_INTERRUPTED
from horarium.terminal import printable

__all__ = ["agreed", "asked", "asked_password"]


def asked_password(question: str, *, confirmed: bool = False) -> str:
    """A password; `confirmed` has a new one typed twice."""
    if sys.stdin.isatty():
        return _hidden(question, confirmed=confirmed)
    password = sys.stdin.readline().rstrip("\r\n")
    if not password:
        raise typer.BadParameter("there is no terminal to ask on: give the password as a line of stdin")
    return password


def agreed(question: str) -> bool:
    """Whether the answer is yes; without a terminal nobody can give it, and only `--yes` could."""
    if not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to ask on: give --yes")
    try:
        return typer.confirm(printable(question), err=True)
    except typer.Abort as error:
        raise typer.Exit(EXIT_INTERRUPTED) from error


def asked(question: str, **options: Any) -> str:
    """The answer, or the exit code of an interrupt."""
    try:
        return str(typer.prompt(question, err=True, **options))
    except typer.Abort as error:
        raise typer.Exit(EXIT_INTERRUPTED) from error


def _hidden(question: str, *, confirmed: bool) -> str:
    """What is typed unseen; asked for again until there is something and, if it is to be confirmed, twice the same.

    `typer.prompt` shows its question while the terminal still echoes, and then throws away what was typed by then.
    `getpass` asks when the echo is off.
    """
    try:
        while True:
            while not (password := getpass(f"{printable(question)}: ")):
                pass
            if not confirmed or getpass("The same again: ") == password:
                return password
            remark("The two were not the same.")
    except (KeyboardInterrupt, EOFError) as error:
        remark("")
        raise typer.Exit(EXIT_INTERRUPTED) from error
