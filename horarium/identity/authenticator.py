"""From a request's `Authorization` header to whoever sent it: a user with an access token, a machine with an API key.

Of an access token three questions, each of which can end it: did we sign it, does its user still exist and is active,
and is the session version in it still the user's. The last is what makes a logout take effect at once. Of an API key
one: is it there, and not expired. To whoever asks, every refusal looks the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.errors import NotFound, Unauthorized
from horarium.identity.access_tokens import REFUSED
from horarium.identity.api_keys import PREFIX
from horarium.identity.callers import Caller

if TYPE_CHECKING:
    from horarium.identity.access_tokens import AccessTokens
    from horarium.identity.api_keys import ApiKeys
    from horarium.identity.users import Users

__all__ = ["Authenticator"]


class Authenticator:
    """Knows callers by what they bear."""

    def __init__(self, tokens: AccessTokens, users: Users, api_keys: ApiKeys) -> None:
        self._tokens = tokens
        self._users = users
        self._api_keys = api_keys

    async def authenticate(self, authorization: str | None) -> Caller:
        """The caller; raises Unauthorized, always with the same words, or Unavailable when that cannot be known."""
        text = _bearer(authorization)
        try:
            return await (self._api_keys.caller(text) if text.startswith(PREFIX) else self._person(text))
        except (NotFound, Unauthorized) as error:
            raise Unauthorized(REFUSED) from error

    async def _person(self, access_token: str) -> Caller:
        claims = self._tokens.verify(access_token)
        user = await self._users.get(claims.user_id)
        if not user.is_active or user.session_version != claims.sv:
            raise Unauthorized(REFUSED)
        return Caller.person(user, claims.expires_at)


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized(REFUSED)
    return token
