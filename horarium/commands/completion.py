"""Names of configs for the shell's completion: quickly and silently, or none.

Somebody waits for the Tab key: the API has a second. Nobody reads an error then, and a refresh of the login that is
cut off could cost it, so a token that has run out is left alone: the next command renews it.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Annotated, Any

import anyio
import typer

from horarium.client import ApiError, LoginFile, NotLoggedIn, address_of
from horarium.client.transport import open_transport
from horarium.clock import utc_now
from horarium.errors import ConfigurationError
from horarium.settings import load_settings

if TYPE_CHECKING:
    from horarium.settings import Settings

__all__ = ["BashWord", "ConfigArgument", "ConfigsArgument", "config_names"]

DEADLINE_SECONDS = 1.0
MOST = 50


class BashWord(str):
    """A name as it is typed in bash, which inserts what it is given without quoting it; zsh and fish quote.

    Typer keeps the words that begin with what was typed, and that is the beginning of the name, not of its quoting.
    """

    __slots__ = ("name",)
    name: str

    @classmethod
    def of(cls, name: str) -> BashWord:
        """The name in quotes where bash needs them."""
        word = cls(shlex.quote(name))
        word.name = name
        return word

    def startswith(self, typed: Any, *bounds: Any) -> bool:
        """Whether the name begins so."""
        return self.name.startswith(typed, *bounds)


def config_names(incomplete: str) -> list[str]:
    """The names that begin so, each as one word of the shell that asks."""
    try:
        names = anyio.run(_names, load_settings(), incomplete)
    except (ApiError, ConfigurationError):  # nothing to complete with, and nowhere to say so
        return []
    found = [name for name in names if name.startswith(incomplete)]
    return [BashWord.of(name) for name in found] if _bash_quotes_nothing() else found


def _bash_quotes_nothing() -> bool:
    """Whether bash asks, about a word that begins with no quote of its own; its variables are no settings of ours."""
    words, at = os.environ.get("COMP_WORDS", "").split("\n"), os.environ.get("COMP_CWORD", "")
    current = words[int(at)] if at.isdecimal() and int(at) < len(words) else ""
    return bool(at) and not current.startswith(("'", '"'))


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
