"""A stream ends when its caller may listen no more, and lets go when the client leaves or the API stops."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from horarium.actors import api
from horarium.clock import utc_now
from horarium.http import streams
from tests.support.listening import Listener, listening
from tests.support.tree import a_tree
from tests.support.waiting import WAIT_SECONDS, eventually, report

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = pytest.mark.anyio


async def ends(heard: Listener) -> None:
    """Wait for the end of the stream."""
    began = time.monotonic()
    with anyio.fail_after(WAIT_SECONDS):
        await heard.ended.wait()
    report(f"ended after {time.monotonic() - began:.1f} s")


async def user_of(house: House, token: str) -> int:
    return int((await house.get("/auth/me", token=token))["id"])


async def test_it_ends_with_the_logout(house: House) -> None:
    token = await house.logged_in()
    async with listening(house, token=token) as heard:
        assert (await house.call("POST", "/api/v1/auth/logout", token=token)).status == 204
        await ends(heard)


@pytest.mark.parametrize("change", [{"is_active": False}, {"role": "operator"}], ids=["disabled", "another role"])
async def test_it_ends_when_the_user_is_changed(house: House, change: dict[str, Any]) -> None:
    token = await house.logged_in()
    user = await user_of(house, token)
    async with listening(house, token=token) as heard:
        assert (await house.call("PATCH", f"/api/v1/users/{user}", change)).status == 200
        await ends(heard)


async def test_it_ends_when_the_user_is_deleted(house: House) -> None:
    token = await house.logged_in()
    user = await user_of(house, token)
    async with listening(house, token=token) as heard:
        assert (await house.call("DELETE", f"/api/v1/users/{user}")).status == 204
        await ends(heard)


async def test_it_ends_when_the_api_key_is_taken_back(house: House) -> None:
    key = await house.api_key()
    async with listening(house, token=key["key"]) as heard:
        assert (await house.call("DELETE", f"/api/v1/api-keys/{key['id']}")).status == 204
        await ends(heard)


async def test_it_ends_when_the_token_has_run_out(house: House) -> None:
    user = await house.user()
    lifetime = timedelta(seconds=house.resources.settings.access_token_seconds)
    nearly_over = utc_now() - lifetime + timedelta(seconds=5)
    token, expires_at = house.resources.access_tokens.issue(user, 1, now=nearly_over)
    async with listening(house, token=token) as heard:
        await ends(heard)

    late = (utc_now() - expires_at).total_seconds()
    report(f"ended {late:.2f} s after the token")
    assert 0 <= late < streams.RECHECK_SECONDS, "it was seen to, and not found out"


async def test_others_hear_on_when_one_stream_ends(house: House) -> None:
    token = await house.logged_in()
    async with listening(house) as other, listening(house, token=token) as heard:
        await house.call("POST", "/api/v1/auth/logout", token=token)
        await ends(heard)
        config = await house.config()
        await other.hears("config", config_id=config)

    assert not heard.of("config", config_id=config)


async def test_open_streams_do_not_hold_up_an_api_that_stops(
    emptied_ledger: str, redis_url: str, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would wait for each answer that is under way."""
    monkeypatch.setattr(api, "SHUTDOWN_SECONDS", 2 * WAIT_SECONDS)
    async with (
        a_tree(emptied_ledger, redis_url, redis_prefix) as house,
        listening(house) as one,
        listening(house) as two,
    ):
        house.supervisor.restart("api", because="a test asked for it")
        await ends(one)
        await ends(two)


async def test_a_client_that_leaves_makes_room_at_once_for_another(
    emptied_ledger: str, redis_url: str, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "connection_limit", lambda: 2 * streams.SHARE)
    async with a_tree(emptied_ledger, redis_url, redis_prefix) as house:

        async def one_more() -> int:
            return (await house.call("GET", "/api/v1/events")).status

        async def there_is_room() -> bool:
            return await one_more() == 200

        async with listening(house):
            async with listening(house):
                refused = await house.call("GET", "/api/v1/events")
                others = await house.call("GET", "/api/v1/system/status")
            await eventually(there_is_room)

    assert (refused.status, refused.body["code"], refused.headers["Retry-After"]) == (503, "unavailable", "10")
    assert others.status == 200
