"""`horarium execution` as a user has it: processes, what they print, how they end, what becomes of the execution."""

from __future__ import annotations

import json
import uuid
from itertools import count
from typing import TYPE_CHECKING, Any

import anyio
import pytest

import tests.support.tasks  # noqa: F401 - task types
from horarium.client import open_client
from horarium.commands.following import Follower
from horarium.settings import load_settings
from tests.integration.client.test_commands import login, run
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.commands import Run
    from tests.support.tree import House

__all__ = ["login"]

pytestmark = pytest.mark.anyio

NUMBERS = count(1)


@pytest.fixture
def name() -> str:
    """A name that no config has."""
    return f"ledger {next(NUMBERS)}"


async def started(house: House, config_id: int) -> str:
    """The id of a new execution."""
    return str((await house.call("POST", f"/api/v1/task-configs/{config_id}/run")).body["task_id"])


async def final(house: House, task_id: str) -> dict[str, Any]:
    """The execution, once it is final."""

    async def look() -> dict[str, Any]:
        execution = dict(await house.get(f"/executions/{task_id}"))
        return execution if execution["completed_at"] else {}

    return await eventually(look)


async def test_executions_are_listed_newest_first_by_their_ids_with_the_names_of_their_configs(
    house: House, login: Path, name: str
) -> None:
    config_id = await house.config(name=name)
    ids = [await started(house, config_id) for _ in range(3)]
    for task_id in ids:
        await final(house, task_id)

    table = await run("execution", "list", "--config", name, "--limit", "2", config_dir=login)
    lines = await run("execution", "list", "--config", name, "--json", config_dir=login)

    heading, *rows = table.out.splitlines()
    assert heading.split("  ")[0] == "TASK ID"
    assert [row.split()[:2] for row in rows] == [[task_id, "success"] for task_id in ids[:0:-1]]
    assert all(name in row for row in rows)
    assert table.err == "2 of 3 shown; --limit 0 shows all\n"
    assert [json.loads(line)["task_id"] for line in lines.out.splitlines()] == ids[::-1]
    assert "config_name" not in json.loads(lines.out.splitlines()[0])


async def test_a_config_that_is_deleted_still_gives_its_executions_a_name(house: House, login: Path, name: str) -> None:
    config_id = await house.config(name=name)
    task_id = (await final(house, await started(house, config_id)))["task_id"]
    await house.call("DELETE", f"/api/v1/task-configs/{config_id}")

    page = await run("execution", "show", task_id, config_dir=login)

    assert f"{name} ({config_id})" in page.out


async def test_the_filters_are_those_of_the_api(house: House, login: Path, name: str) -> None:
    config_id = await house.config(name=name, task_type="fail", parameters={"message": "no luck"})
    task_id = (await final(house, await started(house, config_id)))["task_id"]
    of_it = ("execution", "list", "--config", str(config_id), "--json")

    failed = await run(*of_it, "--status", "failed", "--trigger", "manual", "--since", "5m", config_dir=login)
    succeeded = await run(*of_it, "--status", "success", config_dir=login)
    earlier = await run(*of_it, "--until", "5m", config_dir=login)
    unknown = await run(*of_it, "--status", "broken", config_dir=login)

    assert json.loads(failed.out)["task_id"] == task_id
    assert (succeeded.out, earlier.out) == ("", "")
    assert (unknown.code, unknown.out) == (1, "")


async def test_a_page_of_a_failed_one_has_its_attempts_and_its_traceback(house: House, login: Path, name: str) -> None:
    retried = {"max_retries": 1, "retry_backoff_seconds": 0}
    config_id = await house.config(name=name, task_type="fail", parameters={"message": "no luck"}, **retried)
    task_id = (await final(house, await started(house, config_id)))["task_id"]

    page = await run("execution", "show", task_id, config_dir=login)
    answer = await run("execution", "show", task_id, "--json", config_dir=login)

    lines = page.out.splitlines()
    assert lines[0] == f"{task_id}  failed"
    assert f"  Config   {name} ({config_id})" in lines
    assert [line.split()[:2] for line in lines if line.startswith(("  1  ", "  2  "))] == [
        ["1", "failed"],
        ["2", "failed"],
    ]
    assert "    Traceback (most recent call last):" in lines
    assert lines[-1].endswith("TaskFailed: no luck")
    assert json.loads(answer.out) == await house.get(f"/executions/{task_id}")


async def test_one_that_runs_is_stopped_and_one_that_is_final_is_not(house: House, login: Path, name: str) -> None:
    config_id = await house.config(name=name, task_type="sleep", parameters={"seconds": 50})
    task_id = await started(house, config_id)

    async def runs() -> bool:
        return bool((await house.get(f"/executions/{task_id}"))["status"] == "running")

    await eventually(runs)
    stopped = await run("execution", "cancel", task_id, config_dir=login)
    ended = await final(house, task_id)
    again = await run("execution", "cancel", task_id, config_dir=login)

    assert (stopped.code, ended["status"], again.code) == (0, "cancelled", 1)
    assert task_id in stopped.out
    assert "cancelled already" in again.err


@pytest.mark.parametrize("action", ["show", "cancel"])
async def test_an_id_that_nothing_has_is_code_5_and_what_is_no_id_code_2(action: str, login: Path) -> None:
    unknown = await run("execution", action, str(uuid.uuid4()), config_dir=login)
    no_id = await run("execution", action, "latest", config_dir=login)

    assert (unknown.code, no_id.code) == (5, 2)


async def test_what_a_task_has_said_is_printed_and_followed_to_its_end(
    house: House, login: Path, name: str, tmp_path: Path
) -> None:
    mark = tmp_path / "go"
    policies = {"max_retries": 1, "retry_backoff_seconds": 0}
    config_id = await house.config(
        name=name, task_type="test.reports", parameters={"mark": str(mark), "name": "it"}, **policies
    )
    failing = await house.config(name=f"{name} fails", task_type="test.reports_then_fails", **policies, parameters={})
    task_id, failed = await started(house, config_id), await started(house, failing)

    async with anyio.create_task_group() as group:
        followed: list[Run] = []

        async def follow() -> None:
            followed.append(await run("execution", "logs", task_id, "--follow", config_dir=login))

        group.start_soon(follow)
        await eventually(lambda: logged(house, task_id, 2))
        shown = await run("execution", "show", task_id, config_dir=login)
        mark.write_text("")
    await final(house, failed)
    newest = await run("execution", "logs", failed, config_dir=login)
    first = await run("execution", "logs", failed, "--attempt", "1", "--json", config_dir=login)
    every = await run("execution", "logs", failed, "-f", config_dir=login)

    assert [line.split("  ", 1)[1] for line in followed[0].out.splitlines()] == [
        "info      app.reports  it speaks",
        "warning   app.thread  it speaks from a thread",
    ]
    assert ["Progress", "25%", "it", "begins"] in [line.split() for line in shown.out.splitlines()]
    assert "attempt 2" in newest.out.splitlines()[0]
    assert "    Traceback (most recent call last):" in newest.out.splitlines()
    assert [json.loads(line)["attempt"] for line in first.out.splitlines()] == [1, 1]
    assert ["attempt 1" in every.out, "attempt 2" in every.out] == [True, True]


async def logged(house: House, task_id: str, number: int) -> bool:
    """Whether it has so many lines."""
    return bool((await house.get(f"/executions/{task_id}/logs"))["total"] >= number)


async def test_a_follower_tells_of_each_change_once_and_skips_what_was_before(house: House, name: str) -> None:
    config_id = await house.config(name=name, task_type="sleep", parameters={"seconds": 50})
    before = await started(house, config_id)
    query = {"config_id": str(config_id)}
    async with open_client(load_settings({}, api_url=house.url, token=await house.token("operator"))) as client:
        follower = Follower(client, query, 0)
        assert await follower.look() == []
        task_id = await started(house, config_id)
        told: list[tuple[str, str]] = []

        async def until_running() -> bool:
            told.extend((each["task_id"], each["status"]) for each in await follower.look())
            return bool(told) and told[-1][1] == "running"

        await eventually(until_running)
        quiet = await follower.look()
        for each in (before, task_id):
            await client.call("POST", f"/executions/{each}/cancel")
        await final(house, task_id)
        ended = [(each["task_id"], each["status"]) for each in await follower.look()]

    assert {each for each, _ in told} == {task_id}
    assert len(told) == len(set(told)), "each state once"
    assert quiet == []
    assert ended == [(task_id, "cancelled")]
