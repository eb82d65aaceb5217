"""How the runs of a backfill are to each other, and to the schedule's: who waits for whom."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from horarium.messages import Publish
from horarium.outcome import Succeeded, decide
from horarium.sql import executions
from tests.support.backfills import at, backfill, backfilled, states

if TYPE_CHECKING:
    from datetime import datetime

    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio


async def test_all_at_once_where_the_config_allows_it(rig: Rig) -> None:
    config = await rig.config()
    with rig.mailboxes.publisher.bind() as inbox:
        await backfill(rig, config, -3, -1)

        assert inbox.receive_nowait() == Publish(tuple(row["id"] for row in await backfilled(rig, config)))
    assert await states(rig, config) == ["pending"] * 3


@pytest.mark.parametrize("overlap", ["skip", "buffer_one", "buffer_all", "cancel_other"])
async def test_one_after_the_other_from_the_oldest_on_where_it_does_not(rig: Rig, overlap: str) -> None:
    config = await rig.config(overlap=overlap, catchup="skip")
    await rig.fire(after=60)
    await rig.finish_all()
    await backfill(rig, config, -1, 2)
    assert await states(rig, config) == ["pending", *["pending buffered"] * 3]

    ran = [await run_next(rig, config) for _ in range(4)]

    assert ran == [at(-1), at(0), at(1), at(2)]
    assert await states(rig, config) == ["success"] * 4


async def run_next(rig: Rig, config: int) -> datetime | None:
    """Let the one execution that may run succeed; the tick its worker is told."""
    await rig.publisher().step([row["id"] for row in await rig.rows(config)])
    (waiting,) = [row for row in await rig.rows(config) if row["status"] == "queued"]
    attempt = await rig.claimed(waiting["id"])
    await rig.ledger().finish(attempt, decide(attempt, Succeeded(None)))
    return attempt.tick_at


@pytest.mark.parametrize(
    ("config_says", "asked_for", "first_two"),
    [("skip", "allow_all", ["pending"] * 2), ("allow_all", "buffer_all", ["pending", "pending buffered"])],
)
async def test_the_request_may_say_otherwise_for_its_runs(
    rig: Rig, config_says: str, asked_for: str, first_two: list[str]
) -> None:
    config = await rig.config(overlap=config_says)

    await backfill(rig, config, -2, -1, overlap=asked_for)

    assert await states(rig, config) == first_two


@pytest.mark.parametrize("overlap", ["skip", "buffer_one", "buffer_all"])
async def test_a_tick_waits_for_the_run_under_way_and_goes_before_the_rest(rig: Rig, overlap: str) -> None:
    """A backfill costs the schedule no tick."""
    config = await rig.config(overlap=overlap)
    await backfill(rig, config, -3, -1)
    await rig.age(10)

    await rig.fire(after=1)

    (tick,) = [row for row in await rig.rows(config) if row["trigger"] == "schedule"]
    assert (tick["status"], tick["buffered"]) == ("pending", True)
    assert [await run_next(rig, config) for _ in range(4)] == [at(-3), at(1), at(-2), at(-1)]


async def test_a_second_tick_that_finds_one_waiting_is_skipped_as_ever(rig: Rig) -> None:
    config = await rig.config(overlap="skip")
    await backfill(rig, config, -3, -1)
    await rig.age(10)

    await rig.fire_each_second(2)

    ticks = [row["status"] for row in await rig.rows(config) if row["trigger"] == "schedule"]
    assert ticks == ["pending", "skipped"]


async def test_a_tick_that_cancels_others_leaves_a_backfill_waiting(rig: Rig) -> None:
    config = await rig.config(overlap="cancel_other")
    await backfill(rig, config, -3, -1)

    await rig.fire(after=1)

    assert await states(rig, config) == ["cancelled", *["pending buffered"] * 2]
    (tick,) = [row for row in await rig.rows(config) if row["trigger"] == "schedule"]
    assert tick["status"] == "queued"


async def test_what_may_overlap_waits_for_nothing_but_the_backfill(rig: Rig) -> None:
    """Otherwise a config that always runs something would never get to its past."""
    config = await rig.config()
    await rig.fire(after=1)

    await backfill(rig, config, -2, -1, overlap="buffer_all")

    assert await states(rig, config) == ["pending", "pending buffered"]


async def test_the_waiting_of_a_backfill_fills_no_buffer(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions, "MOST_BUFFERED", 2)
    config = await rig.config(overlap="buffer_all")
    await backfill(rig, config, -5, -1)

    await rig.fire_each_second(3)

    ticks = [row["status"] for row in await rig.rows(config) if row["trigger"] == "schedule"]
    assert ticks == ["pending", "pending", "skipped"]


async def test_jitter_is_for_the_schedule_alone(rig: Rig) -> None:
    config = await rig.config(jitter_seconds=3600, schedule_config={"cron_expression": "0 * * * *"})

    await backfill(rig, config, -7200, -1)

    assert await states(rig, config) == ["pending"] * 2
    assert (await rig.publisher().step()).published == 0
    assert (await rig.publisher().step([row["id"] for row in await rig.rows(config)])).published == 2
