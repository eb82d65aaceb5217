"""Refresh tokens, of which Redis has the only truth: losing Redis means logging in again.

A token is 256 random bits that only its holder has; Redis has their SHA-256. (A slow hash protects what can be
guessed; 256 bits cannot.) A login opens a *family*. Presenting its token kills that token and makes the next
*generation*, under the family's one expiry, so that no chain of refreshes outlives it; a family that is not refreshed
for long may end before. A dead token keeps its key until that expiry: seeing it again means that two hold what one
should, and ends the family, for the thief and the robbed alike (RFC 9700 4.14.2). The family names its living token,
so ending all of it is deleting one key.

One who presents a dead token may have done no wrong: the answer with its successor was lost on the way. Who wants to be
able to ask again says so by naming the call (`retry_key`): under the same name a dead token is answered with the very
same successor, for ten seconds, and while that successor is the living one. A thief who knows the name too and comes in
this time gets a token that the robbed one holds as well, and the second of them to use it ends the family. To answer
twice without keeping a token, the successor is made from two halves: HMAC-SHA256 of a random *seed*, under the token
that was presented. The holder has the one, Redis has the other, for ten seconds by its own clock.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from base64 import urlsafe_b64encode
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
SEED_BYTES = 32
FAMILY_BYTES = 16

RETRY_MS = 10_000
"""How long after its answer was lost a rotation can be asked for again."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a login is given: for whom, under which session version, until when, and alone or beside others.

    `idle_seconds`: how long it may go without a rotation; None: until it expires.
    """

    user_id: int
    session_version: int
    expires_at: datetime
    single_session: bool
    idle_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class HeldToken:
    """What Redis knows of a token that was presented; `spent` once it was changed for another."""

    token: str = field(repr=False)
    family: str
    generation: int
    user_id: int
    session_version: int
    expires_at: datetime
    spent: bool


@dataclass(frozen=True, slots=True)
class Rotated:
    """The token was changed for this one, now or within the last ten seconds under the same name."""

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
        when = (to_ms(now), to_ms(grant.expires_at), 1000 * (grant.idle_seconds or 0))
        alone = (int(grant.single_session), self._keys.family(""))
        with redis_errors():
            await self._issue(keys=keys, args=[digest, family, grant.user_id, grant.session_version, *when, *alone])
        return token

    async def find(self, token: str) -> HeldToken | None:
        """What is known of a token, dead or alive; None when nothing is."""
        with redis_errors():
            held = cast("dict[bytes, bytes]", await self._redis.hgetall(self._keys.token(_digest(token))))
        if not held:
            return None
        return HeldToken(
            token,
            family=held[b"family"].decode(),
            generation=int(held[b"generation"]),
            user_id=int(held[b"user"]),
            session_version=int(held[b"session_version"]),
            expires_at=from_ms(int(held[b"expires"])),
            spent=b"successor" in held,
        )

    async def rotate(self, held: HeldToken, *, now: datetime, retry_key: str | None = None) -> Rotated | Refused:
        """Change a token for its successor, all or nothing.

        A dead one ends its family, unless `retry_key` is what it was changed under a moment ago: then it gets the same.
        """
        seed = secrets.token_bytes(SEED_BYTES)
        presented, successor = _digest(held.token), _digest(_successor(held.token, seed))
        keys = [
            self._keys.token(presented),
            self._keys.token(successor),
            self._keys.family(held.family),
            self._keys.user_tokens(held.user_id),
            self._keys.retry(_named(held.token, retry_key or "")),
        ]
        kept_ms = 0 if retry_key is None else RETRY_MS
        with redis_errors():
            answer = await self._rotate(keys=keys, args=[presented, successor, to_ms(now), seed, kept_ms])
        word, *seeds = cast("list[bytes]", answer)
        if seeds:
            return Rotated(_successor(held.token, seeds[0]))
        return Refused(word.decode())  # type: ignore[arg-type]  # the script's words

    async def revoke(self, held: HeldToken) -> None:
        """End the family of a token, dead or alive, and no other."""
        with redis_errors():
            async with self._redis.pipeline(transaction=True) as pipe:
                pipe.delete(self._keys.family(held.family))
                pipe.zrem(self._keys.user_tokens(held.user_id), held.family)
                await pipe.execute()

    async def revoke_user(self, user_id: int) -> int:
        """End every family of a user; returns how many there were."""
        with redis_errors():
            return int(await self._revoke_user(keys=[self._keys.user_tokens(user_id)], args=[self._keys.family("")]))


def _digest(token: str) -> str:
    return hashlib.sha256(_bytes(token)).hexdigest()


def _named(token: str, retry_key: str) -> str:
    """Where the seed is of a call that is known by this: nobody finds it who has the token alone."""
    return _digest(f"{token}\0{retry_key}")


def _successor(token: str, seed: bytes) -> str:
    """The token after this one: as long and as random as a first one, and to be had with both halves only."""
    return urlsafe_b64encode(hmac.digest(_bytes(token), seed, "sha256")).rstrip(b"=").decode()


def _bytes(token: str) -> bytes:
    # surrogatepass: whatever text comes in has a digest, and is then unknown
    return token.encode("utf-8", "surrogatepass")
