"""`horarium workers`: who runs tasks, and telling one to pause, to go on, to drain. It asks a running Horarium."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from horarium.client import ApiError, NoSuchThing, open_client
from horarium.clock import utc_now
from horarium.commands.console import listed, print_json, refusals, say
from horarium.commands.talk import JsonOption, LinesOption, TokenOption, UrlOption, talk
from horarium.commands.words import age, plain
from horarium.settings import load_settings

if TYPE_CHECKING:
    from horarium.client import ApiClient
    from horarium.settings import Settings

__all__ = ["app"]

app = typer.Typer(help="Workers: who runs tasks, and whether they take more.", no_args_is_help=True)

WorkerArgument = Annotated[str, typer.Argument(metavar="WORKER", help="The worker's id, or enough of its beginning.")]
HEADINGS = ("WORKER", "STATE", "AT WORK", "QUEUES", "UP", "VERSION", "TOLD BY")


@app.command("list")
def list_workers(as_json: LinesOption = False, url: UrlOption = None, token: TokenOption = None) -> None:
    """Show the workers that live, and what each is doing."""
    with refusals():
        rows = talk(partial(_all, load_settings(api_url=url, token=token)))
    listed(rows, HEADINGS, _words, as_json=as_json)


@app.command()
def pause(
    worker: WorkerArgument, as_json: JsonOption = False, url: UrlOption = None, token: TokenOption = None
) -> None:
    """Have a worker take no more messages; what runs goes on, what has not begun goes to others."""
    _tell(worker, "pause", as_json=as_json, url=url, token=token)


@app.command()
def resume(
    worker: WorkerArgument, as_json: JsonOption = False, url: UrlOption = None, token: TokenOption = None
) -> None:
    """Have a worker take messages again."""
    _tell(worker, "resume", as_json=as_json, url=url, token=token)


@app.command()
def drain(
    worker: WorkerArgument, as_json: JsonOption = False, url: UrlOption = None, token: TokenOption = None
) -> None:
    """Have a worker's process end with code 0 when nothing runs, or its deadline is over. Needs an admin."""
    _tell(worker, "drain", as_json=as_json, url=url, token=token)


def _tell(word: str, action: str, *, as_json: bool, url: str | None, token: str | None) -> None:
    with refusals():
        answer = talk(partial(_order, load_settings(api_url=url, token=token), word, action))
    print_json(answer) if as_json else say(f"Told {answer['worker_id']}, which is {answer['state']}.")


async def _all(settings: Settings) -> list[dict[str, Any]]:
    async with open_client(settings) as client:
        return await client.items("/system/workers")


async def _order(settings: Settings, word: str, action: str) -> Any:
    async with open_client(settings) as client:
        return await client.call("POST", f"/system/workers/{await _find(client, word)}/{action}")


async def _find(client: ApiClient, word: str) -> str:
    """The id that this word means. Raises NoSuchThing, and ApiError where it means several."""
    ids = [str(worker["id"]) for worker in await client.items("/system/workers")]
    found = [each for each in ids if each == word] or [each for each in ids if each.startswith(word)]
    if not found:
        raise NoSuchThing(f"{client.url} knows no worker {word!r}; `horarium workers list` shows those it knows")
    if len(found) > 1:
        raise ApiError(f"{word!r} is the beginning of {len(found)} workers: {', '.join(found)}")
    return found[0]


def _words(worker: dict[str, Any]) -> tuple[str, ...]:
    told = f"{worker['told_by']} {age(worker['told_at'], utc_now())}" if worker["told_by"] else ""
    return (
        worker["id"],
        worker["state"],
        f"{worker['active']} of {worker['concurrency']}",
        ", ".join(worker["queues"]),
        age(worker["started_at"], utc_now()).removesuffix(" ago"),
        worker["version"],
        plain(told),
    )
