"""Sessions: a login and all that is renewed from it, as pairs of tokens.

Redis has the refresh tokens and how long a session may last; an access token only repeats, signed, for whom and under
which session version it was given out. Whether that user may go on at all is not asked here: the token service asks
Postgres, before a session is opened and at each renewal.

A session without `remember_me` ends when it was not renewed for a while, as a browser that was closed and forgotten
should. One with `remember_me` is the user's word that they will be back, maybe after weeks: it ends at its expiry only.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog

from horarium.errors import Unauthorized
from horarium.keyspace.tokens import Grant, Refused
from horarium.model import TokenPair

if TYPE_CHECKING:
    from collections.abc import Callable

    from horarium.identity.access_tokens import AccessTokens
    from horarium.keyspace.tokens import HeldToken, RefreshTokens
    from horarium.settings import Settings

__all__ = ["BAD_REFRESH_TOKEN", "SessionPolicy", "Sessions"]

log = structlog.get_logger(__name__)

BAD_REFRESH_TOKEN = "this refresh token is not good any more; log in again"  # noqa: S105 - a message


@dataclass(frozen=True, slots=True)
class SessionPolicy:
    """How long a login lasts, in seconds, and whether it ends the earlier ones of its user."""

    refresh_token_seconds: int
    remember_me_seconds: int
    single_session: bool
    refresh_idle_seconds: int | None = None
    """How long one without `remember_me` may go without a renewal; None: any time."""

    @classmethod
    def of(cls, settings: Settings) -> SessionPolicy:
        """As the settings say."""
        return cls(
            settings.refresh_token_seconds,
            settings.remember_me_seconds,
            settings.single_session,
            settings.refresh_idle_seconds,
        )

    def grant(self, user_id: int, session_version: int, now: datetime, *, remember_me: bool) -> Grant:
        """What a login of `now` is given."""
        lasts = self.remember_me_seconds if remember_me else self.refresh_token_seconds
        return Grant(
            user_id=user_id,
            session_version=session_version,
            expires_at=now + timedelta(seconds=lasts),
            single_session=self.single_session,
            idle_seconds=None if remember_me else self.refresh_idle_seconds,
        )


class Sessions:
    """Opens, renews and ends sessions; raises Unavailable when Redis is away."""

    def __init__(
        self,
        access_tokens: AccessTokens,
        refresh_tokens: RefreshTokens,
        policy: SessionPolicy,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._access_tokens = access_tokens
        self._refresh_tokens = refresh_tokens
        self._policy = policy
        self._clock = clock

    async def open(self, user_id: int, session_version: int, *, remember_me: bool) -> TokenPair:
        """A new session of this user."""
        now = self._clock()
        grant = self._policy.grant(user_id, session_version, now, remember_me=remember_me)
        return self._pair(user_id, session_version, await self._refresh_tokens.issue(grant, now=now), now)

    async def find(self, refresh_token: str) -> HeldToken:
        """What is known of a token; raises Unauthorized when nothing is."""
        held = await self._refresh_tokens.find(refresh_token)
        if held is None:
            raise Unauthorized(BAD_REFRESH_TOKEN)
        return held

    async def renew(self, held: HeldToken, *, retry_key: str | None = None) -> TokenPair:
        """The next pair of a session; raises Unauthorized where it has ended, or ends for this token was a dead one."""
        now = self._clock()
        outcome = await self._refresh_tokens.rotate(held, now=now, retry_key=retry_key)
        if isinstance(outcome, Refused):
            if outcome.reason == "replayed":
                log.warning("refresh_token.replayed", user_id=held.user_id, family=held.family)
            raise Unauthorized(BAD_REFRESH_TOKEN)
        return self._pair(held.user_id, held.session_version, outcome.token, now)

    async def end(self, refresh_token: str) -> None:
        """End the one session that a token belongs to, be it dead or alive; nothing where there is none."""
        held = await self._refresh_tokens.find(refresh_token)
        if held is not None:
            await self._refresh_tokens.revoke(held)

    async def end_all(self, user_id: int) -> None:
        """End every session of a user."""
        await self._refresh_tokens.revoke_user(user_id)

    def _pair(self, user_id: int, session_version: int, refresh_token: str, now: datetime) -> TokenPair:
        access_token, expires_at = self._access_tokens.issue(user_id, session_version, now=now)
        return TokenPair(access_token=access_token, refresh_token=refresh_token, expires_at=expires_at)
