"""Limits over the API: who may set them, what is refused, and that they are obeyed by the worker beside."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.tree import Answer, House

pytestmark = pytest.mark.anyio

BASE = "/api/v1/system/limits"
NOBODYS = f"{BASE}/queue/nobodys"
ONE_AT_A_TIME = {"max_running": 1}


async def put(house: House, path: str, body: object = ONE_AT_A_TIME, **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await house.call("PUT", f"{BASE}/{path}", body, headers=named)


async def listed(house: House, kind: str, name: str) -> list[dict[str, Any]]:
    rows = (await house.get("/system/limits", limit=200))["items"]
    return [row for row in rows if (row["kind"], row["name"]) == (kind, name)]


async def test_a_limit_is_set_shown_and_taken_away(house: House) -> None:
    body = {"max_running": 3, "rate": 10, "period_seconds": 60}

    made = await put(house, "task_type/reports.send", body)

    assert made.status == 200
    assert made.body | body == made.body
    assert (made.body["running"], made.body["waiting"], made.body["version"]) == (0, 0, 1)
    assert made.headers["ETag"] == '"1"'
    assert await listed(house, "task_type", "reports.send") == [made.body]
    gone = await house.call("DELETE", f"{BASE}/task_type/reports.send")
    assert (gone.status, await listed(house, "task_type", "reports.send")) == (204, [])
    assert (await house.call("DELETE", f"{BASE}/task_type/reports.send")).status == 404


async def test_a_limit_is_set_whole(house: House) -> None:
    await put(house, "queue/whole", {"max_running": 3, "rate": 10, "period_seconds": 60})

    changed = await put(house, "queue/whole", {"max_running": 4})

    assert (changed.body["max_running"], changed.body["rate"], changed.body["version"]) == (4, None, 2)


@pytest.mark.parametrize("name", ["reports:send", "reports%2Fsend", "b%C3%BCro"])
async def test_a_task_type_may_be_called_whatever_python_calls_it(house: House, name: str) -> None:
    made = await put(house, f"task_type/{name}")

    assert made.status == 200
    assert (await house.call("DELETE", f"{BASE}/task_type/{name}")).status == 204


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, {"max_running"}),
        ({"max_running": None}, {"max_running"}),
        ({"max_running": 0}, {"max_running"}),
        ({"max_running": -1}, {"max_running"}),
        ({"max_running": 1.5}, {"max_running"}),
        ({"max_running": "1"}, {"max_running"}),
        ({"max_running": 10**9}, {"max_running"}),
        ({"rate": 10}, {"period_seconds"}),
        ({"period_seconds": 60}, {"max_running"}),
        ({"max_running": 1, "period_seconds": 60}, {"rate"}),
        ({"rate": 0, "period_seconds": 60}, {"rate"}),
        ({"rate": 1001, "period_seconds": 1}, {"rate"}),
        ({"rate": 1, "period_seconds": 0}, {"period_seconds"}),
        ({"rate": 1, "period_seconds": 1e99}, {"period_seconds"}),
        ({"most_running": 1}, {"most_running"}),
    ],
)
async def test_a_limit_that_makes_no_sense_is_refused_by_its_field(house: House, body: Any, faults: set[str]) -> None:
    answer = await put(house, "queue/nobodys", body)

    assert (answer.status, answer.faults) == (422, faults)
    assert await listed(house, "queue", "nobodys") == []


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize(
    ("path", "status"),
    [("queue/two%20words", 422), ("queue/a%2Fb", 422), (f"task_type/{'x' * 201}", 422), ("task_type/a%00b", 422),
     ("worker/x", 404), ("queue/", 404)],
)  # fmt: skip
async def test_what_nothing_is_called_is_refused(house: House, method: str, path: str, status: int) -> None:
    body = ONE_AT_A_TIME if method == "PUT" else None

    answer = await house.call(method, f"{BASE}/{path}", body)

    assert (answer.status, answer.faults) == (status, {"name"} if status == 422 else set())


async def test_a_limit_that_somebody_else_has_changed_is_not_overwritten(house: House) -> None:
    await put(house, "queue/shared")
    await put(house, "queue/shared", {"max_running": 2})

    late = await put(house, "queue/shared", {"max_running": 9}, If_Match='"1"')
    unmade = await put(house, "queue/unmade", If_Match='"1"')
    seen = await put(house, "queue/shared", {"max_running": 3}, If_Match='"2"')

    assert [(a.status, a.body["code"]) for a in (late, unmade)] == [(409, "version"), (409, "version")]
    assert (seen.status, seen.body["max_running"]) == (200, 3)


async def test_limits_are_listed_page_by_page(house: House) -> None:
    for name in ("page.a", "page.b", "page.c"):
        await put(house, f"queue/{name}")

    first = await house.get("/system/limits", limit=2)
    second = await house.get("/system/limits", limit=200, cursor=first["next_cursor"])

    keys = [(row["kind"], row["name"]) for row in [*first["items"], *second["items"]]]
    assert keys == sorted(keys)
    assert len(keys) == first["total"] == second["total"]


async def test_who_has_set_what_is_in_the_audit_log(house: House) -> None:
    await put(house, "queue/audited")
    await put(house, "queue/audited", {"max_running": 7})
    await house.call("DELETE", f"{BASE}/queue/audited")

    entries = (await house.get("/audit", target_kind="limit", target_id="queue:audited"))["items"]

    assert [entry["action"] for entry in entries] == ["limit.removed", "limit.set", "limit.set"]
    assert (entries[1]["before"], entries[1]["after"]) == ({"max_running": 1}, {"max_running": 7})
    assert entries[1]["target_name"] == "audited"


async def test_an_execution_without_room_says_so_and_runs_when_the_limit_is_gone(house: House) -> None:
    await put(house, "task_type/sleep")
    config = await house.config(task_type="sleep", parameters={"seconds": 0.3})
    runs = [(await house.call("POST", f"/api/v1/task-configs/{config}/run", {})).body["task_id"] for _ in range(8)]

    async def both() -> bool:
        (shown,) = await listed(house, "task_type", "sleep")
        return bool(shown["running"] == 1 and shown["waiting"] >= 4)

    await eventually(both)
    waiting = (await house.get("/executions", config_id=config, status="pending"))["items"]
    await house.call("DELETE", f"{BASE}/task_type/sleep")

    async def all_done() -> bool:
        rows = (await house.get("/executions", config_id=config))["items"]
        return [row["status"] for row in rows] == ["success"] * len(runs)

    assert "limited" in {row["reason"] for row in waiting}
    await eventually(all_done)
