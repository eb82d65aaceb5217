"""Two people edit the same config: one wins, the other is told so and loses nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from tests.support.waiting import report

if TYPE_CHECKING:
    from tests.support.tree import Answer, House

pytestmark = pytest.mark.anyio

BASE = "/api/v1/task-configs"
RACES = 50


async def test_of_two_editors_one_wins_and_the_other_loses_nothing_fifty_times_over(house: House) -> None:
    """Each changes a field of their own and has seen the same version; who is refused reads again and tries again."""
    config = await house.config()
    winners = [await a_race(house, config, number) for number in range(RACES)]

    report(f"{RACES} races: the first editor won {winners.count(0)}, the second {winners.count(1)}")
    shown = await house.get(f"/task-configs/{config}")
    assert shown["version"] == 1 + 2 * RACES
    assert set(winners) == {0, 1}, "a race that always ends the same way is none"


async def a_race(house: House, config: int, number: int) -> int:
    """Which of the two has won; the other's edit is there as well in the end."""
    edits: list[dict[str, Any]] = [{"description": f"edit {number}"}, {"tags": [f"edit {number}"]}]
    version = (await house.get(f"/task-configs/{config}"))["version"]
    answers: dict[int, Answer] = {}

    async def edit(who: int) -> None:
        answers[who] = await house.call("PATCH", f"{BASE}/{config}", edits[who], headers={"If-Match": f'"{version}"'})

    async with anyio.create_task_group() as group:
        for who in (number % 2, 1 - number % 2):
            group.start_soon(edit, who)
    winner = 0 if answers[0].status == 200 else 1
    lost = answers[1 - winner]
    assert (answers[winner].status, answers[winner].body["version"]) == (200, version + 1)
    assert (lost.status, lost.body["code"]) == (409, "version")

    seen = await house.get(f"/task-configs/{config}")
    assert all(seen[name] == value for name, value in edits[winner].items())
    again = await house.call(
        "PATCH", f"{BASE}/{config}", edits[1 - winner], headers={"If-Match": f'"{seen["version"]}"'}
    )
    assert again.status == 200
    assert all(again.body[name] == value for each in edits for name, value in each.items())
    return winner
