"""What a config sends along stays with the origin it was written for, wherever that sends its requests on to."""

from __future__ import annotations

import pytest

from tests.support.places import OUTSIDE, Place, anyio_backend, get, opened, outside

__all__ = ["anyio_backend", "outside"]

pytestmark = pytest.mark.anyio

SECRETS = {"authorization": "Bearer s", "cookie": "a=s", "x-api-key": "s", "proxy-authorization": "s", "host": "inside"}
PLAIN = {"accept": "text/plain", "user-agent": "ours", "content-type": "text/plain"}


def sent(place: Place, visit: int = 0) -> set[str]:
    """Which of a config's secrets came with a visit."""
    return {name for name, value in SECRETS.items() if place.seen[visit].get(name) == value}


async def test_headers_of_a_config_are_kept_within_its_origin(outside: Place) -> None:
    outside.onward = ["/elsewhere"]

    await get(opened(), str(outside.make_url("/")), **SECRETS, **PLAIN)

    assert sent(outside, 0) == sent(outside, 1) == set(SECRETS)


async def test_headers_of_a_config_do_not_follow_to_another_origin(outside: Place) -> None:
    async with Place(OUTSIDE) as other:
        outside.onward = [str(other.make_url("/"))]

        await get(opened(), str(outside.make_url("/")), **SECRETS, **PLAIN)

        assert sent(outside) == set(SECRETS)
        assert sent(other) == set()
        assert {name: other.seen[0][name] for name in PLAIN} == PLAIN
        assert other.seen[0]["host"] == f"{OUTSIDE}:{other.port}"


async def test_headers_of_a_config_stay_away_when_a_redirect_leads_back(outside: Place) -> None:
    async with Place(OUTSIDE) as other:
        other.onward = [str(outside.make_url("/"))]
        outside.onward = [str(other.make_url("/"))]

        await get(opened(), str(outside.make_url("/")), **SECRETS)

        assert sent(outside, 1) == set()


async def test_a_password_in_the_url_does_not_follow_to_another_origin(outside: Place) -> None:
    async with Place(OUTSIDE) as other:
        outside.onward = [str(other.make_url("/"))]

        await get(opened(), str(outside.make_url("/").with_user("u").with_password("p")))

        assert "authorization" in outside.seen[0]
        assert "authorization" not in other.seen[0]
