"""Runs one conversation with the API to its end, or to Ctrl-C.

A signal cancels the conversation, which the client's shielded step survives. Python's own way would tear a refresh
apart between the server's change of the token and the file, and the login would be lost.
"""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Annotated, TypeVar, get_args

import anyio
import typer

from horarium.model.logins import Role

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["EXIT_INTERRUPTED", "JsonOption", "LinesOption", "RoleOption", "TokenOption", "UrlOption", "talk"]

T = TypeVar("T")

EXIT_INTERRUPTED = 128 + signal.SIGINT
"""As a shell has it."""

UrlOption = Annotated[
    str | None, typer.Option(help="Where the API is (default: HORARIUM_API_URL, else where you are logged in).")
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        help="Access token or API key (default: HORARIUM_TOKEN, else the stored login). "
        "A flag can be seen by others on the machine; the variable cannot."
    ),
]

LinesOption = Annotated[bool, typer.Option("--json", help="Print a line of JSON for each.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print the API's answer as JSON.")]
RoleOption = Annotated[str, typer.Option(help=f"What it may do: one of {', '.join(get_args(Role))}.")]


def talk(conversation: Callable[[], Awaitable[T]], *, interrupted: int = EXIT_INTERRUPTED) -> T:
    """What the conversation returns; after Ctrl-C it exits with `interrupted`, after SIGTERM with 143."""
    codes = {signal.SIGINT: interrupted, signal.SIGTERM: 128 + signal.SIGTERM}
    heard: list[int] = []
    answers = anyio.run(_until_signal, conversation, codes, heard)
    if heard:
        raise typer.Exit(heard[0])
    return answers[0]


async def _until_signal(
    conversation: Callable[[], Awaitable[T]], codes: dict[signal.Signals, int], heard: list[int]
) -> list[T]:
    """The answer, or nothing where a signal ended the conversation; the codes of the signals are put into `heard`."""
    with anyio.CancelScope() as scope:

        def obey(code: int) -> None:
            heard.append(code)
            scope.cancel()

        for number, code in codes.items():
            asyncio.get_running_loop().add_signal_handler(number, obey, code)
        return [await conversation()]
    return []
