"""Attacks on access tokens: whatever we did not issue as it stands is refused, always with the same words."""

from __future__ import annotations

import base64
import json
import re
import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from horarium.errors import ConfigurationError, Unauthorized
from horarium.identity.access_tokens import MAX_CHARS, REFUSED, AccessTokens

KEY = "a key of tests, and of tests only"
OTHER_KEY = "another key that has 32 bytes, too"
TOKENS = AccessTokens(KEY, 900)


def issued(tokens: AccessTokens = TOKENS, *, ago: float = 0) -> str:
    return tokens.issue(7, 3, now=datetime.now(UTC) - timedelta(seconds=ago))[0]


HEADER: dict[str, Any] = jwt.get_unverified_header(issued())
CLAIMS: dict[str, Any] = jwt.decode(issued(), options={"verify_signature": False})


def forged(
    claims: dict[str, Any] | None = None,
    header: dict[str, Any] | None = None,
    *,
    key: str = KEY,
    without: str | None = None,
) -> str:
    """A token signed with the real key, one thing about it changed."""
    now = int(datetime.now(UTC).timestamp())
    body = CLAIMS | {"iat": now, "exp": now + 900} | (claims or {})
    body = {name: value for name, value in body.items() if name != without}
    return signed(json.dumps(HEADER | (header or {})), json.dumps(body), key)


def signed(header: str, body: str, key: str = KEY) -> str:
    """Any two texts, signed with HS256, however senseless."""
    parts = f"{b64(header.encode())}.{b64(body.encode())}"
    algorithm = jwt.get_algorithm_by_name("HS256")
    return f"{parts}.{b64(algorithm.sign(parts.encode(), algorithm.prepare_key(key)))}"


def b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def unsigned(alg: str) -> str:
    return issued().rsplit(".", 1)[0].replace(issued().split(".")[0], b64(json.dumps({**HEADER, "alg": alg}).encode()))


def with_last_bit_flipped(token: str) -> str:
    body, _, signature = token.rpartition(".")
    raw = bytearray(base64.urlsafe_b64decode(signature + "="))
    raw[-1] ^= 1
    return f"{body}.{b64(bytes(raw))}"


FORGERIES = {
    "empty": "",
    "not a token": "Bearer",
    "alg none": unsigned("none") + ".",
    "alg None": unsigned("None") + ".",
    "alg none, our signature": unsigned("none") + "." + issued().rsplit(".", 1)[1],
    "alg none, no kid": b64(b'{"alg":"none","typ":"at+jwt"}') + "." + issued().split(".")[1] + ".",
    "alg in a list": forged(header={"alg": ["HS256"]}),
    "no alg": signed(json.dumps({"typ": "at+jwt", "kid": HEADER["kid"]}), json.dumps(CLAIMS)),
    "alg HS512": jwt.encode(CLAIMS, KEY * 2, algorithm="HS512", headers=HEADER | {"alg": "HS512"}),
    "alg RS256, signed as HS256": forged(header={"alg": "RS256"}),
    "another key": forged(key=OTHER_KEY),
    "another house": issued(AccessTokens(OTHER_KEY, 900)),
    "aud of another": forged({"aud": "other"}),
    "aud of several": forged({"aud": ["horarium", "other"]}),
    "aud in a list": forged({"aud": ["horarium"]}),
    "iss of another": forged({"iss": "https://horarium"}),
    "iss in a list": forged({"iss": ["horarium"]}),
    "typ JWT": forged(header={"typ": "JWT"}),
    "typ refresh": forged(header={"typ": "rt+jwt"}),
    "typ null": forged(header={"typ": None}),
    "kid of another": forged(header={"kid": "0" * 16}),
    "kid a path": forged(header={"kid": "../../../dev/null"}),
    "kid a number": forged(header={"kid": 1}),
    "kid with jku": forged(header={"kid": "x", "jku": "https://evil.example/keys"}),
    "unknown crit": forged(header={"crit": ["x"], "x": 1}),
    "b64 false": forged(header={"b64": False, "crit": ["b64"]}),
    "expired": issued(ago=900),
    "expired a second ago": issued(ago=901),
    "expired long ago": forged({"iat": 1, "exp": 901}),
    "exp a text": forged({"exp": "99999999999"}),
    "exp without end": forged({"exp": 10**400}),
    "exp a fraction": forged({"exp": 99999999999.5}),
    "exp true": forged({"exp": True}),
    "from the future": issued(ago=-60),
    "iat a text": forged({"iat": "0"}),
    "nbf in the future": forged({"nbf": 99999999999}),
    "a claim too many": forged({"role": "admin"}),
    "sub a number": forged({"sub": 7}),
    "sub another spelling": forged({"sub": "07"}),
    "sub foreign digits": forged({"sub": "\u0667"}),
    "sub negative": forged({"sub": "-7"}),
    "sub with a line": forged({"sub": "7\n"}),
    "sub beyond a bigint": forged({"sub": "9" * 19}),
    "sub empty": forged({"sub": ""}),
    "sv a text": forged({"sv": "3"}),
    "sv true": forged({"sv": True}),
    "sv 0": forged({"sv": 0}),
    "jti empty": forged({"jti": ""}),
    "jti null": forged({"jti": None}),
    "claims a list": signed(json.dumps(HEADER), "[]"),
    "claims no JSON": signed(json.dumps(HEADER), "{"),
    "header a list": signed("[]", json.dumps(CLAIMS)),
    "header deep": signed("[" * 700, "{}"),
    "deeper than a stack": "A" * MAX_CHARS + b64(b"[" * 100_000),
    "truncated by one": issued()[:-1],
    "truncated to two parts": issued().rsplit(".", 1)[0],
    "signature empty": issued().rsplit(".", 1)[0] + ".",
    "signature padded": issued() + "=",
    "last bit flipped": with_last_bit_flipped(issued()),
    "four parts": issued() + ".e30",
    "space before": " " + issued(),
    "line after": issued() + "\n",
    "claims of another under our signature": ".".join(
        [issued().split(".")[0], forged({"sub": "1"}).split(".")[1], issued().split(".")[2]]
    ),
    "not ASCII": issued()[:-1] + "\u00e9",
    "raw bytes": issued()[:-1] + "\udcff",
    "NUL": issued() + "\0",
    "refresh token": secrets.token_urlsafe(32),
} | {f"no {claim}": forged(without=claim) for claim in CLAIMS}


@pytest.mark.parametrize("token", FORGERIES.values(), ids=FORGERIES)
def test_a_forged_token_is_refused_in_the_same_words_as_any_other(token: str) -> None:
    with pytest.raises(Unauthorized) as refused:
        TOKENS.verify(token)

    assert str(refused.value) == REFUSED


def test_a_forgery_with_nothing_changed_is_a_token() -> None:
    """The attacks above are refused for what each of them changes, and not for how they are made."""
    assert TOKENS.verify(forged()).user_id == 7


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
        TOKENS.verify(signed(json.dumps(header), json.dumps(CLAIMS)))


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


def test_a_clock_that_is_a_little_ahead_does_no_harm() -> None:
    assert TOKENS.verify(issued(ago=-3)).user_id == 7


def test_two_tokens_are_never_the_same() -> None:
    assert issued() != issued()


def test_a_short_key_is_refused_at_the_start() -> None:
    with pytest.raises(ConfigurationError, match="32 bytes") as refused:
        AccessTokens("k" * 31, 900)

    assert "kkk" not in str(refused.value)


def test_the_key_is_in_no_repr() -> None:
    assert KEY not in repr(TOKENS)
    assert KEY not in repr(TOKENS.verify(issued()))
