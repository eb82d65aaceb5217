"""Names of configs for the shell's completion: quickly and silently, or none.

Somebody waits for the Tab key: the API has a second. Nobody reads an error then, and a refresh of the login that is
cut off could cost it, so a token that has run out is left alone: the next command renews it.
"""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Annotated

import anyio
import typer

from horarium.client import ApiError, LoginFile, NotLoggedIn, address_of
from horarium.client.transport import open_transport
from horarium.errors import ConfigurationError
from horarium.lifecycle import utc_now
from horarium.settings import load_settings

if TYPE_CHECKING:
    from horarium.settings import Settings

__all__ = ["ConfigArgument", "ConfigsArgument", "config_names"]

DEADLINE_SECONDS = 1.0
MOST = 50
PLAIN = re.compile(r"[A-Za-z0-9._+/@%-]+")


def config_names(incomplete: str) -> list[str]:
    """The names that begin so, each as one word of a shell."""
    try:
        names = anyio.run(_names, load_settings(), incomplete)
    except (ApiError, ConfigurationError):  # nothing to complete with, and nowhere to say so
        return []
    return [name if PLAIN.fullmatch(name) else shlex.quote(name) for name in names if name.startswith(incomplete)]


async def _names(settings: Settings, incomplete: str) -> list[str]:
    url = address_of(settings)
    token = _token(settings, url)
    query = (
        {"q": incomplete, "limit": str(MOST), "sort": "name"} if incomplete else {"limit": str(MOST), "sort": "name"}
    )
    with anyio.move_on_after(DEADLINE_SECONDS):
        async with open_transport(url) as transport:
            page = await transport.send("GET", "/task-configs", token=token, query=query)
            return [config["name"] for config in page["items"]]
    return []


def _token(settings: Settings, url: str) -> str:
    """A token that is good now. Raises NotLoggedIn."""
    if settings.token is not None:
        return settings.token.get_secret_value()
    stored = LoginFile(settings.config_dir).read()
    if stored is None or stored.url != url or stored.tokens.expires_at <= utc_now():
        raise NotLoggedIn("no token to complete with")
    return stored.tokens.access_token


ConfigArgument = Annotated[str, typer.Argument(help="The config's id or name.", autocompletion=config_names)]
ConfigsArgument = Annotated[list[str], typer.Argument(help="Ids or names of configs.", autocompletion=config_names)]
