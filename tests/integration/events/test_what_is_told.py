"""Whoever listens hears what happens: to executions, to configs, in the tree; what they asked for, and no more."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from tests.support.listening import listening

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = pytest.mark.anyio

CONFIGS = "/api/v1/task-configs"
ON_ITS_WAY = ["pending", "queued", "running", "success"]


async def run(house: House, config: int) -> str:
    answer = await house.call("POST", f"{CONFIGS}/{config}/run")
    assert answer.status == 202, answer
    return str(answer.body["task_id"])


async def test_a_run_is_told_of_from_its_beginning_to_its_end(house: House) -> None:
    config = await house.config()
    async with listening(house) as heard:
        task = await run(house, config)
        ended = await heard.hears("execution", task_id=task, status="success")
        await heard.until(lambda: len(heard.of("execution", task_id=task)) == len(ON_ITS_WAY))

    told = heard.of("execution", task_id=task)
    assert sorted(each.data["status"] for each in told) == sorted(ON_ITS_WAY)
    assert [each for each in told if {"config_id", "attempt", "tick_at", "timestamp"} - set(each.data)] == []
    assert ended.data["config_id"] == config
    assert ended.data["duration_seconds"] >= 0


async def test_ticks_are_told_of_with_the_instant_they_were_due(house: House) -> None:
    async with listening(house, types="executions") as heard:
        config = await house.config(scheduler_type="cron", schedule_config={"cron_expression": "* * * * * *"})
        queued = await heard.hears("execution", config_id=config, status="queued")
        await heard.hears("execution", config_id=config, status="success", tick_at=queued.data["tick_at"])
        await house.call("POST", f"{CONFIGS}/{config}/stop")

    row = await house.get(f"/executions/{queued.data['task_id']}")
    assert row["tick_at"].replace("Z", "+00:00") == queued.data["tick_at"]


async def test_whoever_wants_it_brief_is_told_of_a_run_as_others_are(house: House) -> None:
    config = await house.config()
    async with listening(house, types="executions", brief="true") as heard:
        task = await run(house, config)

        await heard.hears("execution", task_id=task, status="success")


async def test_a_task_that_fails_and_is_tried_again_is_told_of_each_time(house: House) -> None:
    policies = {"max_retries": 1, "retry_backoff_seconds": 0.1}
    config = await house.config(task_type="fail", parameters={"message": "by order"}, **policies)
    async with listening(house, types="executions") as heard:
        task = await run(house, config)
        await heard.hears("execution", task_id=task, status="retrying", attempt=1)
        failed = await heard.hears("execution", task_id=task, status="failed", attempt=2)

    assert "by order" in failed.data["error"]


async def test_a_cancelled_run_is_told_of(house: House) -> None:
    config = await house.config(task_type="sleep", parameters={"seconds": 60})
    async with listening(house, types="executions") as heard:
        task = await run(house, config)
        await heard.hears("execution", task_id=task, status="running")
        await house.call("POST", f"/api/v1/executions/{task}/cancel")
        await heard.hears("execution", task_id=task, status="cancelled")


async def test_whatever_is_done_to_a_config_is_told_of(house: House) -> None:
    async with listening(house, types="configs") as heard:
        config = await house.config()
        for action in ("stop", "start", "pause", "resume", "reload"):
            body = {"reason": "lunch"} if action == "pause" else None
            assert (await house.call("POST", f"{CONFIGS}/{config}/{action}", body)).status == 200
        assert (await house.call("PATCH", f"{CONFIGS}/{config}", {"description": "edited"})).status == 200
        assert (await house.call("DELETE", f"{CONFIGS}/{config}")).status == 204
        await heard.hears("config", config_id=config, action="deleted")

    actions = [each.data["action"] for each in heard.of("config", config_id=config)]
    assert actions == ["created", "stopped", "started", "paused", "resumed", "reloaded", "updated", "deleted"]
    assert heard.of("config", config_id=config, action="paused")[0].data["reason"] == "lunch"


async def test_a_config_that_has_fired_for_the_last_time_is_told_of(house: House) -> None:
    run_date = (datetime.now(UTC) + timedelta(seconds=5)).isoformat()
    async with listening(house) as heard:
        config = await house.config(scheduler_type="date", schedule_config={"run_date": run_date})
        await heard.hears("execution", config_id=config, status="success")
        stopped = await heard.hears("config", config_id=config, action="stopped")

    assert stopped.data["reason"] == "no_tick_left"
    assert (await house.get(f"{CONFIGS.removeprefix('/api/v1')}/{config}"))["status"] == "inactive"


async def test_ticks_that_wait_their_turn_are_told_of_as_pending(house: House) -> None:
    one_by_one = {"overlap": "buffer_all", "task_type": "sleep", "parameters": {"seconds": 1.5}}
    every_second = {"scheduler_type": "cron", "schedule_config": {"cron_expression": "* * * * * *"}}
    async with listening(house, types="executions") as heard:
        config = await house.config(**one_by_one, **every_second)
        waiting = await heard.hears("execution", config_id=config, status="pending")
        await heard.hears("execution", task_id=waiting.data["task_id"], status="queued")
        await house.call("POST", f"{CONFIGS}/{config}/stop")

    assert waiting.data["tick_at"] is not None


async def test_a_restart_in_the_tree_is_told_of_as_the_supervisors_own_list_has_it(house: House) -> None:
    async with listening(house, types="supervision") as heard:
        house.supervisor.kill("cleanup")
        told = await heard.hears("supervision", child="cleanup", event="child.restarted")

    (listed,) = (await house.get("/system/events", after=told.data["seq"] - 1, limit=1))["items"]
    same = ("seq", "event", "level", "child", "incarnation", "downtime_ms")
    assert {name: told.data[name] for name in same} == {name: listed[name] for name in same}
    assert told.data["process"] == house.resources.worker_id


async def test_who_asks_for_one_config_hears_of_no_other(house: House) -> None:
    wanted, other = await house.config(), await house.config()
    async with listening(house, config_id=str(wanted)) as heard:
        await run(house, other)
        house.supervisor.kill("cleanup")
        task = await run(house, wanted)
        await heard.hears("execution", task_id=task, status="success")

    assert {each.data["config_id"] for each in heard.events} == {wanted}


async def test_who_asks_for_one_type_hears_of_no_other(house: House) -> None:
    async with listening(house, types="configs") as heard:
        config = await house.config()
        await run(house, config)
        await house.call("POST", f"{CONFIGS}/{config}/stop")
        await heard.hears("config", config_id=config, action="stopped")

    assert {each.event for each in heard.events} == {"config"}


async def test_a_long_text_is_cut_short_and_stands_in_the_execution(house: House) -> None:
    config = await house.config(task_type="fail", parameters={"message": "x" * 5000})
    async with listening(house, types="executions") as heard:
        task = await run(house, config)
        failed = await heard.hears("execution", task_id=task, status="failed")

    assert len(failed.data["error"]) < 400
    assert len((await house.get(f"/executions/{task}"))["error"]) > 5000


@pytest.mark.parametrize("query", [{"types": "users"}, {"types": ""}, {"config_id": "0"}, {"since": "1"}])
async def test_what_there_is_not_cannot_be_asked_for(house: House, query: dict[str, str]) -> None:
    answer = await house.call("GET", "/api/v1/events", **query)

    assert (answer.status, answer.faults) == (422, set(query))


async def test_the_answer_asks_everybody_on_its_way_to_pass_it_on_at_once(house: House) -> None:
    async with listening(house) as heard:
        pass

    named = ("Content-Type", "Cache-Control", "X-Accel-Buffering")
    assert [heard.headers[name] for name in named] == ["text/event-stream", "no-store", "no"]
    assert "Content-Length" not in heard.headers
