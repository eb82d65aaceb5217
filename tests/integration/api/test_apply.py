"""`POST /task-configs/apply` as a client has it: the diff in the answer, faults at their places, sizes."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from horarium.http.apply import BODY_LIMIT_BYTES

if TYPE_CHECKING:
    from tests.support.tree import Answer, House

pytestmark = pytest.mark.anyio

APPLY = "/api/v1/task-configs/apply"
MEGABYTE = 1024 * 1024
NUMBERS = count(1)


@pytest.fixture
def source() -> str:
    """A source that nobody else has."""
    return f"file {next(NUMBERS)}"


def declared(name: str, **fields: object) -> dict[str, Any]:
    by_hand = {"task_type": "echo", "parameters": {"message": "hello"}, "scheduler_type": "manual"}
    return {"name": name, **by_hand, **fields}


async def apply(house: House, *configs: object, **how: object) -> Answer:
    return await house.call("POST", APPLY, {"configs": configs, **how})


async def test_the_answer_is_the_difference(house: House, source: str) -> None:
    a, b, c = (f"{source} {each}" for each in "abc")
    await apply(house, declared(a), declared(b), source=source)

    answer = await apply(house, declared(c), declared(b, priority=1, tags=["x"]), source=source, prune=True)

    assert answer.status == 200
    assert answer.body == {
        "dry_run": False,
        "created": [c],
        "updated": [b],
        "deleted": [a],
        "unchanged": [],
        "changes": [
            {"name": c, "action": "create", "fields": {}},
            {
                "name": b,
                "action": "update",
                "fields": {"priority": {"before": 5, "after": 1}, "tags": {"before": [], "after": ["x"]}},
            },
            {"name": a, "action": "delete", "fields": {}},
        ],
        "warnings": [],
    }


async def test_a_dry_run_says_so_and_makes_nothing(house: House, source: str) -> None:
    answer = await apply(house, declared(source), dry_run=True)

    assert (answer.body["dry_run"], answer.body["created"]) == (True, [source])
    assert (await house.get("/task-configs", q=source))["items"] == []


async def test_a_config_shows_its_source(house: House, source: str) -> None:
    await apply(house, declared(source), source=source)

    (shown,) = (await house.get("/task-configs", q=source))["items"]
    assert shown["source"] == source


async def test_a_fault_is_one_422_that_names_the_config_and_the_field(house: House, source: str) -> None:
    answer = await apply(house, declared(source), declared(f"{source} b", parameters={"massage": 1}), declared(source))

    assert answer.status == 422
    assert answer.faults == {"configs.1.parameters.massage", "configs.1.parameters.message", "configs.2.name"}
    assert (await house.get("/task-configs", q=source))["items"] == []


@pytest.mark.parametrize(
    ("body", "faults"),
    [
        ({}, ["configs"]),
        ({"configs": [{"name": "x"}]}, ["configs.0.scheduler_type", "configs.0.task_type"]),
        ({"configs": [], "purge": True}, ["purge"]),
        ({"configs": [declared("x", status="paused")]}, ["configs.0.status"]),
        ({"configs": [declared("x", sta="active")]}, ["configs.0.sta"]),
        ({"configs": [], "source": ""}, ["source"]),
    ],
    ids=str,
)
async def test_what_is_misshapen_is_refused_and_the_field_named(house: House, body: object, faults: list[str]) -> None:
    answer = await house.call("POST", APPLY, body)

    assert (answer.status, sorted(answer.faults)) == (422, faults)


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 200)])
async def test_to_make_anything_takes_an_operator(house: House, role: str, status: int) -> None:
    answer = await house.call("POST", APPLY, {"configs": []}, token=await house.token(role))

    assert answer.status == status


async def test_ten_thousand_configs_of_several_megabytes_are_taken_at_once(house: House, source: str) -> None:
    """Other calls take one megabyte; this one has 16, and a limit all the same."""
    many = [declared(f"{source} {number}", description="x" * 300) for number in range(10_000)]
    body = {"configs": many, "source": source, "dry_run": True}

    answer = await house.call("POST", APPLY, json.dumps(body).encode())
    too_large = await house.call("POST", APPLY, b" " * (BODY_LIMIT_BYTES + 1))
    elsewhere = await house.call("POST", "/api/v1/task-configs", b" " * (MEGABYTE + 1))

    assert (answer.status, len(answer.body["created"])) == (200, 10_000)
    assert (too_large.status, elsewhere.status) == (413, 413)


async def test_more_configs_than_can_be_looked_at_are_refused(house: House) -> None:
    answer = await house.call("POST", APPLY, json.dumps({"configs": [declared("x")] * 20_001}).encode())

    assert (answer.status, answer.faults) == (422, {"configs"})
