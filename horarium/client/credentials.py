"""Where the access token of a call comes from: given by the user, or from the stored login, which is kept alive."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

import anyio

from horarium.client.errors import NotLoggedIn, shaped
from horarium.client.login_file import StoredLogin
from horarium.clock import utc_now
from horarium.model.logins import TokenPair

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from horarium.client.login_file import LoginFile
    from horarium.client.transport import Transport

__all__ = ["Credentials", "GivenToken", "StoredTokens"]

MARGIN = timedelta(seconds=20)
"""A token that ends sooner might end on its way; the shortest that a server gives lasts a minute."""


class Credentials(Protocol):
    """Gives access tokens."""

    async def token(self) -> str:
        """A token to call with. Raises NotLoggedIn."""
        ...

    async def renewed(self, refused: str) -> str:
        """A token in the place of one that was refused. Raises NotLoggedIn."""
        ...


@dataclass(frozen=True)
class GivenToken:
    """A token or an API key that the user named; there is no other in its place."""

    value: str = field(repr=False)

    async def token(self) -> str:
        """The token."""
        return self.value

    async def renewed(self, refused: str) -> str:  # noqa: ARG002 - the protocol's name
        """Nothing can be done about it."""
        raise NotLoggedIn(
            "the token in --token or HORARIUM_TOKEN is not accepted; it has ended, or is another server's"
        )


class StoredTokens:
    """The stored login for one address. It is read for every call: another command may have changed it."""

    def __init__(self, file: LoginFile, transport: Transport, *, clock: Callable[[], datetime] = utc_now) -> None:
        self._file = file
        self._transport = transport
        self._clock = clock

    async def token(self) -> str:
        """The stored access token, renewed first where it is about to end."""
        tokens = self._read()
        if tokens.expires_at - self._clock() > MARGIN:
            return tokens.access_token
        return await self.renewed(tokens.access_token)

    async def renewed(self, refused: str) -> str:
        """The access token of a new pair, or of the one that another command has stored meanwhile."""
        async with self._file.locked():
            tokens = self._read()
            if tokens.access_token == refused:
                # Once the server has changed the token, the new one must get to the file whatever becomes of us.
                # The call's own deadline ends it.
                with anyio.CancelScope(shield=True):
                    tokens = await self._exchange(tokens)
        return tokens.access_token

    async def _exchange(self, stored: TokenPair) -> TokenPair:
        """A new pair in the place of this one, stored. If its answer is lost, it is asked for under the same key."""
        url, body = self._transport.url, {"refresh_token": stored.refresh_token}
        headers = {"Idempotency-Key": hashlib.sha256(stored.access_token.encode()).hexdigest()}
        try:
            answer = await self._transport.send("POST", "/auth/refresh", body=body, headers=headers)
        except NotLoggedIn as error:
            raise NotLoggedIn(f"the login at {url} has ended; run `horarium login`") from error
        tokens = shaped(TokenPair, answer, url)
        self._file.write(StoredLogin(url=url, tokens=tokens))
        return tokens

    def _read(self) -> TokenPair:
        url = self._transport.url
        stored = self._file.read()
        if stored is None:
            raise NotLoggedIn(f"not logged in at {url}; run `horarium login`")
        if stored.url != url:
            raise NotLoggedIn(f"the stored login is for {stored.url}; run `horarium login --url {url}`")
        return stored.tokens
