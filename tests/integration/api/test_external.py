"""What an app has kicked, over the API: known by its message's id in every answer and to every route."""

from __future__ import annotations

import uuid
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
from taskiq.kicker import AsyncKicker

from tests.support.listening import listening
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = pytest.mark.anyio

BASE = "/api/v1/executions"


async def kick(house: House, name: str, **parameters: Any) -> str:
    """The id of a message that an app has sent."""
    sent = await AsyncKicker(task_name=name, broker=house.resources.sender, labels={}).kiq(**parameters)
    return str(uuid.UUID(sent.task_id))


async def seen(house: House, task_id: str, *statuses: str) -> Any:
    answer = await house.call("GET", f"{BASE}/{task_id}")
    return answer.body if answer.status == 200 and answer.body["status"] in statuses else None


async def test_it_is_found_by_the_id_that_the_app_knows(house: House) -> None:
    task_id = await kick(house, "echo", message="hello")

    found = await eventually(partial(seen, house, task_id, "success"))

    assert (found["task_id"], found["trigger"], found["config_id"]) == (task_id, "external", None)
    assert found["message_id"] == uuid.UUID(task_id).hex
    assert found["result"] == {"message": "hello"}


async def test_lists_are_narrowed_to_it_and_go_on_in_the_order_of_the_rows(house: House) -> None:
    kicked = [await kick(house, "echo", message=str(number)) for number in range(3)]
    for task_id in kicked:
        await eventually(partial(seen, house, task_id, "success"))

    first = await house.call("GET", f"{BASE}?trigger=external&limit=2")
    rest = await house.call("GET", f"{BASE}?trigger=external&limit=200&cursor={first.body['next_cursor']}")

    listed = [each["task_id"] for each in first.body["items"] + rest.body["items"]]
    assert len(listed) == len(set(listed)) == first.body["total"]
    assert set(listed) >= set(kicked)


async def test_it_is_cancelled_by_that_id(house: House) -> None:
    task_id = await kick(house, "sleep", seconds=60)
    await eventually(partial(seen, house, task_id, "running"))

    answer = await house.call("POST", f"{BASE}/{task_id}/cancel")

    assert (answer.status, answer.body["task_id"]) == (200, task_id)
    ended = await eventually(partial(seen, house, task_id, "cancelled"))
    assert ended["reason"] == "requested"


async def test_a_retry_kicks_it_once_more_once_for_each_key(house: House) -> None:
    task_id = await kick(house, "fail", message="as ever")
    await eventually(partial(seen, house, task_id, "failed"))

    answers = await house.at_once(10, "POST", f"{BASE}/{task_id}/retry", None, {"Idempotency-Key": "a key"})

    made = {answer.body["task_id"] for answer in answers}
    assert ({answer.status for answer in answers}, len(made)) == ({202}, 1)
    again = await eventually(partial(seen, house, made.pop(), "failed"))
    assert (again["trigger"], again["retry_of"], again["message_id"]) == ("retry", task_id, None)
    assert again["error"].endswith("as ever")
    other = await house.call("POST", f"{BASE}/{task_id}/retry", headers={"Idempotency-Key": "another"})
    assert other.body["task_id"] != again["task_id"]


async def test_its_live_events_bear_the_same_id_and_the_last_of_them_how_long_it_took(house: House) -> None:
    async with listening(house, types="executions") as heard:
        task_id = await kick(house, "sleep", seconds=60)
        running = await heard.hears("execution", task_id=task_id, status="running")
        await house.call("POST", f"{BASE}/{task_id}/cancel")
        ended = await heard.hears("execution", task_id=task_id, status="cancelled")

    assert running.data["config_id"] is None
    assert ended.data["reason"] == "requested"
    assert ended.data["duration_seconds"] > 0
