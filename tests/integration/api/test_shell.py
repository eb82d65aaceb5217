"""`shell_command` through the API: no task type unless allowed, and then an administrator's."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.tree import a_tree
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.tree import Answer, House

pytestmark = pytest.mark.anyio

BASE = "/api/v1/task-configs"
TRUE = {"task_type": "shell_command", "parameters": {"argv": ["true"]}, "scheduler_type": "manual"}


@pytest.fixture(scope="module")
async def shell(shared_database: str, redis_url: str) -> AsyncIterator[House]:
    async with a_tree(shared_database, redis_url, f"test-{uuid.uuid4().hex}:", allow_shell="1") as made:
        yield made


def named(**fields: Any) -> dict[str, Any]:
    return {"name": f"shell {uuid.uuid4()}", **TRUE, **fields}


async def by(house: House, role: str, method: str, path: str, body: object = None) -> Answer:
    return await house.call(method, path, body, token=await house.token(role))


async def test_it_is_no_task_type_by_itself(house: House) -> None:
    assert "shell_command" not in {each["name"] for each in await house.get("/task-types")}

    answer = await house.call("POST", BASE, named())

    assert (answer.status, answer.faults) == (422, {"task_type"})


async def test_an_admin_runs_a_program(shell: House) -> None:
    config = await shell.config(**named(parameters={"argv": ["echo", "hello"]}))
    run = await shell.call("POST", f"{BASE}/{config}/run")

    async def ended() -> Any:
        found = await shell.get(f"/executions/{run.body['task_id']}")
        return found if found["completed_at"] else None

    done = await eventually(ended)
    assert (done["status"], done["result"]) == ("success", {"exit_code": 0, "stdout": "hello\n", "stderr": ""})


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"argv": []},
        {"argv": "rm -rf /"},
        {"argv": ["true", 1]},
        {"argv": ["true"], "env": {"A=B": "c"}},
        {"argv": ["true"], "env": {"": "c"}},
        {"argv": ["true"], "env": {"A": 1}},
        {"argv": ["true"], "cwd": "relative"},
        {"argv": ["true"], "shell": True},
    ],
)
async def test_what_is_no_command_is_refused_when_it_is_saved(shell: House, parameters: dict[str, Any]) -> None:
    assert (await shell.call("POST", BASE, named(parameters=parameters))).status == 422


@pytest.mark.parametrize("role", ["viewer", "operator"])
async def test_nobody_else_makes_a_config_of_it(shell: House, role: str) -> None:
    answer = await by(shell, role, "POST", BASE, named())

    assert (answer.status, answer.body["code"]) == (403, "forbidden")


async def test_nobody_else_makes_a_config_one_of_it(shell: House) -> None:
    config = await shell.config()
    change = {"task_type": "shell_command", "parameters": {"argv": ["true"]}}

    assert (await by(shell, "operator", "PATCH", f"{BASE}/{config}", change)).status == 403
    assert (await shell.get(f"/task-configs/{config}"))["task_type"] == "echo"
    assert (await by(shell, "admin", "PATCH", f"{BASE}/{config}", change)).status == 200


@pytest.mark.parametrize(
    "change",
    [{"parameters": {"argv": ["id"]}}, {"description": "mine"}, {"task_type": "echo", "parameters": {"message": "x"}}],
)
async def test_nobody_else_edits_a_config_of_it(shell: House, change: dict[str, Any]) -> None:
    config = await shell.config(**named())

    answer = await by(shell, "operator", "PATCH", f"{BASE}/{config}", change)

    assert answer.status == 403
    assert "only an admin may say with which parameters shell_command runs" in answer.body["detail"]
    assert (await shell.get(f"/task-configs/{config}"))["version"] == 1


async def test_anybody_who_edits_may_give_again_what_is_there(shell: House) -> None:
    config = await shell.config(**named())

    answer = await by(shell, "operator", "PATCH", f"{BASE}/{config}", {"parameters": named()["parameters"]})

    assert (answer.status, answer.body["version"]) == (200, 1)


async def test_nobody_else_declares_one_that_is_not_there_as_it_is_declared(shell: House) -> None:
    config = named()
    declaration = {"configs": [config]}

    refused = await by(shell, "operator", "POST", f"{BASE}/apply", declaration)
    made = await by(shell, "admin", "POST", f"{BASE}/apply", declaration)
    left_alone = await by(shell, "operator", "POST", f"{BASE}/apply", declaration)

    assert (refused.status, made.status, left_alone.status) == (403, 200, 200)
    assert left_alone.body["unchanged"] == [config["name"]]


async def test_nobody_else_runs_it_with_other_parameters(shell: House) -> None:
    config = await shell.config(**named())
    other = {"parameters": {"argv": ["id"]}}

    assert (await by(shell, "operator", "POST", f"{BASE}/{config}/run", other)).status == 403
    assert (await shell.get("/executions", config_id=config))["total"] == 0
    assert (await by(shell, "admin", "POST", f"{BASE}/{config}/run", other)).status == 202


@pytest.mark.parametrize("action", ["run", "pause", "stop", "reload"])
async def test_an_operator_does_with_it_as_it_is_what_operators_do(shell: House, action: str) -> None:
    config = await shell.config(**named())

    assert (await by(shell, "operator", "POST", f"{BASE}/{config}/{action}")).status in (200, 202)
