"""`horarium user`: who may log in, and as what. All of it asks a running Horarium, as an admin."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from horarium.client import NoSuchThing, open_client
from horarium.commands.console import listed, refusals, say
from horarium.commands.prompts import asked_password
from horarium.commands.talk import LinesOption, RoleOption, TokenOption, UrlOption, talk
from horarium.settings import load_settings

if TYPE_CHECKING:
    from horarium.settings import Settings

__all__ = ["app"]

app = typer.Typer(help="Users: who may log in, and as what.", no_args_is_help=True)

Username = Annotated[str, typer.Argument(help="The user's name.")]


@app.command()
def create(
    username: Username,
    role: RoleOption = "viewer",
    email: Annotated[str | None, typer.Option(help="Where the user is written to.")] = None,
    full_name: Annotated[str | None, typer.Option(help="What the user is called.")] = None,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Make a user. The password is asked for, or is the first line of stdin where that is no terminal."""
    with refusals():
        settings = load_settings(api_url=url, token=token)
        password = asked_password(f"Password of {username}", confirmed=True)
        body = {"username": username, "role": role, "email": email, "full_name": full_name, "password": password}
        made = talk(partial(_call, settings, "POST", "/users", body))
    say(f"Made the {made['role']} {made['username']}, user {made['id']}.")


@app.command()
def passwd(
    username: Annotated[str | None, typer.Argument(help="Whose password; your own when not given.")] = None,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Change a password: your own, or as an admin somebody's. Every session of that user ends.

    Passwords are asked for, or are lines of stdin where that is no terminal.
    """
    with refusals():
        settings = load_settings(api_url=url, token=token)
        if username is None:
            body = {
                "current_password": asked_password("Your password"),
                "new_password": asked_password("Your new password", confirmed=True),
            }
            talk(partial(_call, settings, "POST", "/auth/password", body))
            say("Changed. Log in again: horarium login")
        else:
            password = asked_password(f"New password of {username}", confirmed=True)
            talk(partial(_edit, settings, username, {"password": password}))
            say(f"Changed the password of {username}; every session of it has ended.")


@app.command()
def disable(username: Username, url: UrlOption = None, token: TokenOption = None) -> None:
    """Keep a user out from now on; every session of it ends."""
    with refusals():
        talk(partial(_edit, load_settings(api_url=url, token=token), username, {"is_active": False}))
    say(f"Disabled {username}.")


@app.command()
def enable(username: Username, url: UrlOption = None, token: TokenOption = None) -> None:
    """Let a disabled user in again."""
    with refusals():
        talk(partial(_edit, load_settings(api_url=url, token=token), username, {"is_active": True}))
    say(f"Enabled {username}.")


@app.command("list")
def list_users(
    as_json: LinesOption = False,
    url: UrlOption = None,
    token: TokenOption = None,
) -> None:
    """Show all users."""
    with refusals():
        rows = talk(partial(_all, load_settings(api_url=url, token=token)))
    listed(rows, ("ID", "USERNAME", "ROLE", "STATE", "EMAIL"), _words, as_json=as_json)


async def _call(settings: Settings, method: str, path: str, body: dict[str, Any]) -> Any:
    async with open_client(settings) as client:
        return await client.call(method, path, body=body)


async def _edit(settings: Settings, username: str, fields: dict[str, Any]) -> None:
    async with open_client(settings) as client:
        found = (await client.get("/users", username=username))["items"]
        if not found:
            raise NoSuchThing(f"{client.url} knows no user {username!r}")
        await client.call("PATCH", f"/users/{found[0]['id']}", body=fields)


async def _all(settings: Settings) -> list[dict[str, Any]]:
    async with open_client(settings) as client:
        return await client.items("/users")


def _words(user: dict[str, Any]) -> tuple[str, ...]:
    state = "active" if user["is_active"] else "disabled"
    return (str(user["id"]), user["username"], user["role"], state, user["email"] or "")
