"""Calls to the API by somebody who is logged in, and logging in and out."""

from __future__ import annotations

from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from horarium.client.credentials import GivenToken, StoredTokens
from horarium.client.errors import ApiError, NotLoggedIn, shaped
from horarium.client.events import follow
from horarium.client.login_file import LoginFile, StoredLogin
from horarium.client.transport import CALL_SECONDS, open_transport
from horarium.model.logins import TokenPair

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping

    from horarium.client.credentials import Credentials
    from horarium.client.events import Event
    from horarium.client.transport import Transport
    from horarium.settings import Settings

__all__ = ["DEFAULT_URL", "ApiClient", "Listing", "address_of", "knock", "log_in", "log_out", "open_client"]

PAGE_ITEMS = 200
APPLY_SECONDS = 60.0
"""The server takes two seconds for ten thousand configs, and a minute of a busy one is better than not to know."""
DEFAULT_URL = "http://127.0.0.1:8080"


class Listing(NamedTuple):
    """Items of a list, and how many the list has in all."""

    items: list[Any]
    total: int


@dataclass(frozen=True)
class ApiClient:
    """Calls one API with one caller's credentials; a token that is refused is renewed once. Raises ApiError."""

    transport: Transport
    credentials: Credentials

    @property
    def url(self) -> str:
        """The API's address."""
        return self.transport.url

    async def call(
        self,
        method: str,
        path: str,
        *,
        body: object = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = CALL_SECONDS,
    ) -> Any:
        """What a path under /api/v1 answers within so many seconds."""
        send = partial(self.transport.send, method, path, body=body, query=query, headers=headers, seconds=seconds)
        token = await self.credentials.token()
        try:
            return await send(token=token)
        except NotLoggedIn:  # refused before anything was done, so the call may be sent again
            token = await self.credentials.renewed(token)
        return await send(token=token)

    async def get(self, path: str, **query: str) -> Any:
        """What can be read there."""
        return await self.call("GET", path, query=query)

    async def items(self, path: str, **query: str) -> list[Any]:
        """Everything that a list there has, page by page."""
        return (await self.some(path, None, **query)).items

    async def some(self, path: str, most: int | None, **query: str) -> Listing:
        """What a list there has, page by page, up to `most` items."""
        found: list[Any] = []
        cursor: dict[str, str] = {}
        while True:
            limit = PAGE_ITEMS if most is None else min(PAGE_ITEMS, most - len(found))
            page = await self.get(path, limit=str(limit), **query, **cursor)
            found += page["items"]
            if page["next_cursor"] is None or len(found) == most:
                return Listing(found, page["total"])
            cursor = {"cursor": page["next_cursor"]}

    async def apply(self, body: object) -> Any:
        """What a declaration of many configs changes."""
        return await self.call("POST", "/task-configs/apply", body=body, seconds=APPLY_SECONDS)

    def events(
        self, *, types: Iterable[str] = (), config_id: int | None = None, after: str | None = None
    ) -> AsyncGenerator[Event, None]:
        """What happens, for ever: events after the id `after`, or from now on; of all types where none is named.

        Connections that break are made anew and nothing is missed, unless the event `reset` says so.
        """
        return follow(self.transport, self.credentials, types=types, config_id=config_id, after=after)


def address_of(settings: Settings) -> str:
    """Where the API is: the flag or setting, else where somebody is logged in, else this machine."""
    if settings.api_url is not None:
        return settings.api_url
    stored = LoginFile(settings.config_dir).read()
    return DEFAULT_URL if stored is None else stored.url


@asynccontextmanager
async def open_client(settings: Settings) -> AsyncIterator[ApiClient]:
    """A client with the address and the credentials that the settings lead to, until the block ends."""
    async with open_transport(address_of(settings)) as transport:
        given = settings.token
        credentials: Credentials = (
            StoredTokens(LoginFile(settings.config_dir), transport)
            if given is None
            else GivenToken(given.get_secret_value())
        )
        yield ApiClient(transport, credentials)


async def knock(settings: Settings) -> None:
    """Raise ApiError unless a Horarium is at the address: for whoever is about to ask for a password."""
    async with open_transport(address_of(settings)) as transport:
        with suppress(NotLoggedIn):  # which is what Horarium answers to who says nothing of themselves
            await transport.send("GET", "/auth/me")


async def log_in(settings: Settings, username: str, password: str) -> None:
    """Log in, to stay, and store the login in the place of the one before."""
    file = LoginFile(settings.config_dir)
    body = {"username": username, "password": password, "remember_me": True}
    async with open_transport(address_of(settings)) as transport, file.locked():
        answer = await transport.send("POST", "/auth/login", body=body)
        file.write(StoredLogin(url=transport.url, tokens=shaped(TokenPair, answer, transport.url)))


async def log_out(file: LoginFile, url: str) -> None:
    """End the login stored for this address, there and here; here even where the server cannot be told (ApiError)."""
    async with open_transport(url) as transport:
        try:
            await ApiClient(transport, StoredTokens(file, transport)).call("POST", "/auth/logout")
        except NotLoggedIn:
            await _forget(file, transport.url)  # it had ended already
        except ApiError as error:
            await _forget(file, transport.url)
            raise type(error)(f"{error}. Forgotten here; on the server the session lasts until it runs out") from error
        else:
            await _forget(file, transport.url)


async def _forget(file: LoginFile, url: str) -> None:
    """Remove the login of this address; another one may have taken its place meanwhile."""
    async with file.locked():
        stored = file.read()
        if stored is not None and stored.url == url:
            file.remove()
