"""`horarium execution`: the ledger, and what can be done to a row of it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import typer

from horarium.client import Listing, find_config, names_of, open_client
from horarium.clock import utc_now
from horarium.commands import execution_log
from horarium.commands.console import complain, listed, print_json, refusals, say, show, show_page, table
from horarium.commands.execution_words import HEADINGS, change_line, execution_page, execution_words
from horarium.commands.flags import EXECUTION_FILTERS, with_flags
from horarium.commands.following import changes
from horarium.commands.limits import DEFAULT_LIMIT, LimitOption, most, tell_rest
from horarium.commands.talk import JsonOption, LinesOption, TokenOption, UrlOption, talk
from horarium.commands.waiting import KeyOption, WaitOption, key_header, tell_started
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

    from horarium.client import ApiAway, ApiClient
    from horarium.settings import Settings

__all__ = ["app"]

app = typer.Typer(help="Executions: what became of every tick and every run.", no_args_is_help=True)
app.add_typer(execution_log.app)

TaskId = Annotated[UUID, typer.Argument(metavar="TASK_ID", help="The execution's id.")]


@app.command("list")
@with_flags(EXECUTION_FILTERS)
def list_executions(
    given: dict[str, str],
    limit: LimitOption = DEFAULT_LIMIT,
    watching: WatchOption = False,
    interval: IntervalOption = DEFAULT_INTERVAL,
    as_json: WatchJsonOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Show executions, newest first; --json prints a line for each."""
    with refusals():
        settings = load_settings(api_url=url, token=token)
        if watching:
            view = View("list", partial(_watched, given, limit), _lines)
            present(settings, view, interval=interval, as_json=as_json)
        found = talk(partial(_list, settings, given, limit, named=not as_json))
    listed(found.items, HEADINGS, execution_words(utc_now()), as_json=as_json)
    tell_rest(found)


@app.command("show")
def show_execution(
    task_id: TaskId, as_json: JsonOption = False, url: UrlOption = None, token: TokenOption = None
) -> None:
    """Show all of one execution: its attempts, its result, its error."""
    with refusals():
        shown = talk(partial(_one, load_settings(api_url=url, token=token), task_id, named=not as_json))
    print_json(shown) if as_json else show_page(execution_page(shown, utc_now()))


@app.command()
def cancel(task_id: TaskId, as_json: JsonOption = False, url: UrlOption = None, token: TokenOption = None) -> None:
    """Stop one that runs, or keep it from starting."""
    with refusals():
        settings = load_settings(api_url=url, token=token)
        answer = talk(partial(_post, settings, f"/executions/{task_id}/cancel"))
    if as_json:
        print_json(answer)
    elif answer["completed_at"] is None:
        say(f"Asked its worker to stop {task_id}, which is {answer['status']}.")
    else:
        say(f"Cancelled {task_id}.")


@app.command()
def retry(
    task_id: TaskId,
    wait: WaitOption = False,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Run one again that ended without success, and print the new execution's id."""
    with refusals():
        settings = load_settings(api_url=url, token=token)
        made = talk(partial(_post, settings, f"/executions/{task_id}/retry", key_header(idempotency_key)))
        tell_started(settings, made["task_id"], made, wait=wait, as_json=as_json)


@app.command()
@with_flags({name: EXECUTION_FILTERS[name] for name in ("config", "trigger")})
def tail(
    given: dict[str, str],
    lines: Annotated[int, typer.Option("--lines", "-n", min=0, max=200, help="How many to begin with.")] = 10,
    as_json: LinesOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Print executions as they are made and as they change, until Ctrl-C, which ends it with code 0."""
    with refusals():
        settings = load_settings(api_url=url, token=token)
        talk(partial(_tail, settings, given, lines, as_json=as_json), interrupted=0)


async def _list(settings: Settings, given: Mapping[str, str], limit: int, *, named: bool) -> Listing:
    async with open_client(settings) as client:
        return await _read(client, given, most(limit), named=named)


async def _watched(given: Mapping[str, str], limit: int, client: ApiClient) -> list[Any]:
    return (await _read(client, given, most(limit, watching=True), named=True)).items


async def _read(client: ApiClient, given: Mapping[str, str], limit: int | None, *, named: bool) -> Listing:
    """Executions; `named`: each with what its config is called, as `config_name`."""
    found = await client.some("/executions", limit, **await _query(client, given))
    if not named:
        return found
    names = await names_of(client, (execution["config_id"] for execution in found.items))
    items = [{**execution, "config_name": names.get(execution["config_id"])} for execution in found.items]
    return Listing(items, found.total)


async def _query(client: ApiClient, given: Mapping[str, str]) -> dict[str, str]:
    """The filters as the API takes them."""
    query = dict(given)
    if "config" in query:
        query["config_id"] = str((await find_config(client, query.pop("config")))["id"])
    return query


def _lines(answer: list[Any], _url: str, now: datetime) -> list[Text]:
    return table(answer, HEADINGS, execution_words(now))


async def _one(settings: Settings, task_id: UUID, *, named: bool) -> dict[str, Any]:
    async with open_client(settings) as client:
        execution = dict(await client.get(f"/executions/{task_id}"))
        if named:
            names = await names_of(client, [execution["config_id"]])
            execution["config_name"] = names.get(execution["config_id"])
        return execution


async def _post(settings: Settings, path: str, headers: Mapping[str, str] | None = None) -> Any:
    async with open_client(settings) as client:
        return await client.call("POST", path, headers=headers)


async def _tail(settings: Settings, given: Mapping[str, str], newest: int, *, as_json: bool) -> None:
    names: dict[Any, str] = {}
    async with open_client(settings) as client:
        query = await _query(client, given)
        async for execution in changes(client, newest=newest, trouble=_tell, **query):
            config_id = execution["config_id"]
            if as_json:
                print_json(execution)
                continue
            if config_id not in names:
                names.update(await names_of(client, [config_id]))
            show([change_line({**execution, "config_name": names.get(config_id)})])


def _tell(error: ApiAway) -> None:
    complain(f"{error}; asking again")
