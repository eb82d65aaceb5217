"""Attacks on access tokens: whatever we did not issue as it stands is refused, always with the same words."""

from __future__ import annotations

import base64
import hmac
import json
import re
import secrets
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from horarium.errors import ConfigurationError, Unauthorized
from horarium.identity.access_tokens import MAX_CHARS, REFUSED, REMEMBERED, AccessTokens

if TYPE_CHECKING:
    from collections.abc import Callable

KEY = "a key of tests, and of tests only"
RETIRED_KEY = "the key before, which nobody accepts"
OTHER_KEY = "another key that has 32 bytes, too"
PUBLIC_KEY = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""
TOKENS = AccessTokens(KEY, 900)


def issued(tokens: AccessTokens = TOKENS, *, ago: float = 0) -> str:
    return tokens.issue(7, 3, now=datetime.now(UTC) - timedelta(seconds=ago))[0]


HEADER: dict[str, Any] = jwt.get_unverified_header(issued())


def fresh() -> dict[str, Any]:
    """The claims of a token issued now."""
    claims: dict[str, Any] = jwt.decode(issued(), options={"verify_signature": False})
    return claims


def forged(
    claims: dict[str, Any] | None = None,
    header: dict[str, Any] | None = None,
    *,
    key: str = KEY,
    without: str | None = None,
) -> str:
    """A token signed with the real key, one thing about it changed."""
    body = fresh() | (claims or {})
    body = {name: value for name, value in body.items() if name != without}
    return signed(json.dumps(HEADER | (header or {})), json.dumps(body), key)


def signed(header: str, body: str, key: str = KEY) -> str:
    """Any two texts, signed with HS256, however senseless."""
    parts = f"{b64(header.encode())}.{b64(body.encode())}"
    return f"{parts}.{b64(hmac.digest(key.encode(), parts.encode(), 'sha256'))}"  # PyJWT would not take any key


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unsigned(alg: str) -> str:
    return issued().rsplit(".", 1)[0].replace(issued().split(".")[0], b64(json.dumps({**HEADER, "alg": alg}).encode()))


def with_last_bit_flipped(token: str) -> str:
    body, _, signature = token.rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "="))
    raw[-1] ^= 1
    return f"{body}.{b64(bytes(raw))}"


FORGERIES: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "not a token": lambda: "Bearer",
    "alg none": lambda: unsigned("none") + ".",
    "alg None": lambda: unsigned("None") + ".",
    "alg none, our signature": lambda: unsigned("none") + "." + issued().rsplit(".", 1)[1],
    "alg none, no kid": lambda: b64(b'{"alg":"none","typ":"at+jwt"}') + "." + issued().split(".")[1] + ".",
    "alg in a list": lambda: forged(header={"alg": ["HS256"]}),
    "no alg": lambda: signed(json.dumps({"typ": "at+jwt", "kid": HEADER["kid"]}), json.dumps(fresh())),
    "alg HS512": lambda: jwt.encode(fresh(), KEY * 2, algorithm="HS512", headers=HEADER | {"alg": "HS512"}),
    "alg HS384": lambda: jwt.encode(fresh(), KEY * 2, algorithm="HS384", headers=HEADER | {"alg": "HS384"}),
    "alg RS256, our signature": lambda: unsigned("RS256") + "." + issued().rsplit(".", 1)[1],
    "alg ES256, our signature": lambda: unsigned("ES256") + "." + issued().rsplit(".", 1)[1],
    "alg hs256": lambda: forged(header={"alg": "hs256"}),
    "signed with a public key": lambda: forged(key=PUBLIC_KEY),
    "signed with nothing": lambda: forged(key=""),
    "signed with the kid": lambda: forged(key=HEADER["kid"]),
    "alg RS256, signed as HS256": lambda: forged(header={"alg": "RS256"}),
    "another key": lambda: forged(key=OTHER_KEY),
    "a retired key": lambda: issued(AccessTokens(RETIRED_KEY, 900)),
    "another house": lambda: issued(AccessTokens(OTHER_KEY, 900)),
    "aud of another": lambda: forged({"aud": "other"}),
    "aud of several": lambda: forged({"aud": ["horarium", "other"]}),
    "aud in a list": lambda: forged({"aud": ["horarium"]}),
    "iss of another": lambda: forged({"iss": "https://horarium"}),
    "iss in a list": lambda: forged({"iss": ["horarium"]}),
    "aud of nobody": lambda: forged({"aud": None}),
    "aud empty": lambda: forged({"aud": []}),
    "iss null": lambda: forged({"iss": None}),
    "typ in another case": lambda: forged(header={"typ": "AT+JWT"}),
    "typ in full": lambda: forged(header={"typ": "application/at+jwt"}),
    "typ JWT": lambda: forged(header={"typ": "JWT"}),
    "typ refresh": lambda: forged(header={"typ": "rt+jwt"}),
    "typ null": lambda: forged(header={"typ": None}),
    "kid of another": lambda: forged(header={"kid": "0" * 16}),
    "kid a path": lambda: forged(header={"kid": "../../../dev/null"}),
    "kid a number": lambda: forged(header={"kid": 1}),
    "kid a file that exists": lambda: forged(header={"kid": "/etc/hostname"}),
    "kid a query": lambda: forged(header={"kid": "' UNION SELECT 'key' --"}),
    "kid null": lambda: forged(header={"kid": None}),
    "kid in a list": lambda: forged(header={"kid": [HEADER["kid"]]}),
    "kid an object": lambda: forged(header={"kid": {"k": HEADER["kid"]}}),
    "kid in another case": lambda: forged(header={"kid": HEADER["kid"].upper() + " "}),
    "kid empty": lambda: forged(header={"kid": ""}),
    "kid the key": lambda: forged(header={"kid": KEY}),
    "no kid": lambda: signed(json.dumps({"alg": "HS256", "typ": "at+jwt"}), json.dumps(fresh())),
    "no typ": lambda: signed(json.dumps({"alg": "HS256", "kid": HEADER["kid"]}), json.dumps(fresh())),
    "a key of its own": lambda: forged(
        header={"kid": "own", "jwk": {"kty": "oct", "k": b64(OTHER_KEY.encode())}}, key=OTHER_KEY
    ),
    "a key of its own under our kid": lambda: forged(
        header={"jwk": {"kty": "oct", "k": b64(OTHER_KEY.encode())}}, key=OTHER_KEY
    ),
    "keys elsewhere under our kid": lambda: forged(header={"jku": "https://evil.example/keys"}, key=OTHER_KEY),
    "a certificate under our kid": lambda: forged(
        header={"x5u": "https://evil.example/c", "x5c": ["MIIB"]}, key=OTHER_KEY
    ),
    "kid with jku": lambda: forged(header={"kid": "x", "jku": "https://evil.example/keys"}),
    "unknown crit": lambda: forged(header={"crit": ["x"], "x": 1}),
    "b64 false": lambda: forged(header={"b64": False, "crit": ["b64"]}),
    "expired": lambda: issued(ago=900),
    "expired a second ago": lambda: issued(ago=901),
    "expired long ago": lambda: forged({"iat": 1, "exp": 901}),
    "exp a text": lambda: forged({"exp": "99999999999"}),
    "exp without end": lambda: forged({"exp": 10**400}),
    "exp a fraction": lambda: forged({"exp": 99999999999.5}),
    "exp true": lambda: forged({"exp": True}),
    "from the future": lambda: issued(ago=-60),
    "iat a text": lambda: forged({"iat": "0"}),
    "nbf in the future": lambda: forged({"nbf": 99999999999}),
    "a claim too many": lambda: forged({"role": "admin"}),
    "sub a number": lambda: forged({"sub": 7}),
    "sub another spelling": lambda: forged({"sub": "07"}),
    "sub foreign digits": lambda: forged({"sub": "\u0667"}),
    "sub negative": lambda: forged({"sub": "-7"}),
    "sub with a line": lambda: forged({"sub": "7\n"}),
    "sub beyond a bigint": lambda: forged({"sub": "9" * 19}),
    "sub empty": lambda: forged({"sub": ""}),
    "sv a text": lambda: forged({"sv": "3"}),
    "sv true": lambda: forged({"sv": True}),
    "sv 0": lambda: forged({"sv": 0}),
    "jti empty": lambda: forged({"jti": ""}),
    "jti null": lambda: forged({"jti": None}),
    "claims a list": lambda: signed(json.dumps(HEADER), "[]"),
    "claims no JSON": lambda: signed(json.dumps(HEADER), "{"),
    "header a list": lambda: signed("[]", json.dumps(fresh())),
    "header deep": lambda: signed("[" * 700, "{}"),
    "deeper than a stack": lambda: "A" * MAX_CHARS + b64(b"[" * 100_000),
    "truncated by one": lambda: issued()[:-1],
    "truncated to two parts": lambda: issued().rsplit(".", 1)[0],
    "signature empty": lambda: issued().rsplit(".", 1)[0] + ".",
    "signature padded": lambda: issued() + "=",
    "last bit flipped": lambda: with_last_bit_flipped(issued()),
    "four parts": lambda: issued() + ".e30",
    "space before": lambda: " " + issued(),
    "line after": lambda: issued() + "\n",
    "claims of another under our signature": lambda: ".".join(
        [issued().split(".")[0], forged({"sub": "1"}).split(".")[1], issued().split(".")[2]]
    ),
    "not ASCII": lambda: issued()[:-1] + "\u00e9",
    "raw bytes": lambda: issued()[:-1] + "\udcff",
    "NUL": lambda: issued() + "\0",
    "refresh token": lambda: secrets.token_urlsafe(32),
} | {f"no {claim}": partial(forged, without=claim) for claim in fresh()}


@pytest.mark.parametrize("forge", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_token_is_refused_in_the_same_words_as_any_other(forge: Callable[[], str]) -> None:
    token = forge()  # not at import: it would have expired by the time that a long session comes here

    with pytest.raises(Unauthorized) as refused:
        TOKENS.verify(token)

    assert str(refused.value) == REFUSED


def test_a_forgery_with_nothing_changed_is_a_token() -> None:
    """The attacks above are refused for what each of them changes, and not for how they are made."""
    assert TOKENS.verify(forged()).user_id == 7


def test_of_hundreds_of_forged_tokens_none_is_accepted() -> None:
    """All kinds above, every beginning of a token, every bit of one flipped."""
    token = issued()
    forgeries = [forge() for forge in FORGERIES.values()]
    forgeries += [token[:length] for length in range(len(token))]
    forgeries += [
        token[:at] + chr(ord(token[at]) ^ 1 << bit) + token[at + 1 :] for at in range(len(token)) for bit in range(7)
    ]

    accepted = [forgery for forgery in forgeries if is_accepted(forgery)]

    assert len(FORGERIES) >= 90
    assert len(forgeries) > 2000
    assert accepted == []


def is_accepted(token: str) -> bool:
    try:
        TOKENS.verify(token)
    except Unauthorized:
        return False
    return True


@pytest.mark.parametrize("at", range(len(issued())))
def test_a_token_with_one_character_changed_is_refused(at: int) -> None:
    token = issued()
    other = "A" if token[at] != "A" else "B"

    with pytest.raises(Unauthorized):
        TOKENS.verify(token[:at] + other + token[at + 1 :])


@given(st.text(max_size=2 * MAX_CHARS))
def test_any_text_is_refused_and_never_an_error_of_another_kind(text: str) -> None:
    with pytest.raises(Unauthorized):
        TOKENS.verify(text)


@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_header_is_refused_and_never_an_error_of_another_kind(header: object) -> None:
    with pytest.raises(Unauthorized):
        TOKENS.verify(signed(json.dumps(header), json.dumps(fresh())))


def test_a_token_says_who_until_when_and_under_which_session_version() -> None:
    now = datetime(2999, 1, 1, 12, tzinfo=UTC)

    token, expires_at = TOKENS.issue(7, 3, now=now)

    claims = jwt.decode(token, KEY, algorithms=["HS256"], audience="horarium", options={"verify_iat": False})
    assert expires_at == now + timedelta(seconds=900)
    assert claims.pop("jti")
    assert claims == {
        "iss": "horarium",
        "aud": "horarium",
        "sub": "7",
        "sv": 3,
        "iat": now.timestamp(),
        "exp": expires_at.timestamp(),
    }
    assert HEADER["typ"] == "at+jwt"
    assert re.fullmatch("[0-9a-f]{16}", HEADER["kid"])


def test_a_token_is_accepted_until_it_expires() -> None:
    claims = TOKENS.verify(issued(ago=895))

    assert (claims.user_id, claims.sv) == (7, 3)
    assert claims.expires_at > datetime.now(UTC)


def test_a_token_that_was_accepted_before_is_refused_once_it_has_expired(monkeypatch: pytest.MonkeyPatch) -> None:
    """That it was signed is remembered; that it was in time is not."""
    token = issued()
    claims = TOKENS.verify(token)
    monkeypatch.setattr("time.time", lambda: float(claims.exp))

    with pytest.raises(Unauthorized):
        TOKENS.verify(token)

    monkeypatch.setattr("time.time", lambda: claims.exp - 0.001)
    assert TOKENS.verify(token) == claims


def test_no_more_tokens_are_remembered_than_fit_and_none_that_was_refused() -> None:
    tokens = AccessTokens(KEY, 900)
    with pytest.raises(Unauthorized):
        tokens.verify(forged(key=OTHER_KEY))
    tokens.verify(issued())

    remembered = tokens._read.cache_info()

    assert (remembered.currsize, remembered.maxsize) == (1, REMEMBERED)


def test_a_clock_that_is_a_little_ahead_does_no_harm() -> None:
    assert TOKENS.verify(issued(ago=-3)).user_id == 7


def test_two_tokens_are_never_the_same() -> None:
    assert issued() != issued()


@pytest.mark.parametrize(("key", "accepted"), [("k" * 31, ()), (KEY, (OTHER_KEY, "k" * 31))])
def test_a_short_key_is_refused_at_the_start(key: str, accepted: tuple[str, ...]) -> None:
    with pytest.raises(ConfigurationError, match="32 bytes") as refused:
        AccessTokens(key, 900, accepted=accepted)

    assert "kkk" not in str(refused.value)


def test_a_key_that_only_another_algorithm_could_use_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match="openssl"):
        AccessTokens(PUBLIC_KEY, 900)


def test_the_key_is_in_no_repr() -> None:
    assert KEY not in repr(TOKENS)
    assert OTHER_KEY not in repr(AccessTokens(KEY, 900, accepted=(OTHER_KEY,)))
    assert KEY not in repr(TOKENS.verify(issued()))
