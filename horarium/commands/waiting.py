"""Waiting for an execution that a command has made, to its end.

The execution owes nothing to whoever waits: Ctrl-C ends the waiting and leaves it running, and an API that is away is
asked again, since the execution goes on meanwhile. How it ended is the exit code.
"""

from __future__ import annotations

from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer

from horarium.client import ApiAway, open_client
from horarium.client.errors import OUTCOME_CODES
from horarium.commands.console import complain, complaints, print_json, remark
from horarium.commands.execution_words import outcome_line
from horarium.commands.talk import talk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from horarium.client import ApiClient
    from horarium.settings import Settings

__all__ = ["KeyOption", "WaitOption", "ended", "key_header", "tell_started"]

POLL_SECONDS = 0.3

WaitOption = Annotated[
    bool,
    typer.Option(
        "--wait",
        help="Wait for its end. Exit code: 0 success, 10 failed, 11 timeout, 12 cancelled, 13 lost. "
        "Ctrl-C leaves it running.",
    ),
]
KeyOption = Annotated[
    str | None,
    typer.Option("--idempotency-key", help="However often this is sent with one key, there is one execution."),
]


def key_header(key: str | None) -> dict[str, str]:
    """The header field that makes a request safe to repeat."""
    return {} if key is None else {"Idempotency-Key": key}


def tell_started(settings: Settings, task_id: str, answer: Mapping[str, Any], *, wait: bool, as_json: bool) -> None:
    """Print the id of a new execution, or once it has ended the whole of it; exit by its outcome."""
    if not wait:
        print_json(answer) if as_json else typer.echo(task_id)
        return
    if not as_json:
        typer.echo(task_id)
    try:
        with _telling() as tell:
            execution = talk(partial(ended, settings, task_id, tell))
    except typer.Exit:
        remark(f"It goes on without us: horarium execution show {task_id}")
        raise
    print_json(execution) if as_json else remark(outcome_line(execution))
    raise typer.Exit(OUTCOME_CODES[execution["status"]])


@contextmanager
def _telling() -> Iterator[Callable[[str], None]]:
    """Where it is said what the execution is at: a line that is redrawn, where somebody sees it."""
    if not complaints.is_terminal:
        yield lambda _: None
        return
    with complaints.status("waiting; Ctrl-C leaves it running") as spinner:
        yield spinner.update


async def ended(settings: Settings, task_id: str, tell: Callable[[str], None]) -> dict[str, Any]:
    """The execution, once it is final; `tell` hears what it is at."""
    async with open_client(settings) as client:
        trouble = ""
        while True:
            try:
                execution = await _look(client, task_id)
            except ApiAway as error:
                if str(error) != trouble:
                    complain(f"{error}; asking again")
                trouble = str(error)
            else:
                if execution["status"] in OUTCOME_CODES:
                    return execution
                tell(f"{execution['status']}, attempt {execution['attempt']}; Ctrl-C leaves it running")
                trouble = ""
            await anyio.sleep(POLL_SECONDS)


async def _look(client: ApiClient, task_id: str) -> dict[str, Any]:
    return dict(await client.get(f"/executions/{task_id}"))
