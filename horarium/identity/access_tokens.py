"""Access tokens: signed, short-lived, checked without asking anyone (RFC 9068's profile, RFC 8725's advice).

There is one algorithm and one type, both named here and never taken from the token. Every claim is required, none
beside them is known. A token says who (`sub`) and under which session version (`sv`); whether that user is still
active and the version still current is the authenticator's to ask. Nothing secret is inside: claims are readable by
whoever holds the token.

The keys are a closed set. One signs; the others only verify, so that a key can be changed while several supervisors
run: publish the next one to all of them, let it sign, and retire the last one when its tokens have run out
(README has the steps). `kid` picks one out of that set, and is never a path or an address; a key that comes with a
token is not looked at.

A token that is refused is refused with one message, whatever is wrong with it.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal

import jwt
from jwt.utils import base64url_encode
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from horarium.errors import ConfigurationError, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["REFUSED", "AccessTokens", "Claims"]

REFUSED = "a valid access token is needed"

ALGORITHM = "HS256"
TYPE = "at+jwt"
ISSUER: Literal["horarium"] = "horarium"
AUDIENCE: Literal["horarium"] = "horarium"

MINIMUM_KEY_BYTES = 32  # RFC 7518 3.2
MAX_CHARS = 1024
"""Ours have about 350. PyJWT reads the header before the signature, so what is longer is not even looked at: deep
enough nesting would end in a RecursionError."""

REMEMBERED = 4096
"""Tokens whose signature and claims are checked once and remembered, the last used ones; a refused one never is. A
check costs as much as the rest of a short request, and a caller sends the same token for minutes."""

CLOCK_SKEW_SECONDS = 5
"""How far another supervisor's clock may be ahead of ours."""

UnixSeconds = Annotated[int, Field(ge=0, le=253_402_300_799)]  # what a datetime can hold


class Claims(BaseModel):
    """What a token says, each claim of the one type and value it may have; instants are Unix seconds."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    iss: Literal["horarium"]
    aud: Literal["horarium"]
    sub: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,17}$")]
    jti: Annotated[str, StringConstraints(min_length=16)]
    iat: UnixSeconds
    exp: UnixSeconds
    sv: Annotated[int, Field(ge=1)]

    @property
    def user_id(self) -> int:
        """Whose token it is."""
        return int(self.sub)

    @property
    def expires_at(self) -> datetime:
        """The instant from which it is refused."""
        return datetime.fromtimestamp(self.exp, UTC)


class AccessTokens:
    """Issues tokens under one key and verifies those of the `accepted` ones, too.

    Supervisors of one database share them all. Raises ConfigurationError for a key under 32 bytes.
    """

    def __init__(self, key: str, lifetime_seconds: int, *, accepted: Iterable[str] = ()) -> None:
        self._keys = {_kid(each): each for each in (*accepted, key)}
        self._kid = _kid(key)
        self._lifetime = lifetime_seconds
        self._read = lru_cache(REMEMBERED)(self._checked)

    def issue(self, user_id: int, session_version: int, *, now: datetime) -> tuple[str, datetime]:
        """A token for this user, and when it expires."""
        issued = int(now.timestamp())
        claims = Claims(
            iss=ISSUER,
            aud=AUDIENCE,
            sub=str(user_id),
            jti=secrets.token_urlsafe(16),
            iat=issued,
            exp=issued + self._lifetime,
            sv=session_version,
        )
        headers = {"typ": TYPE, "kid": self._kid}
        return jwt.encode(
            claims.model_dump(), self._keys[self._kid], algorithm=ALGORITHM, headers=headers
        ), claims.expires_at

    def verify(self, token: str) -> Claims:
        """The claims of a token that we signed and that has not expired; raises Unauthorized for any other text."""
        # Headers reach us with raw bytes as lone surrogates, which PyJWT could not even encode.
        if len(token) > MAX_CHARS or not token.isascii():
            raise Unauthorized(REFUSED)
        claims, now = self._read(token), time.time()
        if claims.exp <= now or claims.iat > now + CLOCK_SKEW_SECONDS:
            raise Unauthorized(REFUSED)
        return claims

    def _checked(self, token: str) -> Claims:
        """The claims of a token that we signed, whatever the time is; raises Unauthorized for any other text."""
        try:
            parts = jwt.decode_complete(
                token,
                self._keys[_kid_of(token)],
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=ISSUER,
                # What is true of a token once is true for ever, but for its times: those are checked at each request.
                options={"require": list(Claims.model_fields), "verify_iat": False, "verify_exp": False},
            )
            claims = Claims.model_validate(parts["payload"])
        except (jwt.PyJWTError, ValidationError, KeyError) as error:
            raise Unauthorized(REFUSED) from error
        # Base64 spells one signature in several ways, of which PyJWT takes some, padding for one. The rest of the token
        # is signed as it is spelt.
        if not token.endswith("." + base64url_encode(parts["signature"]).decode()):
            raise Unauthorized(REFUSED)
        return claims


def _kid(key: str) -> str:
    """The name of a key, from which it cannot be told; raises ConfigurationError for a key that cannot be used."""
    if len(key.encode()) < MINIMUM_KEY_BYTES:
        raise ConfigurationError(f"a signing key has under {MINIMUM_KEY_BYTES} bytes; use `openssl rand -hex 32`")
    try:
        jwt.get_algorithm_by_name(ALGORITHM).prepare_key(key)
    except jwt.InvalidKeyError as error:  # a certificate, a public key: PyJWT would refuse it at the first login
        raise ConfigurationError(f"a signing key is no secret ({error}); use `openssl rand -hex 32`") from None
    return hashlib.sha256(b"horarium access token key\0" + key.encode()).hexdigest()[:16]


def _kid_of(token: str) -> str:
    """The name of the key that a token claims, which may be any text; none for a token of another type."""
    header = jwt.get_unverified_header(token)
    named = header.get("kid")
    return named if header.get("typ") == TYPE and isinstance(named, str) else ""
