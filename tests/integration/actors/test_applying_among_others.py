"""What a declaration removes, which is its own alone, and what others change at the same time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from horarium.errors import Conflict
from tests.support.declaring import HOURLY, apply, declared, done, id_of

if TYPE_CHECKING:
    from horarium.declared import Plan
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio


# Prune


async def test_without_prune_nothing_is_removed(rig: Rig) -> None:
    await apply(rig, declared("a"))

    assert done(await apply(rig, declared("b"))) == (["b"], [], [], [])
    assert await id_of(rig, "a")


async def test_a_source_removes_what_it_has_declared_and_nothing_else(rig: Rig) -> None:
    by_hand = await rig.config(name="by hand")
    await apply(rig, declared("theirs"), source="theirs")
    await apply(rig, declared("ours"), declared("ours too"), source="ours")

    plan = await apply(rig, declared("ours"), source="ours", prune=True)

    assert done(plan) == ([], [], ["ours too"], ["ours"])
    assert await rig.status(by_hand) == "active"
    assert await id_of(rig, "theirs")


async def test_without_a_source_what_no_source_has_declared_is_removed(rig: Rig) -> None:
    await rig.config(name="by hand")
    await apply(rig, declared("theirs"), source="theirs")

    assert done(await apply(rig, declared("a"), prune=True)) == (["a"], [], ["by hand"], [])


async def test_a_source_takes_a_config_over_in_plain_sight_and_none_leaves_it(rig: Rig) -> None:
    await apply(rig, declared("a"))

    taken = await apply(rig, declared("a"), source="ours")
    left = await apply(rig, declared("a"))

    assert [list(each.fields) for each in taken.updates] == [["source"]]
    assert done(left)[3] == ["a"]
    assert (await rig.config_row(await id_of(rig, "a")))["source"] == "ours"


# Others at the same time


async def test_what_changes_between_the_reading_and_the_lock_is_read_again(rig: Rig) -> None:
    """A guard that is out is an edit that is lost: the version that was read is the one that must be held."""
    await apply(rig, declared("a"))
    config = await id_of(rig, "a")
    planned, edits = rig.applying._planned, []

    async def overtaken(*args: Any) -> Plan:
        plan = await planned(*args)
        if not edits:
            edits.append(await rig.task_configs.pause(config, reason="meanwhile", until=None))
        return plan

    rig.applying._planned = overtaken  # type: ignore[method-assign]
    await apply(rig, declared("a", priority=1))

    row = await rig.config_row(config)
    assert (row["status"], row["paused_reason"], row["priority"]) == ("paused", "meanwhile", 1)


async def test_one_that_is_always_overtaken_gives_up_with_a_conflict(rig: Rig) -> None:
    await apply(rig, declared("a"))
    config = await id_of(rig, "a")
    planned = rig.applying._planned

    async def overtaken(*args: Any) -> Plan:
        plan = await planned(*args)
        await rig.sql("UPDATE task_configs SET version = version + 1 WHERE id = $1", config)
        return plan

    rig.applying._planned = overtaken  # type: ignore[method-assign]
    with pytest.raises(Conflict, match="changing the same"):
        await apply(rig, declared("a", priority=1))


async def test_many_declarations_of_the_same_configs_at_once_make_each_once(rig: Rig) -> None:
    configs = [declared(f"config {number}", **HOURLY) for number in range(30)]
    plans: list[Plan] = []

    async def one(number: int) -> None:
        mine = [{**each, "priority": number % 2} for each in configs]
        plans.append(await apply(rig, *(mine if number % 2 else reversed(mine)), prune=True))

    async with anyio.create_task_group() as group:
        for number in range(6):
            group.start_soon(one, number)

    assert sum(len(plan.creations) for plan in plans) == 30
    assert await rig.sql("SELECT count(*) FROM task_configs WHERE deleted_at IS NULL") == 30
    assert len(plans) == 6


async def test_new_configs_are_inserted_in_the_order_of_their_names(rig: Rig) -> None:
    """Two declarations of the same names, in whatever order, wait for each other and not in a circle."""
    await apply(rig, declared("b"), declared("c"), declared("a"))

    async with rig.database.connection() as connection:
        rows = await connection.fetch("SELECT name FROM task_configs ORDER BY id")

    assert [row["name"] for row in rows] == ["a", "b", "c"]
