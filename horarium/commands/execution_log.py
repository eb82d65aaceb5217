"""`horarium execution logs`: what a task has logged, and what it logs while it runs.

A follower asks again twice a second for what comes after the line it has seen last, goes on with the next attempt when
there is one, and ends by itself when the execution is over. What was dropped before it could be read is said.
"""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID  # noqa: TC003 - typer reads annotations at run time

import anyio
import typer
from rich.text import Text

from horarium.client import ApiAway, open_client
from horarium.commands.console import complain, print_json, refusals, remark, show
from horarium.commands.talk import LinesOption, TokenOption, UrlOption, talk
from horarium.commands.words import text_block
from horarium.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from horarium.client import ApiClient
    from horarium.settings import Settings

__all__ = ["app"]

POLL_SECONDS = 0.5
LEVEL_STYLES = {"warning": "yellow", "error": "red", "critical": "bold red", "debug": "dim"}

app = typer.Typer()


@app.command()
def logs(
    task_id: Annotated[UUID, typer.Argument(metavar="TASK_ID", help="The execution's id.")],
    attempt: Annotated[
        int | None, typer.Option(min=1, help="Which attempt (default: the newest that spoke; with --follow all).")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on until it is over, or until Ctrl-C.")] = False,
    as_json: LinesOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Print what a task has logged."""
    with refusals():
        settings = load_settings(api_url=url, token=token)
        talk(partial(_print, settings, task_id, attempt, follow=follow, as_json=as_json), interrupted=0)


async def _print(settings: Settings, task_id: UUID, attempt: int | None, *, follow: bool, as_json: bool) -> None:
    async with open_client(settings) as client:
        found = _followed(client, task_id, attempt) if follow else _once(client, task_id, attempt)
        seen = (0, 0)
        async for log in found:
            _print_gap(log, seen)
            for line in log["items"]:
                print_json({"attempt": log["attempt"], **line}) if as_json else show(log_line(line))
            seen = (log["attempt"], log["total"])


async def _once(client: ApiClient, task_id: UUID, attempt: int | None) -> AsyncIterator[Any]:
    yield await _read(client, task_id, attempt, 0)


async def _followed(client: ApiClient, task_id: UUID, attempt: int | None) -> AsyncIterator[Any]:
    """The log as it grows, attempt after attempt; of one attempt alone where that was asked for."""
    shown, after, is_away = attempt or 1, 0, False
    while True:
        try:
            execution = await client.get(f"/executions/{task_id}")  # before the lines: those of its end are not missed
            log = await _read(client, task_id, shown, after)
        except ApiAway as error:
            if not is_away:
                complain(f"{error}; asking again")
            is_away = True
            await anyio.sleep(POLL_SECONDS)
            continue
        is_away = False
        yield log
        after = log["total"]
        if attempt is None and execution["attempt"] > shown:
            shown, after = shown + 1, 0
        elif execution["completed_at"] is not None or execution["attempt"] > shown:
            return
        else:
            await anyio.sleep(POLL_SECONDS)


async def _read(client: ApiClient, task_id: UUID, attempt: int | None, after: int) -> Any:
    query = {} if attempt is None else {"attempt": str(attempt)}
    return await client.get(f"/executions/{task_id}/logs", after=str(after), **query)


def _print_gap(log: dict[str, Any], seen: tuple[int, int]) -> None:
    """Say how many lines between the last that was seen and the first that is left are gone."""
    before = seen[1] if seen[0] == log["attempt"] else 0
    if log["dropped"] > before:
        remark(f"{log['dropped'] - before} lines before these are kept no more")


def log_line(line: dict[str, Any]) -> list[Text]:
    """A line as people read it, what follows in its text below it."""
    first, *rest = line["text"].splitlines() or [""]
    head = Text.assemble(
        (f"{datetime.fromisoformat(line['at']).astimezone():%H:%M:%S}  ", "dim"),
        (f"{line['level']:<8}", LEVEL_STYLES.get(line["level"], "")),
        (f"  {line['logger']}  ", "dim"),
        "".join(each if each.isprintable() else " " for each in first),
    )
    return [head, *text_block("\n".join(rest))]
