"""Refresh tokens, of which Redis has the only truth: losing Redis means logging in again.

A token is 256 random bits that only its holder has; Redis has their SHA-256. (A slow hash protects what can be
guessed; 256 bits cannot.) A login opens a *family*. Presenting its token kills that token and makes the next
*generation*, under the family's one expiry, so that no chain of refreshes outlives it. A dead token keeps its key until
then: seeing it again means that two hold what one should, and ends the family, for the thief and the robbed alike
(RFC 9700 4.14.2). The family names its living token, so ending all of it is deleting one key.

Two requests with the same token, however close, are a replay: one wins, the family ends.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, cast

from horarium.keyspace.due_index import from_ms, to_ms
from horarium.keyspace.pool import redis_errors
from horarium.keyspace.scripts import script

if TYPE_CHECKING:
    from datetime import datetime

    from redis.asyncio import Redis

    from horarium.keyspace.keys import Keys

__all__ = ["Grant", "HeldToken", "RefreshTokens", "Refused", "Rotated"]

TOKEN_BYTES = 32
FAMILY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Grant:
    """What a login is given: for whom, under which session version, until when, and alone or beside others."""

    user_id: int
    session_version: int
    expires_at: datetime
    single_session: bool


@dataclass(frozen=True, slots=True)
class HeldToken:
    """What Redis knows of a token that was presented; `spent` once it was changed for another."""

    digest: str = field(repr=False)
    family: str
    generation: int
    user_id: int
    session_version: int
    expires_at: datetime
    spent: bool


@dataclass(frozen=True, slots=True)
class Rotated:
    """The token was changed for this one."""

    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Refused:
    """The token gives nothing. `replayed`: it was dead already, and its family has ended for it."""

    reason: Literal["unknown", "expired", "ended", "replayed"]


class RefreshTokens:
    """Typed access to the `auth:*` keys; raises Unavailable when Redis is away."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._issue = script(redis, "token_issue")
        self._rotate = script(redis, "token_rotate")
        self._revoke_user = script(redis, "token_revoke_user")

    async def issue(self, grant: Grant, *, now: datetime) -> str:
        """The first token of a new family."""
        token, family = secrets.token_urlsafe(TOKEN_BYTES), secrets.token_hex(FAMILY_BYTES)
        digest = _digest(token)
        keys = [self._keys.token(digest), self._keys.family(family), self._keys.user_tokens(grant.user_id)]
        when = (to_ms(now), to_ms(grant.expires_at))
        alone = (int(grant.single_session), self._keys.family(""))
        with redis_errors():
            await self._issue(keys=keys, args=[digest, family, grant.user_id, grant.session_version, *when, *alone])
        return token

    async def find(self, token: str) -> HeldToken | None:
        """What is known of a token, dead or alive; None when nothing is."""
        digest = _digest(token)
        with redis_errors():
            held = cast("dict[bytes, bytes]", await self._redis.hgetall(self._keys.token(digest)))
        if not held:
            return None
        return HeldToken(
            digest,
            family=held[b"family"].decode(),
            generation=int(held[b"generation"]),
            user_id=int(held[b"user"]),
            session_version=int(held[b"session_version"]),
            expires_at=from_ms(int(held[b"expires"])),
            spent=b"successor" in held,
        )

    async def rotate(self, held: HeldToken, *, now: datetime) -> Rotated | Refused:
        """Change a token for its successor, all or nothing; a dead one ends its family."""
        successor = secrets.token_urlsafe(TOKEN_BYTES)
        digest = _digest(successor)
        keys = [
            self._keys.token(held.digest),
            self._keys.token(digest),
            self._keys.family(held.family),
            self._keys.user_tokens(held.user_id),
        ]
        with redis_errors():
            outcome = await self._rotate(keys=keys, args=[held.digest, digest, to_ms(now)])
        said = cast("bytes", outcome).decode()
        return Rotated(successor) if said == "rotated" else Refused(said)  # type: ignore[arg-type]  # the script's words

    async def revoke_user(self, user_id: int) -> int:
        """End every family of a user; returns how many there were."""
        with redis_errors():
            return int(await self._revoke_user(keys=[self._keys.user_tokens(user_id)], args=[self._keys.family("")]))


def _digest(token: str) -> str:
    # surrogatepass: whatever text comes in has a digest, and is then unknown
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
