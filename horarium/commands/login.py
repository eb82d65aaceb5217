"""`horarium login` and `horarium logout`."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import typer

from horarium.client import LoginFile, address_of, knock, log_in, log_out
from horarium.commands.console import refusals, say
from horarium.commands.prompts import asked, asked_password, is_attended
from horarium.commands.talk import UrlOption, talk
from horarium.settings import load_settings

__all__ = ["app"]

app = typer.Typer()


@app.command()
def login(
    url: UrlOption = None,
    username: Annotated[str | None, typer.Option(help="Whose login; asked for when not given.")] = None,
) -> None:
    """Log in to a running Horarium and store the login for the other commands.

    The password is asked for, or is the first line of stdin where that is no terminal.
    """
    with refusals():
        settings = load_settings(api_url=url)
        address = address_of(settings)
        if is_attended():  # who is asked for a password should not have typed it for nothing
            talk(partial(knock, settings))
        username = username or _username()
        password = asked_password(f"Password of {username} at {address}")
        talk(partial(log_in, settings, username, password))
    say(f"Logged in at {address} as {username}.")
    if settings.token is not None:
        say("HORARIUM_TOKEN is set and goes before this login.")


@app.command()
def logout() -> None:
    """End every session of the stored login's user on the server, and forget the login here."""
    with refusals():
        file = LoginFile(load_settings().config_dir)
        stored = file.read()
        if stored is None:
            say("Nobody is logged in.")
            return
        talk(partial(log_out, file, stored.url))
    say(f"Logged out at {stored.url}.")


def _username() -> str:
    if not is_attended():
        raise typer.BadParameter("there is no terminal to ask on: give --username")
    return asked("Username", default="admin")
