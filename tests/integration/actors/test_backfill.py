"""Running ticks of the past: each tick keeps its one row, nothing runs twice, and the schedule is not disturbed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from horarium import backfill as backfill_module
from horarium.errors import Conflict, InvalidInput, NotFound
from tests.support.backfills import at, backfill, backfilled, counts, faults_of_schedule, seconds_of, states
from tests.support.coverage import SOUND
from tests.support.limited import claimed, limit
from tests.support.together import at_once

if TYPE_CHECKING:
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio


# Which ticks get which rows


async def test_ticks_from_before_the_config_get_their_rows_now(rig: Rig) -> None:
    config = await rig.config()

    assert await counts(rig, config, -5, 0) == (6, 0)

    assert await seconds_of(rig, config, "tick_at") == [-5, -4, -3, -2, -1, 0]
    assert {(row["retry_of"], row["for_tick"]) for row in await backfilled(rig, config)} == {(None, None)}


async def test_skipped_ticks_run_beside_the_row_that_says_so_and_link_to_it(rig: Rig) -> None:
    """An outage of a minute is one row of many ticks; that row is final, and stays."""
    config = await rig.config(catchup="skip")
    await rig.fire(after=60)
    before = (await rig.rows(config))[0]

    assert await counts(rig, config, 1, 10) == (10, 0)

    assert await seconds_of(rig, config, "for_tick") == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
    assert {row["retry_of"] for row in await backfilled(rig, config)} == {before["id"]}
    assert (await rig.rows(config))[0] == before
    assert await rig.faults(config) == SOUND


async def test_what_has_had_an_execution_gets_no_other_one_however_it_ended(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(3)
    await rig.sql("UPDATE executions SET status = 'failed', completed_at = clock_timestamp()")

    assert await counts(rig, config, -1, 3) == (2, 3)


async def test_the_same_backfill_again_makes_nothing(rig: Rig) -> None:
    config = await rig.config(catchup="skip")
    await rig.fire(after=60)

    assert await counts(rig, config, -10, 10) == (21, 0)
    assert await counts(rig, config, -10, 10) == (0, 21)


async def test_a_skipped_tick_that_was_retried_by_hand_has_had_its_execution(rig: Rig) -> None:
    config = await rig.config(overlap="skip")
    await rig.running(config)
    await rig.sql("UPDATE executions SET started_at = started_at - interval '10 s'")
    await rig.fire(after=1)
    skipped = (await rig.rows(config))[0]
    assert skipped["status"] == "skipped"
    await rig.executions.retry(skipped["id"])

    assert await counts(rig, config, 1, 1) == (0, 1)


async def test_backfills_of_the_same_span_at_once_make_each_execution_once(rig: Rig) -> None:
    config = await rig.config(catchup="skip")
    await rig.fire(after=60)

    await at_once(*(lambda: backfill(rig, config, -20, 20) for _ in range(8)))

    rows = await backfilled(rig, config)
    assert len({row["tick_at"] or row["for_tick"] for row in rows}) == len(rows) == 41


async def test_a_span_without_ticks_makes_nothing(rig: Rig) -> None:
    config = await rig.config(schedule_config={"cron_expression": "0 6 * * *"})

    assert await counts(rig, config, -60, 0) == (0, 0)


async def test_only_ticks_within_the_limits_of_the_config_are_ticks(rig: Rig) -> None:
    config = await rig.config(start_at=at(-3), end_at=at(100))

    assert await counts(rig, config, -10, 0) == (4, 0)


async def test_a_backfill_runs_what_the_config_says_now(rig: Rig) -> None:
    config = await rig.config(parameters={"message": "now"}, queue="other", timeout_seconds=7)

    await backfill(rig, config, -1, -1)

    (row,) = await backfilled(rig, config)
    assert (row["parameters"], row["queue"], row["timeout_seconds"]) == ({"message": "now"}, "other", 7)


@pytest.mark.parametrize("queue", ["default", "limited"])
async def test_a_backfill_is_not_late_for_being_about_the_past(rig: Rig, queue: str) -> None:
    await limit(rig, "queue", "limited", max_running=1)
    config = await rig.config(queue=queue)
    await backfill(rig, config, -1, -1)
    (row,) = await backfilled(rig, config)

    got = await claimed(rig, row["id"])

    assert [(each.tick_at, each.lateness_seconds) for each in got.values() if each] == [(row["tick_at"], None)]


# The schedule is not disturbed


async def test_ticks_that_are_still_owed_are_left_to_the_schedule(rig: Rig) -> None:
    """A row past the dispatcher's place would cover the ticks before it, which would never get theirs."""
    config = await rig.config(catchup="all")
    await rig.fire(after=1)
    rig.clock.passes(20)

    assert await counts(rig, config, 11, 21) == (0, 11)
    await rig.fire()

    assert await rig.faults(config) == SOUND
    assert {row["trigger"] for row in await rig.rows(config)} == {"schedule"}


async def test_after_a_backfill_the_schedule_goes_on_where_it_was_though_redis_is_flushed(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(2)
    await backfill(rig, config, -30, 2)

    await rig.redis.flushdb()
    await rig.loader.load_all()
    await rig.fire_each_second(2)

    assert await faults_of_schedule(rig, config) == SOUND
    assert [row["status"] for row in await rig.rows(config) if row["trigger"] == "schedule"] == ["queued"] * 4


async def test_an_inactive_config_runs_its_past_up_to_now_and_owes_from_its_start_on(rig: Rig) -> None:
    config = await rig.config()
    await rig.task_configs.stop(config)
    rig.clock.passes(10)

    assert await counts(rig, config, 1, 10) == (10, 0)
    await rig.task_configs.start(config)
    await rig.fire_each_second(2)

    assert await faults_of_schedule(rig, config, after=at(10)) == SOUND


async def test_the_ticks_of_a_pause_so_far_are_written_down_and_run(rig: Rig) -> None:
    config = await rig.config()
    await rig.task_configs.pause(config, reason=None, until=None)
    rig.clock.passes(10)

    assert await counts(rig, config, 1, 10) == (10, 0)
    written = (await rig.rows(config))[0]
    assert (written["tick_at"], written["tick_count"], written["reason"]) == (at(1), 10, "paused")
    rig.clock.passes(10)
    await rig.task_configs.resume(config)

    assert await rig.status(config) == "active"
    assert await rig.faults(config) == SOUND


async def test_what_follows_a_pause_that_has_run_out_is_the_schedules(rig: Rig) -> None:
    config = await rig.config()
    await rig.task_configs.pause(config, reason=None, until=at(5))
    rig.clock.passes(10)

    assert await counts(rig, config, 1, 10) == (4, 6)


async def test_retention_may_take_backfilled_rows_and_never_the_schedules_place(rig: Rig) -> None:
    config = await rig.config(schedule_config={"cron_expression": "0 * * * *"})
    rig.clock.passes(3600)
    await rig.fire()
    await backfill(rig, config, -7200, 0)
    await rig.finish_all()
    rig.clock.is_real()
    rig.clock.passes(86_400 * 2)

    await rig.cleanup(days=1).step()

    assert await rig.said_of(config) == [(3600, 1, "success", None)]


# What is refused


@pytest.mark.parametrize(("first", "last", "field"), [(-1, 1, "end"), (0, -1, "start")])
async def test_a_span_that_is_none_is_refused_by_name(rig: Rig, first: float, last: float, field: str) -> None:
    config = await rig.config()

    with pytest.raises(InvalidInput) as refusal:
        await backfill(rig, config, first, last)

    assert [error.loc for error in refusal.value.errors] == [(field,)]


async def test_too_many_ticks_are_refused_and_the_refusal_says_where_to_cut(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backfill_module, "MOST_TICKS", 10)
    config = await rig.config()

    with pytest.raises(InvalidInput, match=r"more than 10 ticks.*the first 10 end at 2024-05-08T11:59:59\+00:00"):
        await backfill(rig, config, -10, 0)

    assert await rig.rows(config) == []
    assert await counts(rig, config, -10, -1) == (10, 0)


async def test_a_manual_config_has_no_past(rig: Rig) -> None:
    config = await rig.config(scheduler_type="manual", schedule_config={})

    with pytest.raises(Conflict, match="no ticks to backfill"):
        await backfill(rig, config, -1, 0)


async def test_a_deleted_config_is_not_found(rig: Rig) -> None:
    config = await rig.config()
    await rig.task_configs.delete(config, version=None)

    with pytest.raises(NotFound):
        await backfill(rig, config, -1, 0)


async def test_a_schedule_that_makes_no_sense_is_told(rig: Rig) -> None:
    config = await rig.config()
    await rig.sql("UPDATE task_configs SET schedule_config = '{\"cron_expression\": \"never\"}', status = 'error'")

    with pytest.raises(Conflict, match="mend it first"):
        await backfill(rig, config, -1, 0)


async def test_deleting_a_config_ends_what_waits_of_its_backfill(rig: Rig) -> None:
    config = await rig.config(overlap="skip")
    await backfill(rig, config, -3, -1)

    await rig.task_configs.delete(config, version=None)

    assert await states(rig, config) == ["cancelled"] * 3


async def test_a_backfill_is_told_to_the_history_and_to_the_audit_log(rig: Rig) -> None:
    config = await rig.config()
    rig.events()

    await backfill(rig, config, -3, -1)

    (event,) = rig.events()
    assert (event.event, event.details) == ("task_executed", {"trigger": "backfill", "created": 3, "by": "horarium"})
    logged = "SELECT after::text FROM audit_log WHERE action = 'task_config.backfilled'"
    assert '"created": 3' in await rig.sql(logged)


# Counting first


async def test_a_dry_run_makes_nothing_and_says_what_the_call_then_makes(rig: Rig) -> None:
    """Ticks that ran, were skipped, were made up for, and were never owed: each by the rule of the call itself."""
    config = await rig.config(catchup="skip")
    await rig.fire_each_second(2)
    await rig.finish_all()
    await rig.fire(after=60)
    await backfill(rig, config, 5, 9)
    before = await rig.rows(config)

    planned = await counts(rig, config, -10, 20, dry_run=True)

    assert await rig.rows(config) == before
    assert planned == (24, 7)
    assert await counts(rig, config, -10, 20) == planned


@pytest.mark.parametrize("until", [None, 30])
async def test_a_dry_run_of_a_paused_config_counts_its_ticks_so_far_and_writes_none_down(
    rig: Rig, until: int | None
) -> None:
    config = await rig.config(overlap="skip")
    ends = None if until is None else at(until)
    await rig.task_configs.pause(config, reason=None, until=ends)
    rig.clock.passes(60)

    planned = await counts(rig, config, -5, 50, dry_run=True)

    assert await rig.rows(config) == []
    assert await counts(rig, config, -5, 50) == planned


async def test_a_dry_run_neither_waits_for_a_config_that_is_held_nor_holds_it(rig: Rig) -> None:
    config = await rig.config()

    async with rig.database.transaction() as connection:
        await connection.execute("SELECT 1 FROM task_configs FOR UPDATE")
        planned = await counts(rig, config, -3, -1, dry_run=True)

    assert planned == (3, 0)


async def test_a_dry_run_of_no_span_is_refused_as_the_call_is(rig: Rig) -> None:
    config = await rig.config()

    with pytest.raises(InvalidInput, match="future"):
        await backfill(rig, config, -1, 10, dry_run=True)
