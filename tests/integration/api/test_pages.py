"""Pages while others write: whatever was there before the first page is on one page, once, in every order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.tree import House

pytestmark = pytest.mark.anyio

BASE = "/api/v1/task-configs"
THERE = 23
"""Configs, or executions, that are there before the first page is read."""

SORTS = ["id", "-id", "name", "-name", "created_at", "-created_at"]


async def walked(house: House, path: str, between: Callable[[int], Awaitable[object]], **query: Any) -> list[Any]:
    """Every item of every page; `between` is done while each page is read, and waited for before the next."""
    items: list[Any] = []
    page: dict[str, Any] = {"next_cursor": ""}
    while page["next_cursor"] is not None:
        at = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        async with anyio.create_task_group() as group:
            group.start_soon(between, len(items))
            page = await house.get(path, limit=3, **at, **query)
        items += page["items"]
    return items


@pytest.mark.parametrize("sort", SORTS)
async def test_configs_that_are_made_and_edited_meanwhile_move_none_of_those_there(house: House, sort: str) -> None:
    tag = f"pages {sort}"
    there = [await house.config(name=f"pages {sort} {n * 7 % THERE:02}", tags=[tag]) for n in range(THERE)]

    async def between(number: int) -> None:
        """Make one before and one after the place of the walk, edit one on either side, run another."""
        for side in ("0", "9"):
            await house.config(name=f"pages {sort} {side}{number:02} new", tags=[tag])
        for config in (there[number % THERE], there[-1 - number % THERE]):
            await house.call("PATCH", f"{BASE}/{config}", {"description": f"edited at {number}"})
        await house.call("POST", f"{BASE}/{there[number * 5 % THERE]}/run")

    items = await walked(house, "/task-configs", between, tag=tag, sort=sort)

    seen = [each["id"] for each in items]
    assert len(seen) == len(set(seen))
    assert [config for config in there if config not in seen] == []
    assert in_order(items, sort)


def in_order(items: list[dict[str, Any]], sort: str) -> bool:
    keys = [each[sort.removeprefix("-")] for each in items]
    return keys == sorted(keys, reverse=sort.startswith("-"))


@pytest.mark.parametrize("query", [{}, {"trigger": "manual"}, {"status": "success"}], ids=str)
async def test_executions_that_begin_and_end_meanwhile_move_none_of_those_there(
    house: House, query: dict[str, str]
) -> None:
    config = await house.config()
    there = [await a_run(house, config) for _ in range(THERE)]

    async def between(_number: int) -> None:
        await a_run(house, config)

    items = await walked(house, f"/task-configs/{config}/executions", between, **query)

    seen = [each["task_id"] for each in items]
    assert len(seen) == len(set(seen))
    assert [each for each in seen if each in there] == there[::-1]


async def a_run(house: House, config: int) -> str:
    """An execution that has ended, as quickly as a worker can."""
    run = await house.call("POST", f"{BASE}/{config}/run")
    task_id = str(run.body["task_id"])

    async def ended() -> bool:
        return (await house.get(f"/executions/{task_id}"))["completed_at"] is not None

    await eventually(ended)
    return task_id


async def test_deleting_what_the_cursor_stands_at_loses_nothing(house: House) -> None:
    there = [await house.config(name=f"cut {n}", tags=["cut"]) for n in range(6)]
    first = await house.get("/task-configs", tag="cut", sort="name", limit=3)

    await house.call("DELETE", f"{BASE}/{there[2]}")

    rest = await house.get("/task-configs", tag="cut", sort="name", limit=3, cursor=first["next_cursor"])
    assert [each["id"] for each in first["items"] + rest["items"]] == there
