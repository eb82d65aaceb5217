"""`horarium tree`: the supervision tree as the API has it, once or live.

The live tree outlives the API: while nobody answers it shows what it last saw, says since when, and asks again. What
would not mend by itself (no login, a role that may not look) ends it. Ctrl-C is how one leaves it, and so a success:
exit code 0, as with `watch` and `top`.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from horarium.client import ApiAway, open_client, shaped
from horarium.commands.console import complain, fitted, output, refusals, show
from horarium.commands.talk import TokenOption, UrlOption, talk
from horarium.lifecycle import utc_now
from horarium.settings import load_settings
from horarium.terminal import TreeNode, human_duration, tree_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from datetime import datetime

    from horarium.client import ApiClient
    from horarium.settings import Settings

__all__ = ["Sight", "app", "look", "sight_lines"]

app = typer.Typer()

PATH = "/system/tree"
DEFAULT_INTERVAL_SECONDS = 1.0
SHORTEST_INTERVAL_SECONDS = 0.1
LOOK_SECONDS = 3.0
"""A picture that stands still longer than this must say so."""


@dataclass(frozen=True)
class Sight:
    """What was last seen of the tree at `url`, and when; what keeps us from seeing it, and since when (UTC)."""

    url: str
    answer: Any = None
    seen_at: datetime | None = None
    trouble: str | None = None
    away_since: datetime | None = None


@app.command()
def tree(
    watch: Annotated[bool, typer.Option("--watch", help="Redraw until Ctrl-C, which ends it with code 0.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the API's answer; with --watch one a line.")] = False,
    interval: Annotated[
        float, typer.Option(min=SHORTEST_INTERVAL_SECONDS, help="Seconds between two looks of --watch.")
    ] = DEFAULT_INTERVAL_SECONDS,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Show the supervised parts: state, restarts and why, uptime, mailboxes, what each is handling."""
    with refusals():
        settings = load_settings(api_url=url, token=token)
        if watch:
            with _screen(interval, as_json=as_json) as screen:
                talk(partial(_watch, settings, interval, screen), interrupted=0)
        else:
            sight = talk(partial(_once, settings))
            _print_json(sight) if as_json else show(sight_lines(sight, utc_now()))


async def _once(settings: Settings) -> Sight:
    async with open_client(settings) as client:
        return await _see(client)


async def _watch(settings: Settings, interval: float, screen: Callable[[Sight], None]) -> None:
    async with open_client(settings) as client:
        sight = Sight(client.url)
        while True:
            sight = await look(client, sight)
            screen(sight)
            await anyio.sleep(interval)


async def look(client: ApiClient, before: Sight) -> Sight:
    """What is seen now; where the API is away, what was seen before and why there is nothing newer."""
    try:
        with anyio.fail_after(LOOK_SECONDS):
            return await _see(client)
    except ApiAway as error:
        trouble = str(error)
    except TimeoutError:
        trouble = f"{client.url} does not answer within {LOOK_SECONDS:g} s"
    return replace(before, trouble=trouble, away_since=before.away_since or utc_now())


async def _see(client: ApiClient) -> Sight:
    return Sight(client.url, await client.get(PATH), utc_now())


def sight_lines(sight: Sight, now: datetime) -> list[Text]:
    """The tree that was seen, if any. Raises ApiError for an answer that is no tree."""
    return [] if sight.answer is None else tree_lines(shaped(TreeNode, sight.answer, sight.url), now)


@contextmanager
def _screen(interval: float, *, as_json: bool) -> Iterator[Callable[[Sight], None]]:
    """Where each look goes: a line of JSON, the terminal redrawn, or one tree after the other into a pipe."""
    if as_json:
        yield _print_json
    elif output.is_terminal:
        with Live(console=output, auto_refresh=False) as live:
            yield lambda sight: _redraw(live, sight, interval)
    else:
        yield _print_plain


def _redraw(live: Live, sight: Sight, interval: float) -> None:
    now = utc_now()
    head = Text(f"{sight.url}  every {interval:g}s, Ctrl-C ends  {now.astimezone():%H:%M:%S}", "dim")
    trouble = [Text(line, "red") for line in _troubles(sight, now)]
    live.update(Group(head, *trouble, fitted(sight_lines(sight, now))), refresh=True)


def _troubles(sight: Sight, now: datetime) -> list[str]:
    """What keeps us from seeing the tree of this moment."""
    if sight.trouble is None or sight.away_since is None:
        return []
    seen = f"; the tree below is of {sight.seen_at.astimezone():%H:%M:%S}" if sight.seen_at is not None else ""
    return [f"away for {human_duration((now - sight.away_since).total_seconds())}, asking again{seen}", sight.trouble]


def _print_plain(sight: Sight) -> None:
    if sight.trouble is not None:
        complain(sight.trouble)
    else:
        show([*sight_lines(sight, utc_now()), Text()])


def _print_json(sight: Sight) -> None:
    if sight.trouble is not None:
        complain(sight.trouble)
    else:
        typer.echo(json.dumps(sight.answer))
