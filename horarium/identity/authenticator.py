"""From a request's `Authorization` header to the user behind it.

Three questions, each of which can end it: did we sign this token, does its user still exist and is active, and is the
session version in it still the user's. The last is what makes a logout take effect at once. To whoever asks, every
refusal looks the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.errors import NotFound, Unauthorized
from horarium.identity.access_tokens import REFUSED

if TYPE_CHECKING:
    from horarium.identity.access_tokens import AccessTokens
    from horarium.identity.users import CachedUser, Users

__all__ = ["Authenticator"]


class Authenticator:
    """Knows callers by their bearer token."""

    def __init__(self, tokens: AccessTokens, users: Users) -> None:
        self._tokens = tokens
        self._users = users

    async def authenticate(self, authorization: str | None) -> CachedUser:
        """The caller; raises Unauthorized, always with the same words, or Unavailable when that cannot be known."""
        claims = self._tokens.verify(_bearer(authorization))
        try:
            user = await self._users.get(claims.user_id)
        except NotFound as error:
            raise Unauthorized(REFUSED) from error
        if not user.is_active or user.session_version != claims.sv:
            raise Unauthorized(REFUSED)
        return user


def _bearer(authorization: str | None) -> str:
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not token:
        raise Unauthorized(REFUSED)
    return token
