"""What a task says of itself is seen while it runs: in the stream, on the execution, and as the lines it has logged."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

import tests.support.tasks  # noqa: F401 - task types
from tests.support.listening import listening
from tests.support.processes import running
from tests.support.tree import a_tree
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.support.tree import House

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


async def started(house: House, task_type: str, **parameters: Any) -> tuple[int, str]:
    config = await house.config(task_type=task_type, parameters=parameters, max_retries=0)
    run = await house.call("POST", f"/api/v1/task-configs/{config}/run")
    return config, str(run.body["task_id"])


async def ended(house: House, task_id: str) -> Any:
    async def look() -> Any:
        execution = await house.get(f"/executions/{task_id}")
        return execution if execution["completed_at"] else None

    return await eventually(look, within=40)


async def log_of(house: House, task_id: str, number: int) -> Any:
    """The log of an execution, once it has so many lines."""

    async def look() -> Any:
        log = await house.get(f"/executions/{task_id}/logs")
        return log if log["total"] >= number else None

    return await eventually(look, within=40)


async def test_progress_and_lines_are_heard_and_read_while_the_task_runs(house: House, tmp_path: Path) -> None:
    mark = tmp_path / "go"
    async with listening(house, types="progress,logs", token=await house.token("viewer")) as heard:
        config, task_id = await started(house, "test.reports", mark=str(mark), name="it")
        progress = await heard.hears("progress", task_id=task_id)
        await heard.hears("log", task_id=task_id)
        log = await log_of(house, task_id, 2)
        running = await house.get(f"/executions/{task_id}")
        active = await house.get("/executions/active")
        mark.write_text("")
        await heard.hears("progress", task_id=task_id, progress=1)

    lines = [line for event in heard.of("log", task_id=task_id) for line in event.data["lines"]]
    assert {event.event for event in heard.events} == {"progress", "log"}
    assert (progress.data["config_id"], progress.data["attempt"], progress.data["message"]) == (config, 1, "it begins")
    assert [line["text"] for line in lines][:2] == ["it speaks", "it speaks from a thread"]
    assert (running["status"], running["progress"], running["progress_message"]) == ("running", 0.25, "it begins")
    assert [each["progress"] for each in active["items"] if each["task_id"] == task_id] == [0.25]
    assert (log["attempt"], log["attempts"], log["dropped"], log["total"]) == (1, [1], 0, 2)
    assert [(line["number"], line["level"], line["logger"]) for line in log["items"]] == [
        (1, "info", "app.reports"), (2, "warning", "app.thread"),
    ]  # fmt: skip


async def test_lines_are_read_on_from_where_one_has_stopped(house: House) -> None:
    _, task_id = await started(house, "test.noisy", lines=3000)
    await ended(house, task_id)

    log = await house.get(f"/executions/{task_id}/logs")
    rest = await house.get(f"/executions/{task_id}/logs", attempt=1, after=2998)
    early = await house.get(f"/executions/{task_id}/logs", after=10)
    none = await house.get(f"/executions/{task_id}/logs", after=2**40)

    assert log["total"] == 3000
    assert log["items"][0]["number"] == log["dropped"] + 1
    assert [line["text"] for line in rest["items"]] == ["line 002999 of many", "line 003000 of many"]
    assert early["items"] == log["items"]
    assert none["items"] == []


async def test_an_execution_that_has_said_nothing_has_an_empty_log(house: House) -> None:
    _, task_id = await started(house, "echo", message="hello")
    execution = await ended(house, task_id)

    log = await house.get(f"/executions/{task_id}/logs")
    other = await house.get(f"/executions/{task_id}/logs", attempt=9)

    nothing = {"task_id": task_id, "attempts": [], "items": [], "dropped": 0, "total": 0}
    assert log == nothing | {"attempt": 1}
    assert other == nothing | {"attempt": 9}
    assert (execution["progress"], execution["progress_message"]) == (None, None)


@pytest.mark.parametrize(
    ("query", "field"), [({"attempt": 0}, "attempt"), ({"after": -1}, "after"), ({"limit": 5}, "limit")]
)
async def test_a_query_that_makes_no_sense_is_refused(house: House, query: dict[str, Any], field: str) -> None:
    answer = await house.call("GET", "/api/v1/executions/018f0000-0000-7000-8000-000000000000/logs", **query)

    assert (answer.status, answer.faults) == (422, {field})


@asynccontextmanager
async def a_house_and_a_worker(emptied_ledger: str, redis_url: str, prefix: str, folder: Path) -> AsyncIterator[Any]:
    """The API in this process, and `horarium worker` in one of its own."""
    known = {"database_url": emptied_ledger, "redis_url": redis_url, "key_prefix": prefix}
    async with a_tree(emptied_ledger, redis_url, prefix, inline_worker="0") as house:
        with running(folder, "worker", task_modules="tests.support.tasks", drain_seconds=0, **known) as worker:
            yield house, worker


async def test_a_worker_that_is_killed_leaves_what_its_tasks_said_and_plain_functions_are_heard_as_all(
    emptied_ledger: str, redis_url: str, redis_prefix: str, tmp_path: Path
) -> None:
    house_and_worker = a_house_and_a_worker(emptied_ledger, redis_url, redis_prefix, tmp_path / "data")
    async with house_and_worker as (house, worker):
        config, plain = await started(house, "test.plain_speaks")
        await ended(house, plain)
        _, task_id = await started(house, "test.reports", mark=str(tmp_path / "never"), name="it")
        await log_of(house, task_id, 3)
        await asyncio.to_thread(worker.kill)

        log = await house.get(f"/executions/{task_id}/logs")
        of_plain = await house.get(f"/executions/{plain}/logs")
        execution = await house.get(f"/executions/{task_id}")

    assert [line["text"] for line in log["items"]] == [
        "it speaks",
        "it speaks from a thread",
        "spoke who=it password=***",
    ]
    assert execution["progress"] == 0.25
    assert [line["text"] for line in of_plain["items"]] == ["plain words", "plain.event size=3 token=***"]
    assert "plain words" not in worker.log, "it is INFO, of a library to us"
    (event,) = (line for line in worker.events if line["event"] == "plain.event")
    assert (event["task_id"], event["config_id"], event["attempt"]) == (plain, config, 1), "the ids come along"
