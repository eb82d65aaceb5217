"""Logging in over HTTP: what guesses cost and whose they are, and what the end of a session answers."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import pytest

from tests.support.tree import PASSWORD, Answer, House, a_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def house(shared_database: str, redis_url: str) -> AsyncIterator[House]:
    """One behind a proxy on this machine."""
    prefix = f"test-{uuid.uuid4().hex}:"
    async with a_tree(shared_database, redis_url, prefix, trusted_proxies="127.0.0.0/8") as made:
        yield made


async def log_in(house: House, username: str, password: str = "wrong", *, address: str = "") -> Answer:  # noqa: S107
    headers = {"X-Forwarded-For": address} if address else {}
    body = {"username": username, "password": password}
    return await house.call("POST", "/api/v1/auth/login", body, token=None, headers=headers)


async def post(house: House, path: str, refresh_token: str, key: str | None = None) -> Answer:
    headers = {} if key is None else {"Idempotency-Key": key}
    body = {"refresh_token": refresh_token}
    return await house.call("POST", f"/api/v1/auth/{path}", body, token=None, headers=headers)


@pytest.mark.parametrize("username", ["admin", "nobody"])
async def test_too_many_guesses_are_answered_with_when_to_come_back(house: House, username: str) -> None:
    first = [(await log_in(house, username, address="192.0.2.1")).status for _ in range(10)]

    answer = await log_in(house, username, PASSWORD, address="192.0.2.1")

    assert first == [401] * 10
    assert (answer.status, answer.body["code"]) == (429, "too_many_requests")
    assert answer.headers["Content-Type"] == "application/problem+json"
    seconds = int(answer.headers["Retry-After"])
    assert 0 < seconds <= 60
    assert answer.body["detail"] == f"too many attempts; try again in {seconds} s"


async def test_guesses_are_those_of_the_client_that_the_proxy_names(house: House) -> None:
    for _ in range(11):
        turned_away = await log_in(house, "somebody", address="6.6.6.6, 192.0.2.7")

    assert turned_away.status == 429
    assert (await log_in(house, "somebody", address="192.0.2.8")).status == 401
    assert (await log_in(house, "somebody", address="7.7.7.7, 192.0.2.7")).status == 429


async def test_the_end_of_one_session_is_answered_alike_for_any_token(house: House) -> None:
    pair = (await log_in(house, "admin", PASSWORD, address="192.0.2.9")).body

    known = await post(house, "revoke", pair["refresh_token"])
    unknown = await post(house, "revoke", "unknown")

    assert (known.status, known.body) == (unknown.status, unknown.body) == (204, None)
    assert (await post(house, "refresh", pair["refresh_token"])).status == 401


async def test_a_refresh_token_is_good_once_and_its_replay_ends_the_session_at_once(house: House) -> None:
    pair = (await log_in(house, "admin", PASSWORD, address="192.0.2.9")).body
    renewed = await post(house, "refresh", pair["refresh_token"])

    replayed = await post(house, "refresh", pair["refresh_token"])

    after = await post(house, "refresh", renewed.body["refresh_token"])
    assert [answer.status for answer in (renewed, replayed, after)] == [200, 401, 401]


async def test_a_retry_under_the_same_key_gets_the_same_refresh_token(house: House) -> None:
    pair = (await log_in(house, "admin", PASSWORD, address="192.0.2.9")).body

    first, again = [await post(house, "refresh", pair["refresh_token"], "my call") for _ in range(2)]

    assert first.body["refresh_token"] == again.body["refresh_token"] != pair["refresh_token"]
    assert first.headers["Cache-Control"] == again.headers["Cache-Control"] == "no-store"
