"""Where commands print: results to stdout, complaints to stderr, and the exit code that goes with a complaint."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console, Group
from rich.text import Text

from horarium.client.errors import ApiError
from horarium.errors import ConfigurationError
from horarium.exit_codes import EXIT_MISCONFIGURED
from horarium.terminal import columns, printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

__all__ = [
    "complain",
    "complaints",
    "fitted",
    "listed",
    "output",
    "print_json",
    "refusals",
    "remark",
    "say",
    "show",
    "show_page",
    "table",
    "widest",
]

output = Console(highlight=False)
complaints = Console(stderr=True, highlight=False)

NARROWEST = 36
"""Cells that a column has on any terminal: an execution's id."""


@contextmanager
def refusals() -> Iterator[None]:
    """Say what is wrong with the settings or what the API refused, and exit with the code that tells them apart."""
    try:
        yield
    except (ApiError, ConfigurationError) as error:
        complain(str(error))
        raise typer.Exit(error.exit_code if isinstance(error, ApiError) else EXIT_MISCONFIGURED) from error


def complain(message: str) -> None:
    """Print each line of a message to stderr, after our name."""
    for line in message.splitlines():
        complaints.print(Text(f"horarium: {printable(line)}"), soft_wrap=True)


def say(message: str) -> None:
    """Print what was done, whatever it holds."""
    output.print(Text(printable(message)), soft_wrap=True)


def remark(message: str) -> None:
    """Print to stderr what goes with a result that stands alone on stdout."""
    complaints.print(Text(printable(message)), soft_wrap=True)


def show(lines: Iterable[Text]) -> None:
    """Print lines: cut to the terminal's width, whole where something else reads them."""
    if output.is_terminal:
        output.print(fitted(lines))
    else:
        output.print(*lines, sep="\n", soft_wrap=True)


def listed(
    rows: Iterable[dict[str, Any]],
    headings: Sequence[str],
    words: Callable[[dict[str, Any]], Sequence[str | Text]],
    *,
    as_json: bool = False,
) -> None:
    """Print rows of the API's: a line of JSON for each, or a table in the words for people."""
    if as_json:
        for row in rows:
            print_json(row)
    else:
        show(table(rows, headings, words))


def table(
    rows: Iterable[dict[str, Any]],
    headings: Sequence[str],
    words: Callable[[dict[str, Any]], Sequence[str | Text]],
) -> list[Text]:
    """Rows as lines in aligned columns."""
    return columns([headings, *map(words, rows)], most=widest())


def widest() -> int | None:
    """The cells that a column gets: on a terminal none may push the rest of them out of sight."""
    return max(NARROWEST, output.width * 2 // 5) if output.is_terminal else None


def print_json(answer: object) -> None:
    """Print an answer of the API as a line of JSON."""
    typer.echo(json.dumps(answer))


def show_page(lines: Iterable[Text]) -> None:
    """Print lines that keep their ends, the terminal may break them; those that are `no_wrap` it cuts."""
    for line in lines:
        if line.no_wrap and output.is_terminal:
            output.print(line)
        else:
            output.print(line, soft_wrap=True)


def fitted(lines: Iterable[Text]) -> Group:
    """The lines, each to be cut at the end of the terminal's."""
    copies = [line.copy() for line in lines]
    for line in copies:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(*copies)
