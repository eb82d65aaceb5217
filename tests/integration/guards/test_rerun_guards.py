"""The guards of retries and backfills: each scene with its guard and without it, and what goes wrong then."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from horarium import backfill as backfill_module
from horarium.model import BackfillRequest
from horarium.sql.executions import insert_backfill
from tests.support.coverage import SOUND, expected_ticks, faults
from tests.support.rig import NOON
from tests.support.together import Overlap, at_once
from tests.support.unguarded import without

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

    from tests.support.coverage import Faults
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio


async def backfill(rig: Rig, config: int, first: float, last: float, **more: Any) -> None:
    span = {"start": NOON + timedelta(seconds=first), "end": NOON + timedelta(seconds=last)}
    await rig.backfills.make(config, BackfillRequest(**span, **more))


# The schedule's place


async def a_backfill_of_ticks_still_owed(rig: Rig) -> Faults:
    """The dispatcher is behind, a backfill names the newest of the ticks it owes, and Redis is flushed."""
    config = await rig.config(catchup="all")
    await rig.fire(after=1)
    rig.clock.passes(20)
    await backfill(rig, config, 11, 21)
    await rig.redis.flushdb()
    await rig.loader.load_all()
    await rig.fire()
    return faults(await rig.rows(config), expected_ticks(await rig.config_row(config), NOON, rig.clock.now))


async def test_a_backfill_of_ticks_still_owed_loses_none(rig: Rig) -> None:
    assert await a_backfill_of_ticks_still_owed(rig) == SOUND


async def test_without_a_look_at_the_schedules_place_it_loses_those_before(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def everything_is_decided(_connection: object, _config: object, now: datetime) -> datetime:
        return now

    monkeypatch.setattr(backfill_module, "_decided_until", everything_is_decided)

    lost = (await a_backfill_of_ticks_still_owed(rig)).missing
    assert lost == tuple(NOON + timedelta(seconds=n) for n in range(2, 11))


# One execution for each skipped tick


async def executions_for_a_skipped_tick(rig: Rig, times: int, *, together: bool) -> int:
    config = await rig.config(catchup="skip")
    await rig.fire(after=60)
    if together:
        await at_once(*(lambda: backfill(rig, config, 7, 7) for _ in range(times)))
    else:
        for _ in range(times):
            await backfill(rig, config, 7, 7)
    return int(await rig.sql("SELECT count(*) FROM executions WHERE for_tick = $1", NOON + timedelta(seconds=7)))


async def test_a_skipped_tick_is_made_up_for_once(rig: Rig) -> None:
    assert await executions_for_a_skipped_tick(rig, 2, together=False) == 1


async def test_without_a_look_at_what_was_made_up_for_it_is_each_time(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "execution_insert_backfill", "m.for_tick = j.tick", "false")

    assert await executions_for_a_skipped_tick(rig, 2, together=False) == 2


@pytest.fixture
def overlapping_backfills(monkeypatch: pytest.MonkeyPatch) -> None:
    """None of three backfills commits before all have looked."""
    overlap = Overlap(3)

    async def insert(connection: Any, *given: Any, **options: Any) -> list[UUID]:
        made = await insert_backfill(connection, *given, **options)
        await overlap.wait(connection)
        return made

    monkeypatch.setattr(backfill_module, "insert_backfill", insert)


@pytest.mark.usefixtures("overlapping_backfills")
async def test_backfills_at_once_make_up_for_a_tick_once(rig: Rig) -> None:
    assert await executions_for_a_skipped_tick(rig, 3, together=True) == 1


@pytest.mark.usefixtures("overlapping_backfills")
async def test_without_the_lock_each_of_them_does(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "task_config_lock", "FOR UPDATE")

    assert await executions_for_a_skipped_tick(rig, 3, together=True) > 1


# What waits gives way, and is let be


async def a_tick_during_a_backfill(rig: Rig, overlap: str) -> list[str]:
    """The states of the tick, and of the three runs of the backfill."""
    config = await rig.config(overlap=overlap)
    await backfill(rig, config, -3, -1)
    await rig.age(10)
    await rig.fire(after=1)
    return [row["status"] for row in sorted(await rig.rows(config), key=lambda row: row["tick_at"], reverse=True)]


async def test_under_skip_a_tick_waits_for_a_run_of_a_backfill(rig: Rig) -> None:
    assert await a_tick_during_a_backfill(rig, "skip") == ["pending"] * 4


async def test_without_that_it_is_skipped(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "execution_insert_ticks", "busy.backfilling", "false")

    assert (await a_tick_during_a_backfill(rig, "skip"))[0] == "skipped"


async def test_a_tick_that_cancels_others_lets_be_what_waits(rig: Rig) -> None:
    assert await a_tick_during_a_backfill(rig, "cancel_other") == ["queued", "pending", "pending", "cancelled"]


async def test_without_that_one_tick_ends_a_backfill(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "execution_cancel_others", "AND NOT (o.buffered AND o.trigger = 'backfill')")

    assert await a_tick_during_a_backfill(rig, "cancel_other") == ["queued", *["cancelled"] * 3]
