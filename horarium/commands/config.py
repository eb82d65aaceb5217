"""`horarium config`: what is scheduled, and what comes of it. Configs are named by id or by name.

Here is what looks at them; `config_save` writes them, `config_act` acts on them.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from horarium.client import find_config, open_client
from horarium.clock import utc_now
from horarium.commands import config_act, config_save
from horarium.commands.completion import ConfigArgument  # noqa: TC001 - typer reads annotations at run time
from horarium.commands.config_words import (
    CONFIG_HEADINGS,
    NEXT_HEADINGS,
    config_page,
    config_words,
    event_words,
    next_words,
)
from horarium.commands.console import listed, print_json, refusals, show, show_page, table
from horarium.commands.flags import CONFIG_FILTERS, with_flags
from horarium.commands.limits import DEFAULT_LIMIT, LimitOption, most, tell_rest
from horarium.commands.talk import JsonOption, LinesOption, TokenOption, UrlOption, talk
from horarium.commands.watching import (
    DEFAULT_INTERVAL,
    IntervalOption,
    View,
    WatchJsonOption,
    WatchOption,
    present,
)
from horarium.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from rich.text import Text

    from horarium.client import ApiClient, Listing
    from horarium.settings import Settings

__all__ = ["app"]

app = typer.Typer(help="Task configs: what is scheduled, how, and what comes of it.", no_args_is_help=True)
app.add_typer(config_save.app)
app.add_typer(config_act.app)

CountOption = Annotated[int, typer.Option(min=1, max=100, help="How many.")]


@app.command("list")
@with_flags(CONFIG_FILTERS)
def list_configs(
    given: dict[str, str],
    limit: LimitOption = DEFAULT_LIMIT,
    watching: WatchOption = False,
    interval: IntervalOption = DEFAULT_INTERVAL,
    as_json: WatchJsonOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Show the configs, with when each runs next and what became of its last run; --json prints a line for each."""
    with refusals():
        settings = load_settings(api_url=url, token=token)
        if watching:
            view = View("list", partial(_read_items, given, limit), _lines)
            present(settings, view, interval=interval, as_json=as_json)
        found = talk(partial(_list, settings, given, limit))
    listed(found.items, CONFIG_HEADINGS, config_words(utc_now()), as_json=as_json)
    tell_rest(found)


@app.command("show")
def show_config(
    config: ConfigArgument, as_json: JsonOption = False, url: UrlOption = None, token: TokenOption = None
) -> None:
    """Show all of one config, with its figures."""
    with refusals():
        shown = talk(partial(_detail, load_settings(api_url=url, token=token), config))
    print_json(shown) if as_json else show_page(config_page(shown, utc_now()))


@app.command()
def history(
    config: ConfigArgument,
    limit: CountOption = 50,
    as_json: LinesOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Show what happened to a config of late, newest first: edits, runs, skips."""
    with refusals():
        settings = load_settings(api_url=url, token=token)
        events = talk(partial(_below, settings, config, "history", limit=str(limit)))
    if as_json:
        for event in events:
            print_json(event)
    else:
        show(event_words(events, utc_now()))


@app.command("next")
def next_runs(
    config: ConfigArgument,
    count: CountOption = 10,
    as_json: LinesOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Show when a config will run, in its own zone and here; nothing where it will not."""
    with refusals():
        settings = load_settings(api_url=url, token=token)
        runs = talk(partial(_below, settings, config, "next-runs", count=str(count)))
    listed(runs, NEXT_HEADINGS, next_words(utc_now()), as_json=as_json)


async def _list(settings: Settings, given: Mapping[str, str], limit: int) -> Listing:
    async with open_client(settings) as client:
        return await client.some("/task-configs", most(limit), **given)


async def _read_items(given: Mapping[str, str], limit: int, client: ApiClient) -> list[Any]:
    return (await client.some("/task-configs", most(limit, watching=True), **given)).items


def _lines(answer: list[Any], _url: str, now: datetime) -> list[Text]:
    return table(answer, CONFIG_HEADINGS, config_words(now))


async def _detail(settings: Settings, word: str) -> Any:
    async with open_client(settings) as client:
        found = await find_config(client, word)
        return await client.get(f"/task-configs/{found['id']}", include_stats="true", verify_scheduler_status="true")


async def _below(settings: Settings, word: str, what: str, **query: str) -> list[Any]:
    async with open_client(settings) as client:
        found = await find_config(client, word)
        return list((await client.get(f"/task-configs/{found['id']}/{what}", **query))["items"])
