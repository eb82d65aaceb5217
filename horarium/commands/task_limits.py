"""`horarium limits`: how many executions of a queue or a task type run at once, and how often one starts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote

import typer

from horarium.client import open_client
from horarium.commands.arguments import rate as rate_of
from horarium.commands.console import listed, print_json, refusals, say
from horarium.commands.talk import JsonOption, LinesOption, TokenOption, UrlOption, talk
from horarium.settings import load_settings

if TYPE_CHECKING:
    from horarium.settings import Settings

__all__ = ["app"]

app = typer.Typer(help="Limits of queues and task types, over all workers.", no_args_is_help=True)

Kind = Annotated[Literal["queue", "task_type"], typer.Argument(help="What is limited.")]
Name = Annotated[str, typer.Argument(help="The queue's or the task type's name.")]


@app.command("list")
def list_limits(as_json: LinesOption = False, url: UrlOption = None, token: TokenOption = None) -> None:
    """Show all limits, with what runs and what waits under each."""
    with refusals():
        rows = talk(partial(_all, load_settings(api_url=url, token=token)))
    headings = ("KIND", "NAME", "MOST RUNNING", "RATE", "RUNNING", "WAITING", "SET BY")
    listed(rows, headings, _words, as_json=as_json)


@app.command("set")
def set_limit(
    kind: Kind,
    name: Name,
    max_running: Annotated[int | None, typer.Option(help="How many may run at once.")] = None,
    rate: Annotated[str | None, typer.Option(help="How many may start, as in 10/m, 2/s or 100/15m.")] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Set a limit, whole: what is not given is not limited."""
    starts, seconds = (None, None) if rate is None else rate_of(rate)
    body = {"max_running": max_running, "rate": starts, "period_seconds": seconds}
    with refusals():
        made = talk(partial(_call, load_settings(api_url=url, token=token), "PUT", kind, name, body))
    if as_json:
        print_json(made)
    else:
        say(f"Set the limit of {kind} {name}: {_limit(made)}.")


@app.command()
def remove(kind: Kind, name: Name, url: UrlOption = None, token: TokenOption = None) -> None:
    """Take a limit away; what waits for its room may go."""
    with refusals():
        talk(partial(_call, load_settings(api_url=url, token=token), "DELETE", kind, name, None))
    say(f"Removed the limit of {kind} {name}.")


async def _all(settings: Settings) -> list[dict[str, Any]]:
    async with open_client(settings) as client:
        return await client.items("/system/limits")


async def _call(settings: Settings, method: str, kind: str, name: str, body: dict[str, Any] | None) -> Any:
    async with open_client(settings) as client:
        return await client.call(method, f"/system/limits/{kind}/{quote(name, safe='')}", body=body)


def _words(limit: dict[str, Any]) -> tuple[str, ...]:
    most = "" if limit["max_running"] is None else str(limit["max_running"])
    running, waiting = str(limit["running"]), str(limit["waiting"])
    return (limit["kind"], limit["name"], most, _rate(limit), running, waiting, limit["updated_by"])


def _limit(limit: dict[str, Any]) -> str:
    most = "" if limit["max_running"] is None else f"{limit['max_running']} running"
    return ", ".join(part for part in (most, _rate(limit)) if part)


def _rate(limit: dict[str, Any]) -> str:
    return "" if limit["rate"] is None else f"{limit['rate']} in {limit['period_seconds']:g} s"
