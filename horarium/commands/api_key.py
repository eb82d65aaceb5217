"""`horarium api-key`: keys for machines. All of it asks a running Horarium, as an admin."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from horarium.client import NoSuchThing, open_client
from horarium.clock import utc_now
from horarium.commands.console import listed, refusals, remark, say
from horarium.commands.talk import LinesOption, RoleOption, TokenOption, UrlOption, talk
from horarium.commands.words import age, moment
from horarium.settings import load_settings

if TYPE_CHECKING:
    from horarium.settings import Settings

__all__ = ["app"]

app = typer.Typer(help="API keys: for machines, each with a role and an end of its own.", no_args_is_help=True)

MOST_DAYS = 36_500
Name = Annotated[str, typer.Argument(help="The key's name.")]


@app.command()
def create(
    name: Name,
    role: RoleOption = "viewer",
    days: Annotated[
        int | None, typer.Option(min=1, max=MOST_DAYS, help="Days until it ends (default: it does not).")
    ] = None,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Make a key and print it, this once: nothing else goes to stdout, so it can be put where it belongs."""
    expires_at = None if days is None else (utc_now() + timedelta(days=days)).isoformat()
    with refusals():
        body = {"name": name, "role": role, "expires_at": expires_at}
        made = talk(partial(_create, load_settings(api_url=url, token=token), body))
    typer.echo(made["key"])
    remark(f"Made the {made['role']} key {made['name']}. It is not shown again.")


@app.command("list")
def list_keys(
    as_json: LinesOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Show all keys, by their first characters."""
    with refusals():
        rows = talk(partial(_all, load_settings(api_url=url, token=token)))
    listed(rows, ("ID", "NAME", "KEY", "ROLE", "ENDS", "LAST USED"), _words, as_json=as_json)


@app.command()
def delete(name: Name, url: UrlOption = None, token: TokenOption = None) -> None:
    """Take a key back: it is refused from now on."""
    with refusals():
        talk(partial(_delete, load_settings(api_url=url, token=token), name))
    say(f"Deleted the key {name}.")


async def _create(settings: Settings, body: dict[str, Any]) -> Any:
    async with open_client(settings) as client:
        return await client.call("POST", "/api-keys", body=body)


async def _all(settings: Settings) -> list[dict[str, Any]]:
    async with open_client(settings) as client:
        return await client.items("/api-keys")


async def _delete(settings: Settings, name: str) -> None:
    async with open_client(settings) as client:
        found = [key for key in await client.items("/api-keys") if key["name"].lower() == name.lower()]
        if not found:
            raise NoSuchThing(f"{client.url} knows no API key {name!r}")
        await client.call("DELETE", f"/api-keys/{found[0]['id']}")


def _words(key: dict[str, Any]) -> tuple[str, ...]:
    return (
        str(key["id"]),
        key["name"],
        f"{key['prefix']}...",
        key["role"],
        moment(key["expires_at"]) if key["expires_at"] else "never",
        age(key["last_used_at"], utc_now()) if key["last_used_at"] else "never",
    )
