"""`horarium config start|stop|pause|resume|reload|run|backfill`: what is done to configs, and with them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from horarium.client import find_config, open_client
from horarium.commands.arguments import future, past
from horarium.commands.backfill import Backfill, backfilled
from horarium.commands.completion import ConfigArgument, ConfigsArgument  # noqa: TC001 - typer reads annotations
from horarium.commands.console import print_json, refusals, say
from horarium.commands.fields import merged_parameters
from horarium.commands.flags import BACKFILL_FLAGS, PARAMETER_FLAGS, with_flags
from horarium.commands.talk import JsonOption, LinesOption, TokenOption, UrlOption, talk
from horarium.commands.waiting import KeyOption, WaitOption, key_header, tell_started
from horarium.commands.words import counted
from horarium.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from horarium.settings import Settings

__all__ = ["app"]

app = typer.Typer()


@app.command()
def start(
    configs: ConfigsArgument, as_json: LinesOption = False, url: UrlOption = None, token: TokenOption = None
) -> None:
    """Owe ticks from now on."""
    _act("start", configs, as_json=as_json, url=url, token=token)


@app.command()
def stop(
    configs: ConfigsArgument, as_json: LinesOption = False, url: UrlOption = None, token: TokenOption = None
) -> None:
    """Owe ticks no more."""
    _act("stop", configs, as_json=as_json, url=url, token=token)


@app.command()
def pause(
    configs: ConfigsArgument,
    reason: Annotated[str | None, typer.Option(help="Why; shown with the config.")] = None,
    until: Annotated[
        Any, typer.Option(parser=future, metavar="INSTANT", help="When it ends by itself, or in how long: 2h.")
    ] = None,
    as_json: LinesOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Skip ticks, and write them down, until resumed."""
    body = {"reason": reason, "until": until}
    _act("pause", configs, as_json=as_json, url=url, token=token, body=body)


@app.command()
def resume(
    configs: ConfigsArgument, as_json: LinesOption = False, url: UrlOption = None, token: TokenOption = None
) -> None:
    """End a pause."""
    _act("resume", configs, as_json=as_json, url=url, token=token)


@app.command()
def reload(
    configs: ConfigsArgument, as_json: LinesOption = False, url: UrlOption = None, token: TokenOption = None
) -> None:
    """Put configs into the due index anew."""
    _act("reload", configs, as_json=as_json, url=url, token=token)


@app.command()
@with_flags(PARAMETER_FLAGS)
def run(
    config: ConfigArgument,
    given: dict[str, Any],
    wait: WaitOption = False,
    idempotency_key: KeyOption = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Run a config once, now, and print the execution's id.

    --param puts a parameter in the place of the config's own, for this run.
    """
    with refusals():
        settings = load_settings(api_url=url, token=token)
        task_id = talk(partial(_run, settings, config, given, idempotency_key))
        tell_started(settings, task_id, {"task_id": task_id}, wait=wait, as_json=as_json)


@app.command()
@with_flags(BACKFILL_FLAGS)
def backfill(
    config: ConfigArgument,
    given: dict[str, Any],
    start: Annotated[Any, typer.Option(parser=past, metavar="INSTANT", help="From then, or from so long ago: 2d.")],
    end: Annotated[Any, typer.Option(parser=past, metavar="INSTANT", help="To then, or to so long ago: 1h.")],
    as_json: JsonOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Run what a config missed in the past: one execution for each tick that has none."""
    with refusals():
        yes = given.pop("yes", False)
        done = backfilled(load_settings(api_url=url, token=token), Backfill(config, start, end, given), yes=yes)
    if as_json:
        print_json(done)
    else:
        made, rest = counted(done["created"], "execution"), counted(done["skipped"], "tick")
        say(f"{'Would make' if 'dry_run' in given else 'Made'} {made}; {rest} needed none.")


def _act(
    action: str,
    configs: Sequence[str],
    *,
    as_json: bool,
    url: str | None,
    token: str | None,
    body: Mapping[str, Any] | None = None,
) -> None:
    """Do it to one config after the other, and say so of each; the first that refuses ends it."""
    with refusals():
        settings = load_settings(api_url=url, token=token)
        for config in configs:
            done = talk(partial(_post, settings, config, action, body))
            print_json(done) if as_json else say(f"{done['message']}.")


async def _post(settings: Settings, config: str, action: str, body: Mapping[str, Any] | None) -> Any:
    async with open_client(settings) as client:
        found = await find_config(client, config)
        return await client.call("POST", f"/task-configs/{found['id']}/{action}", body=body)


async def _run(settings: Settings, config: str, given: Mapping[str, Any], key: str | None) -> str:
    async with open_client(settings) as client:
        found = await find_config(client, config)
        body = {"parameters": merged_parameters(given, found["parameters"])} if given else None
        path = f"/task-configs/{found['id']}/run"
        return str((await client.call("POST", path, body=body, headers=key_header(key)))["task_id"])
