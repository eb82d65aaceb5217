"""Something blocks the event loop of the real tree: whoever asks over HTTP is told, while it lasts."""

from __future__ import annotations

import http.client
import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from horarium.http.stand_in import StandIn
from tests.support.tree import a_tree
from tests.support.waiting import WAIT_SECONDS, eventually, until

if TYPE_CHECKING:
    from collections.abc import Sequence

    from structlog.typing import EventDict

    from tests.support.tree import House

pytestmark = pytest.mark.anyio

LIMIT_SECONDS = 1.0
IN_VAIN_SECONDS = 3.0


def ask(url: str, patience: float = WAIT_SECONDS) -> tuple[int, Any]:
    """GET, without any event loop."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=patience)
    try:
        connection.request("GET", parts.path)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        connection.close()


def block_the_loop_until_answered(url: str, patience: float = WAIT_SECONDS) -> tuple[int, Any]:
    """Ask from another thread, and wait for it as no coroutine should."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(ask, url, patience).result()


def block_the_loop_until_answered_and_told(
    url: str, lines: Sequence[EventDict]
) -> tuple[tuple[int, Any], list[EventDict]]:
    """The same until the log has told of it, too: two threads see to these, and either may be the first."""
    with ThreadPoolExecutor(1) as thread:
        answer = thread.submit(ask, url).result()
    return answer, until(lambda: [line for line in lines if line["event"] == "loop.stalled"])


async def is_alive(house: House) -> bool:
    return (await house.call("GET", "/livez", token=None)).status == 200


async def has_recorded(house: House, event: str) -> bool:
    recent = (await house.get("/system/status"))["recent_events"]
    return event in [each["event"] for each in recent]


async def test_livez_is_503_while_the_loop_is_blocked_and_200_when_it_is_back(
    emptied_ledger: str, redis_url: str, redis_prefix: str
) -> None:
    async with a_tree(emptied_ledger, redis_url, redis_prefix, stall_limit=LIMIT_SECONDS) as house:
        assert await is_alive(house)

        with capture_logs() as lines:
            (status, said), told = block_the_loop_until_answered_and_told(f"{house.url}/livez", lines)
        await eventually(lambda: is_alive(house))
        await eventually(lambda: has_recorded(house, "loop.recovered"))

    assert (status, said["code"]) == (503, "unavailable")
    assert said["detail"].startswith("the event loop has been blocked for ")
    assert "in block_the_loop_until_answered_and_told\n" in told[0]["stack"]


async def test_without_the_stand_in_nobody_is_answered_while_the_loop_is_blocked(
    emptied_ledger: str, redis_url: str, redis_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard taken out: the same question runs into its timeout."""
    monkeypatch.setattr(StandIn, "_stand_by", lambda _self, _listeners, ready: ready())

    async with a_tree(emptied_ledger, redis_url, redis_prefix, stall_limit=LIMIT_SECONDS) as house:
        with pytest.raises(TimeoutError):
            block_the_loop_until_answered(f"{house.url}/livez", IN_VAIN_SECONDS)

        await eventually(lambda: is_alive(house))


async def test_a_killed_api_gets_a_stand_in_again(emptied_ledger: str, redis_url: str, redis_prefix: str) -> None:
    async with a_tree(emptied_ledger, redis_url, redis_prefix, stall_limit=LIMIT_SECONDS) as house:
        house.supervisor.kill("api")

        async def is_back() -> bool:
            snapshot = house.supervisor.snapshot().find("api")
            return snapshot is not None and snapshot.restarts == 1 and snapshot.state == "running"

        await eventually(is_back)
        status, _ = block_the_loop_until_answered(f"{house.url}/livez")

    assert status == 503
