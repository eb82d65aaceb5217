"""Lists: every item once, in order, whatever arrives between two pages; and filters that narrow, or are refused."""

from __future__ import annotations

import base64
import re
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from uuid_utils.compat import uuid7

from horarium.http.app import ROUTES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.tree import House

pytestmark = pytest.mark.anyio

BASE = "/api/v1/task-configs"
READS = [re.sub(r"\{[^}]*\}+", "1", route.path) for route in ROUTES if route.method == "GET" and route.role]
CONFIGS = [
    {"name": "list: Zebra", "tags": ["lists", "late"], "scheduler_type": "manual"},
    {"name": "list: apple", "tags": ["lists"], "status": "inactive", "scheduler_type": "manual"},
    {"name": "list: Éclair", "tags": ["lists"], "description": "100% of_it", "scheduler_type": "manual"},
    {"name": "list: mango", "tags": ["lists", "late"], "scheduler_type": "manual"},
    {
        "name": "list: date", "tags": ["lists"], "scheduler_type": "date",
        "schedule_config": {"run_date": "2099-01-01T00:00:00Z"}, "task_type": "fail", "parameters": {},
    },
]  # fmt: skip


@pytest.fixture(scope="module")
async def configs(house: House) -> list[int]:
    return [await house.config(**each) for each in CONFIGS]


async def pages(house: House, path: str, limit: int, **query: Any) -> AsyncIterator[list[Any]]:
    page = await house.get(path, limit=limit, **query)
    yield page["items"]
    while page["next_cursor"] is not None:
        page = await house.get(path, limit=limit, cursor=page["next_cursor"], **query)
        yield page["items"]


async def every(house: House, path: str, limit: int = 200, **query: Any) -> list[Any]:
    return [item async for page in pages(house, path, limit, **query) for item in page]


async def an_execution(house: House, config: int) -> str:
    run = await house.call("POST", f"{BASE}/{config}/run")
    return str(run.body["task_id"])


async def made_rows(house: House, config: int, count: int) -> list[str]:
    """Finished executions, oldest first, written straight into the ledger."""
    ids = [uuid7() for _ in range(count)]
    await house.sql(
        "INSERT INTO executions (id, config_id, task_type, trigger, tick_at, status, completed_at, queue, priority, "
        "timeout_seconds, max_retries, retry_backoff_seconds, scheduler_type, worker) "
        "SELECT id, $2, 'echo', 'schedule', '2024-01-01T00:00:00Z'::timestamptz + n * interval '1 minute', "
        "CASE n % 2 WHEN 0 THEN 'failed' ELSE 'success' END, now(), 'default', 5, 1, 0, 0, 'cron', 'w' || n % 2 "
        "FROM unnest($1::uuid[]) WITH ORDINALITY AS x (id, n)",
        ids,
        config,
    )
    return [str(each) for each in ids]


# Configs


@pytest.mark.parametrize(
    ("sort", "first", "last"),
    [
        ("name", "list: Zebra", "list: Éclair"),
        ("-name", "list: Éclair", "list: Zebra"),
        ("id", "list: Zebra", "list: date"),
        ("-id", "list: date", "list: Zebra"),
        ("created_at", "list: Zebra", "list: date"),
        ("-created_at", "list: date", "list: Zebra"),
    ],
)
@pytest.mark.parametrize("limit", [1, 2, 5, 200])
async def test_configs_are_listed_once_each_in_the_order_asked_for(
    house: House, configs: list[int], sort: str, first: str, last: str, limit: int
) -> None:
    listed = await every(house, "/task-configs", limit, tag="lists", sort=sort)

    assert sorted(each["id"] for each in listed) == sorted(configs)
    assert (listed[0]["name"], listed[-1]["name"]) == (first, last)


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ({"tag": "late"}, ["Zebra", "mango"]),
        ({"tag": "never"}, []),
        ({"status": "inactive"}, ["apple"]),
        ({"scheduler_type": "date"}, ["date"]),
        ({"task_type": "fail"}, ["date"]),
        ({"q": "ZEB"}, ["Zebra"]),
        ({"q": "100% of_it"}, ["Éclair"]),
        ({"q": "%"}, ["Éclair"]),
        ({"q": "_"}, ["Éclair"]),
        ({"tag": "late", "q": "man"}, ["mango"]),
    ],
)
@pytest.mark.usefixtures("configs")
async def test_a_filter_narrows_the_list_and_its_total(house: House, query: dict[str, str], names: list[str]) -> None:
    page = await house.get("/task-configs", **query)

    found = [each for each in page["items"] if each["name"].startswith("list: ")]
    assert [each["name"].removeprefix("list: ") for each in found] == names
    assert page["total"] == len(page["items"])


async def test_a_config_that_arrives_between_two_pages_moves_none_of_the_others(house: House) -> None:
    for name in "bdf":
        await house.config(name=f"between {name}", tags=["between"])
    seen: list[str] = []

    async for page in pages(house, "/task-configs", 1, tag="between", sort="name"):
        seen += [each["name"] for each in page]
        if seen == ["between b"]:
            await house.config(name="between a", tags=["between"])
            await house.config(name="between c", tags=["between"])

    assert seen == ["between b", "between c", "between d", "between f"]


async def test_a_deleted_config_leaves_the_list_and_frees_its_name(house: House) -> None:
    config = await house.config(name="short-lived", tags=["short"])

    assert (await house.call("DELETE", f"{BASE}/{config}")).status == 204

    assert await every(house, "/task-configs", tag="short") == []
    assert (await house.call("GET", f"{BASE}/{config}")).status == 404
    assert await house.config(name="short-lived") != config


# Executions


@pytest.mark.parametrize("limit", [1, 3, 7, 200])
async def test_executions_are_listed_newest_first_and_once_each(house: House, limit: int) -> None:
    config = await house.config()
    made = await made_rows(house, config, 7)

    listed = await every(house, f"/task-configs/{config}/executions", limit)

    assert [each["task_id"] for each in listed] == made[::-1]


async def test_executions_that_arrive_between_two_pages_move_none_of_the_others(house: House) -> None:
    config = await house.config()
    made = await made_rows(house, config, 6)
    seen: list[str] = []

    async for page in pages(house, f"/task-configs/{config}/executions", 2):
        seen += [each["task_id"] for each in page]
        await an_execution(house, config)

    assert seen == made[::-1]


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"status": "success"}, 3),
        ({"status": "lost"}, 0),
        ({"trigger": "schedule"}, 6),
        ({"trigger": "manual"}, 0),
        ({"worker": "w0"}, 3),
        ({"since": "2024-01-01T00:04:00Z"}, 3),
        ({"until": "2024-01-01T00:04:00Z"}, 3),
        ({"since": "2024-01-01T00:02:00+00:00", "until": "2024-01-01T00:03:00+00:00"}, 1),
        ({"since": "2024-01-01T02:04:00+02:00", "status": "success"}, 1),
    ],
)
async def test_executions_are_narrowed_by_each_filter(house: House, query: dict[str, str], count: int) -> None:
    config = await house.config()
    await made_rows(house, config, 6)

    of_config = await house.get(f"/task-configs/{config}/executions", **query)
    of_all = await house.get("/executions", config_id=config, **query)

    assert (of_config["total"], len(of_config["items"])) == (count, count)
    assert of_all == of_config


# The due index


async def test_a_schedule_that_moves_on_between_two_pages_hides_none_of_the_others(house: House) -> None:
    made = [
        await house.config(scheduler_type="date", schedule_config={"run_date": f"209{year}-06-01T00:00:00Z"})
        for year in range(3)
    ]
    first, *rest = [f"scheduled_task:{config}" for config in made]
    seen: list[str] = []

    async for page in pages(house, "/schedules", 1):
        seen += [each["task_id"] for each in page]
        if seen[-1] == first:
            later = {"schedule_config": {"run_date": "2098-06-01T00:00:00Z"}}
            await house.call("PATCH", f"{BASE}/{made[0]}", later)

    assert [each for each in seen if each in rest] == rest


# The last page


@pytest.fixture(scope="module")
async def one_of_everything(house: House) -> None:
    config = await house.config(scheduler_type="interval", schedule_config={"days": 1})
    await an_execution(house, config)
    rule = {"name": "a rule", "webhook": {"url": "https://hook.example/"}, "events": ["failed"]}
    await house.call("POST", "/api/v1/notification-rules", rule)
    await house.call("POST", "/api/v1/api-keys", {"name": "a key"})
    await house.call("PUT", "/api/v1/system/limits/queue/lists", {"max_running": 1})


@pytest.mark.parametrize(
    "path",
    [
        "/task-configs", "/executions", "/schedules", "/users", "/api-keys", "/audit", "/system/limits",
        "/notification-rules",
    ],
)  # fmt: skip
@pytest.mark.usefixtures("one_of_everything")
async def test_a_page_that_just_holds_the_rest_of_a_list_says_that_it_is_the_last(house: House, path: str) -> None:
    total = (await house.get(path, limit=1))["total"]

    page = await house.get(path, limit=total)

    assert total > 0
    assert (len(page["items"]), page["next_cursor"]) == (total, None)


async def test_a_page_of_a_configs_executions_that_just_holds_the_rest_is_the_last(house: House) -> None:
    config = await house.config()
    made = await made_rows(house, config, 4)

    listed = [page async for page in pages(house, f"/task-configs/{config}/executions", 2)]

    assert [[each["task_id"] for each in page] for page in listed] == [made[:1:-1], made[1::-1]]


# What is refused


def cursor(*parts: object) -> str:
    """A cursor as somebody could make it by hand."""
    return base64.urlsafe_b64encode(orjson.dumps(parts)).decode().rstrip("=")


@pytest.mark.parametrize(
    ("path", "query", "at_fault"),
    [
        ("/task-configs", {"colour": "red"}, "colour"),
        ("/task-configs", {"limit": "0"}, "limit"),
        ("/task-configs", {"limit": "201"}, "limit"),
        ("/task-configs", {"limit": "many"}, "limit"),
        ("/task-configs", {"sort": "colour"}, "sort"),
        ("/task-configs", {"status": "gone"}, "status"),
        ("/task-configs", {"cursor": "nonsense"}, "cursor"),
        ("/task-configs", {"cursor": cursor(1)}, "cursor"),
        ("/task-configs", {"cursor": "é"}, "cursor"),
        ("/executions", {"cursor": cursor("x")}, "cursor"),
        ("/executions", {"since": "yesterday"}, "since"),
        ("/executions", {"since": "1"}, "since"),
        ("/executions", {"since": "2024-01-01T00:00:00"}, "since"),
        ("/executions", {"since": "0001-01-01T00:00:00Z"}, "since"),
        ("/executions", {"until": "9999-12-31T23:59:59-14:00"}, "until"),
        ("/executions", {"config_id": "99999999999999999999"}, "config_id"),
        ("/executions", {"status": "gone"}, "status"),
        ("/executions/active", {"status": "running"}, "status"),
        ("/task-configs", {"cursor": cursor("id", "a\0b", 1)}, "cursor"),
        ("/task-configs", {"cursor": cursor("id", "a", 2**63)}, "cursor"),
        ("/task-configs", {"sort": "created_at", "cursor": cursor("created_at", "noon", 1)}, "cursor"),
        (
            "/task-configs",
            {"sort": "-created_at", "cursor": cursor("-created_at", "0001-01-01T00:00:00Z", 1)},
            "cursor",
        ),
        ("/schedules", {"cursor": cursor("x")}, "cursor"),
        ("/schedules", {"cursor": cursor(-1)}, "cursor"),
        ("/schedules", {"cursor": cursor(True)}, "cursor"),
        ("/schedules", {"cursor": cursor(2**64 - 1)}, "cursor"),
        ("/schedules", {"cursor": cursor(1, 2**64 - 1)}, "cursor"),
        ("/task-types", {"limit": "1"}, "limit"),
        ("/users", {"cursor": f"{cursor(1)}!"}, "cursor"),
        ("/task-configs", {"limit": "1.0"}, "limit"),
        ("/task-configs", {"limit": "+1"}, "limit"),
        ("/task-configs", {"limit": "1_0"}, "limit"),
        ("/executions", {"config_id": "\u0661"}, "config_id"),
        ("/users", {"is_active": "yes"}, "is_active"),
        ("/users", {"is_active": "1"}, "is_active"),
        ("/auth/me", {"x": "1"}, "x"),
    ],
)
async def test_a_query_that_is_not_understood_is_refused_by_name(
    house: House, path: str, query: dict[str, str], at_fault: str
) -> None:
    answer = await house.call("GET", f"/api/v1{path}", **query)

    assert (answer.status, answer.faults) == (422, {at_fault})


@pytest.mark.parametrize("path", READS)
async def test_no_read_overlooks_a_parameter_that_it_does_not_know(house: House, path: str) -> None:
    answer = await house.call("GET", path, colour="red")

    assert answer.status == 422
    assert "colour" in answer.faults


@pytest.mark.parametrize("name", ["task_type", "tag", "q", "worker"])
async def test_a_nul_in_a_filter_is_refused(house: House, name: str) -> None:
    path = "/api/v1/executions" if name == "worker" else BASE

    answer = await house.call("GET", path, **{name: "a\0b"})

    assert (answer.status, answer.faults) == (422, {name})


async def test_a_parameter_given_twice_is_refused(house: House) -> None:
    answer = await house.call("GET", f"{BASE}?limit=1&limit=2")

    assert (answer.status, answer.faults) == (422, {"limit"})


async def test_a_cursor_of_another_order_is_refused(house: House, configs: list[int]) -> None:
    assert configs
    page = await house.get("/task-configs", limit=1, sort="name")

    answer = await house.call("GET", BASE, sort="id", cursor=page["next_cursor"])

    assert (answer.status, answer.faults) == (422, {"cursor"})
