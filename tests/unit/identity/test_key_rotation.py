"""Changing the signing key under several supervisors: published, signing, retired, and no user notices."""

from __future__ import annotations

from datetime import UTC, datetime

import jwt
import pytest

from horarium.errors import Unauthorized
from horarium.identity.access_tokens import AccessTokens

OLD = "the old key, which has 32 bytes or more"
NEW = "the new key, which has 32 bytes or more"

BEFORE = AccessTokens(OLD, 900)
PUBLISHED = AccessTokens(OLD, 900, accepted=(NEW,))
SIGNING = AccessTokens(NEW, 900, accepted=(OLD,))
RETIRED = AccessTokens(NEW, 900)


def token_of(supervisor: AccessTokens) -> str:
    return supervisor.issue(7, 1, now=datetime.now(UTC))[0]


@pytest.mark.parametrize(
    ("step", "running"),
    [
        ("publishing", (BEFORE, PUBLISHED)),
        ("signing", (PUBLISHED, SIGNING)),
        ("retiring", (SIGNING, RETIRED)),
    ],
)
def test_during_each_step_every_supervisor_accepts_what_any_other_issues(
    step: str, running: tuple[AccessTokens, ...]
) -> None:
    """Restarted one at a time, some are a step ahead of others: never more than one step."""
    users = [verifier.verify(token_of(issuer)).user_id for issuer in running for verifier in running]

    assert users == [7] * 4, step


def test_a_token_of_the_old_key_is_good_until_that_key_is_retired() -> None:
    token = token_of(BEFORE)

    assert SIGNING.verify(token).user_id == 7
    with pytest.raises(Unauthorized):
        RETIRED.verify(token)


def test_a_step_left_out_is_what_users_would_notice() -> None:
    with pytest.raises(Unauthorized):
        BEFORE.verify(token_of(SIGNING))


def test_each_key_is_named_by_a_kid_of_its_own_that_does_not_depend_on_its_part() -> None:
    kids = [jwt.get_unverified_header(token_of(each))["kid"] for each in (BEFORE, PUBLISHED, SIGNING, RETIRED)]

    assert kids[0] == kids[1] != kids[2] == kids[3]


def test_a_token_of_one_key_under_the_kid_of_another_is_refused() -> None:
    """Both keys are accepted, and yet a kid stands for one of them."""
    claims = jwt.decode(token_of(BEFORE), options={"verify_signature": False})
    kid = jwt.get_unverified_header(token_of(RETIRED))["kid"]

    with pytest.raises(Unauthorized):
        SIGNING.verify(jwt.encode(claims, OLD, algorithm="HS256", headers={"typ": "at+jwt", "kid": kid}))


def test_a_key_that_signs_may_be_listed_as_accepted_too() -> None:
    both = AccessTokens(NEW, 900, accepted=(NEW, OLD))

    assert RETIRED.verify(token_of(both)).user_id == 7
