"""One look at what the API answers, or one after the other until Ctrl-C.

A watch outlives the API: while nobody answers it shows what it last saw, says since when, and asks again. What would
not mend by itself (no login, a role that may not look) ends it. Ctrl-C is how one leaves it, and so a success: exit
code 0, as with `watch` and `top`.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer
from rich.console import Group
from rich.live import Live
from rich.text import Text

from horarium.client import ApiAway, open_client
from horarium.clock import utc_now
from horarium.commands.arguments import duration
from horarium.commands.console import complain, fitted, output, print_json, show
from horarium.commands.talk import talk
from horarium.terminal import human_duration

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from datetime import datetime

    from horarium.client import ApiClient
    from horarium.settings import Settings

__all__ = [
    "DEFAULT_INTERVAL",
    "IntervalOption",
    "Sight",
    "View",
    "WatchJsonOption",
    "WatchOption",
    "look",
    "present",
]

DEFAULT_INTERVAL = "1s"
SHORTEST_INTERVAL_SECONDS = 0.1
LONGEST_INTERVAL_SECONDS = 86_400.0
LOOK_SECONDS = 3.0
"""A picture that stands still longer than this must say so."""

WatchOption = Annotated[bool, typer.Option("--watch", help="Redraw until Ctrl-C, which ends it with code 0.")]
WatchJsonOption = Annotated[
    bool, typer.Option("--json", help="Print the API's answer as JSON; with --watch one a line.")
]


def _interval(text: str) -> float:
    """How often to look, in seconds. Raises BadParameter."""
    seconds = duration(text)
    if not SHORTEST_INTERVAL_SECONDS <= seconds <= LONGEST_INTERVAL_SECONDS:
        raise typer.BadParameter(
            f"must be from {SHORTEST_INTERVAL_SECONDS:g} s to {LONGEST_INTERVAL_SECONDS:g} s, not {text!r}"
        )
    return seconds


IntervalOption = Annotated[
    Any, typer.Option(parser=_interval, metavar="DURATION", help="From one look of --watch to the next.")
]


@dataclass(frozen=True)
class View:
    """What is looked at: its name, how it is read, and the lines that show an answer of `url` at an instant."""

    name: str
    read: Callable[[ApiClient], Awaitable[Any]]
    lines: Callable[[Any, str, datetime], list[Text]]


@dataclass(frozen=True)
class Sight:
    """What was last seen at `url`, and when; what keeps us from seeing it, and since when (UTC)."""

    url: str
    answer: Any = None
    seen_at: datetime | None = None
    trouble: str | None = None
    away_since: datetime | None = None


def present(settings: Settings, view: View, *, interval: float | None, as_json: bool) -> Any:
    """Show the view once and return its answer, or every `interval` seconds until Ctrl-C."""
    if interval is None:
        sight = talk(partial(_once, settings, view))
        print_json(sight.answer) if as_json else show(_lines(view, sight, utc_now()))
        return sight.answer
    with _screen(view, interval, as_json=as_json) as screen:
        talk(partial(_watch, settings, view, interval, screen), interrupted=0)
    return None


async def _once(settings: Settings, view: View) -> Sight:
    async with open_client(settings) as client:
        return await _see(client, view)


async def _watch(settings: Settings, view: View, interval: float, screen: Callable[[Sight], None]) -> None:
    async with open_client(settings) as client:
        sight = Sight(client.url)
        while True:
            sight = await look(client, view, sight)
            screen(sight)
            await anyio.sleep(interval)


async def look(client: ApiClient, view: View, before: Sight) -> Sight:
    """What is seen now; where the API is away, what was seen before and why there is nothing newer."""
    try:
        with anyio.fail_after(LOOK_SECONDS):
            return await _see(client, view)
    except ApiAway as error:
        trouble = str(error)
    except TimeoutError:
        trouble = f"{client.url} does not answer within {LOOK_SECONDS:g} s"
    return replace(before, trouble=trouble, away_since=before.away_since or utc_now())


async def _see(client: ApiClient, view: View) -> Sight:
    return Sight(client.url, await view.read(client), utc_now())


@contextmanager
def _screen(view: View, interval: float, *, as_json: bool) -> Iterator[Callable[[Sight], None]]:
    """Where each look goes: a line of JSON, the terminal redrawn, or one picture after the other into a pipe."""
    if as_json:
        yield _print_json
    elif output.is_terminal:
        with Live(console=output, auto_refresh=False) as live:
            yield partial(_redraw, live, view, interval)
    else:
        yield partial(_print_plain, view)


def _redraw(live: Live, view: View, interval: float, sight: Sight) -> None:
    now = utc_now()
    head = Text(f"{sight.url}  every {interval:g}s, Ctrl-C ends  {now.astimezone():%H:%M:%S}", "dim")
    trouble = [Text(line, "red") for line in _troubles(sight, view.name, now)]
    live.update(Group(head, *trouble, fitted(_lines(view, sight, now))), refresh=True)


def _lines(view: View, sight: Sight, now: datetime) -> list[Text]:
    return [] if sight.seen_at is None else view.lines(sight.answer, sight.url, now)


def _troubles(sight: Sight, name: str, now: datetime) -> list[str]:
    """What keeps us from seeing this moment."""
    if sight.trouble is None or sight.away_since is None:
        return []
    seen = f"; the {name} below is of {sight.seen_at.astimezone():%H:%M:%S}" if sight.seen_at is not None else ""
    return [f"away for {human_duration((now - sight.away_since).total_seconds())}, asking again{seen}", sight.trouble]


def _print_plain(view: View, sight: Sight) -> None:
    if sight.trouble is not None:
        complain(sight.trouble)
    else:
        show([*_lines(view, sight, utc_now()), Text()])


def _print_json(sight: Sight) -> None:
    if sight.trouble is not None:
        complain(sight.trouble)
    else:
        print_json(sight.answer)
