"""What a page of configs or executions asks beside itself, in one call for all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = pytest.mark.anyio

BASE = "/api/v1/task-configs"


async def runs(house: House, config: int, count: int) -> list[str]:
    """So many executions that have ended, oldest first."""
    made = [str((await house.call("POST", f"{BASE}/{config}/run")).body["task_id"]) for _ in range(count)]

    async def ended() -> bool:
        page = await house.get(f"/task-configs/{config}/executions", limit=count)
        return all(each["completed_at"] for each in page["items"])

    await eventually(ended)
    return made


async def test_each_config_has_its_newest_executions_newest_first(house: House) -> None:
    first, second, never = [await house.config(overlap="allow_all") for _ in range(3)]
    made = await runs(house, first, 3)
    (other,) = await runs(house, second, 1)

    answer = await house.get("/executions/outcomes", config_ids=f"{second},{never},{first}", each=2)

    assert [each["config_id"] for each in answer["items"]] == [first, second]
    assert [each["task_id"] for each in answer["items"][0]["outcomes"]] == made[:0:-1]
    assert answer["items"][1]["outcomes"][0]["task_id"] == other
    assert answer["items"][1]["outcomes"][0]["status"] == "success"
    assert answer["items"][1]["outcomes"][0]["duration_seconds"] >= 0


async def test_a_config_that_was_deleted_is_still_named(house: House) -> None:
    kept, gone = await house.config(name="still there"), await house.config(name="gone by now")
    await runs(house, gone, 1)
    await house.call("DELETE", f"{BASE}/{gone}")

    answer = await house.get("/task-configs/names", config_ids=f"{gone},{kept},999999999")

    assert [(each["id"], each["name"], each["is_deleted"]) for each in answer["items"]] == [
        (kept, "still there", False),
        (gone, "gone by now", True),
    ]


@pytest.mark.parametrize("ids", ["", "1,", ",1", "one", "-1", "1" * 19, ",".join(["1"] * 201)])
@pytest.mark.parametrize("path", ["/executions/outcomes", "/task-configs/names"])
async def test_ids_that_are_none_are_refused(house: House, path: str, ids: str) -> None:
    answer = await house.call("GET", f"/api/v1{path}", config_ids=ids)

    assert (answer.status, answer.faults) == (422, {"config_ids"})
