"""A retry through the API: a new execution that says which one it repeats, once for each key."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = pytest.mark.anyio

BASE = "/api/v1/task-configs"
FAILING: dict[str, Any] = {"task_type": "fail", "parameters": {"message": "as ever"}}


async def ended(house: House, task_id: str) -> Any:
    found = await house.get(f"/executions/{task_id}")
    return found if found["completed_at"] else None


async def failed(house: House, **fields: Any) -> dict[str, Any]:
    """An execution that has failed."""
    run = await house.call("POST", f"{BASE}/{await house.config(**FAILING, **fields)}/run")
    found: dict[str, Any] = await eventually(partial(ended, house, run.body["task_id"]))
    assert found["status"] == "failed"
    return found


async def test_a_retry_answers_a_new_execution_which_runs(house: House) -> None:
    old = await failed(house)

    answer = await house.call("POST", f"/api/v1/executions/{old['task_id']}/retry")

    made = answer.body
    assert (answer.status, answer.headers["Location"]) == (202, f"/api/v1/executions/{made['task_id']}")
    assert (made["trigger"], made["retry_of"], old["retry_of"]) == ("retry", old["task_id"], None)
    again = await eventually(partial(ended, house, made["task_id"]))
    assert (again["status"], again["retry_of"]) == ("failed", old["task_id"])
    assert await house.get(f"/executions/{old['task_id']}") == old


async def test_what_has_succeeded_is_a_conflict(house: House) -> None:
    run = await house.call("POST", f"{BASE}/{await house.config()}/run")
    await eventually(partial(ended, house, run.body["task_id"]))

    answer = await house.call("POST", f"/api/v1/executions/{run.body['task_id']}/retry")

    assert (answer.status, answer.body["code"]) == (409, "state")


async def test_twenty_retries_with_one_key_at_once_are_one_execution(house: House) -> None:
    old = await failed(house)

    path = f"/api/v1/executions/{old['task_id']}/retry"
    answers = await house.at_once(20, "POST", path, None, {"Idempotency-Key": "a nervous click"})

    assert {answer.status for answer in answers} == {202}
    assert len({answer.body["task_id"] for answer in answers}) == 1
    assert await house.sql("SELECT count(*) FROM executions WHERE retry_of::text = $1", old["task_id"]) == 1


@pytest.mark.parametrize("path", ["/api/v1/executions/0/retry", f"/api/v1/executions/{'0' * 32}/retry"])
async def test_no_such_execution_is_not_found(house: House, path: str) -> None:
    assert (await house.call("POST", path)).status == 404


# What is related


async def test_what_repeats_an_execution_without_a_tick_is_found_and_leads_back(house: House) -> None:
    old = await failed(house)
    other = await failed(house)
    made = (await house.call("POST", f"/api/v1/executions/{old['task_id']}/retry")).body

    related = await house.get(f"/executions/{old['task_id']}/related")

    assert [(each["task_id"], each["relation"], each["trigger"]) for each in related["items"]] == [
        (made["task_id"], "retry", "retry")
    ]
    assert (related["total"], related["next_cursor"]) == (1, None)
    assert (await house.get(f"/executions/{other['task_id']}/related"))["items"] == []


async def test_all_executions_of_a_tick_are_related_and_those_of_another_are_not(house: House) -> None:
    every_second = {"scheduler_type": "cron", "schedule_config": {"cron_expression": "* * * * * *"}}
    config = await house.config(**FAILING, **every_second)
    old = await eventually(partial(newest_failed, house, config))
    first = (await house.call("POST", f"/api/v1/executions/{old['task_id']}/retry")).body
    await eventually(partial(ended, house, first["task_id"]))
    second = (await house.call("POST", f"/api/v1/executions/{first['task_id']}/retry")).body

    of_old = (await house.get(f"/executions/{old['task_id']}/related"))["items"]
    of_second = (await house.get(f"/executions/{second['task_id']}/related"))["items"]

    await house.call("DELETE", f"{BASE}/{config}")
    assert {each["task_id"]: each["relation"] for each in of_old} == {
        second["task_id"]: "same_tick",
        first["task_id"]: "retry",
    }
    assert {each["task_id"] for each in of_second} == {old["task_id"], first["task_id"]}
    assert {each["for_tick"] for each in of_second} == {old["tick_at"]}


async def newest_failed(house: House, config: int) -> Any:
    items = (await house.get("/executions", config_id=config, status="failed", limit=1))["items"]
    return items[0] if items else None


async def test_the_parameters_are_shown_with_one_execution_and_in_no_list(house: House) -> None:
    old = await failed(house)

    listed = (await house.get("/executions", config_id=old["config_id"]))["items"]

    assert old["parameters"] == {"message": "as ever"}
    assert "parameters" not in listed[0]
