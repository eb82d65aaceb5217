"""What `HORARIUM_HTTP_ALLOW` says reaches the worker that sends the requests."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.tree import a_tree
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.tree import House

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
async def opened(shared_database: str, redis_url: str) -> AsyncIterator[House]:
    async with a_tree(shared_database, redis_url, f"test-{uuid.uuid4().hex}:", http_allow="127.0.0.0/8") as made:
        yield made


async def asks_itself(house: House) -> Any:
    """The execution of a request to the house's own API, once it has ended."""
    request = {"task_type": "http_request", "parameters": {"url": f"{house.url}/livez"}}
    config = await house.config(name=f"request {uuid.uuid4()}", **request)
    run = await house.call("POST", f"/api/v1/task-configs/{config}/run")

    async def ended() -> Any:
        found = await house.get(f"/executions/{run.body['task_id']}")
        return found if found["completed_at"] else None

    return await eventually(ended)


async def test_our_own_api_is_not_reached_by_itself(house: House) -> None:
    done = await asks_itself(house)

    assert done["status"] == "failed"
    assert "127.0.0.1 is loopback" in done["error"]


async def test_what_is_opened_is_reached(opened: House) -> None:
    done = await asks_itself(opened)

    assert (done["status"], done["result"]["status"]) == ("success", 200)
