"""`horarium config create|edit|delete`: configs from flags, or from the text that a person edits."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from horarium.client import Conflicting, find_config, open_client
from horarium.commands.completion import ConfigArgument  # noqa: TC001 - typer reads annotations at run time
from horarium.commands.console import print_json, refusals, remark, say
from horarium.commands.editing import edited
from horarium.commands.fields import fields_of
from horarium.commands.flags import CONFIG_FLAGS, with_flags
from horarium.commands.prompts import agreed, is_attended
from horarium.commands.talk import JsonOption, TokenOption, UrlOption, talk
from horarium.commands.warned import warn
from horarium.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from horarium.settings import Settings

__all__ = ["app"]

app = typer.Typer()


@app.command()
@with_flags(CONFIG_FLAGS)
def create(
    name: Annotated[str, typer.Argument(help="What it is to be called.")],
    given: dict[str, Any],
    inactive: Annotated[bool, typer.Option("--inactive", help="Owe no tick until it is started.")] = False,
    as_json: JsonOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Make a config: what runs (--type, --param), when (--cron, --every, --at or --manual), and how."""
    if "task_type" not in given:
        raise typer.BadParameter("say what it runs: --type, such as --type http_request")
    body = {"name": name, "status": "inactive" if inactive else "active", **fields_of(given)}
    with refusals():
        made = talk(partial(_create, load_settings(api_url=url, token=token), body))
    warn(made)
    print_json(made) if as_json else say(f"Made config {made['id']}, {made['name']}, {made['status']}.")


@app.command()
@with_flags(CONFIG_FLAGS)
def edit(
    config: ConfigArgument,
    given: dict[str, Any],
    name: Annotated[str | None, typer.Option(help="What it is to be called from now on.")] = None,
    if_version: Annotated[int | None, typer.Option(min=1, help="Only if it is at this version.")] = None,
    as_json: JsonOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Change a config: the fields that flags name, or without any in your editor ($VISUAL or $EDITOR)."""
    given = given if name is None else {**given, "name": name}
    if not given and not is_attended():
        raise typer.BadParameter("there is no terminal to edit on: name the fields to change by flags")
    with refusals():
        settings = load_settings(api_url=url, token=token)
        read_again = partial(talk, partial(_find, settings, config))
        found = read_again()
        at_version = found if if_version is None else {**found, "version": if_version}
        send = partial(_talk_of_edit, settings)
        saved = _patched(send, at_version, fields_of(given, found)) if given else edited(at_version, send, read_again)
    if saved is not None:
        warn(saved)
        print_json(saved) if as_json else say(f"Changed {saved['name']}, now at version {saved['version']}.")


@app.command()
def delete(
    config: ConfigArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Take a config away; what it has run stays in the ledger."""
    with refusals():
        settings = load_settings(api_url=url, token=token)
        found = talk(partial(_find, settings, config))
        if not yes and not agreed(f"Delete {found['name']} (config {found['id']})?"):
            remark("Nothing was deleted.")
            raise typer.Exit(1)
        talk(partial(_delete, settings, found["id"]))
    say(f"Deleted {found['name']}.")


def _patched(send: Any, config: Mapping[str, Any], fields: dict[str, Any]) -> Any:
    """What the API answers to an edit by flags."""
    try:
        return send(config, fields)
    except Conflicting as error:
        if error.code == "version":
            raise Conflicting(f"{error}. Nothing was changed; give the command again for what is there now") from error
        raise


def _talk_of_edit(settings: Settings, config: Mapping[str, Any], fields: dict[str, Any]) -> Any:
    return talk(partial(_edit, settings, config, fields))


async def _find(settings: Settings, word: str) -> dict[str, Any]:
    async with open_client(settings) as client:
        return await find_config(client, word)


async def _create(settings: Settings, body: dict[str, Any]) -> Any:
    async with open_client(settings) as client:
        return await client.call("POST", "/task-configs", body=body)


async def _edit(settings: Settings, config: Mapping[str, Any], fields: dict[str, Any]) -> Any:
    """Edit it as long as it is at the version that was read."""
    async with open_client(settings) as client:
        path, guard = f"/task-configs/{config['id']}", {"If-Match": f'"{config["version"]}"'}
        return await client.call("PATCH", path, body=fields, headers=guard)


async def _delete(settings: Settings, config_id: int) -> None:
    async with open_client(settings) as client:
        await client.call("DELETE", f"/task-configs/{config_id}")
