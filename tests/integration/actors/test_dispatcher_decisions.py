"""What becomes of due ticks: which run, which wait, and which are written down as passed over."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from horarium import firing
from horarium.actors import dispatcher
from horarium.keyspace.due_index import DueEntry
from tests.support.coverage import SOUND
from tests.support.rig import NOON, Rig

if TYPE_CHECKING:
    from collections.abc import Sequence

    from horarium.tasks.message import TaskMessage

pytestmark = pytest.mark.anyio


# Overlap


async def test_one_at_a_time_waits_a_moment_for_the_run_before_and_then_skips(rig: Rig) -> None:
    config = await rig.config(overlap="skip")
    await rig.fire(after=1)

    waiting = await rig.fire(after=1)
    cursor_while_waiting = await rig.next_tick(config)
    await rig.age(3)
    decided = await rig.fire()

    assert (waiting.written, waiting.deferred, cursor_while_waiting) == (0, 1, 2)
    assert (decided.written, decided.skipped, decided.deferred) == (1, 1, 0)
    assert await rig.said_of(config) == [(1, 1, "queued", None), (2, 1, "skipped", "overlap")]
    assert await rig.faults(config) == SOUND


async def test_one_at_a_time_runs_the_waiting_tick_when_the_run_before_ends_in_time(rig: Rig) -> None:
    config = await rig.config(overlap="skip")
    await rig.fire(after=1)
    await rig.fire(after=1)

    await rig.finish_all()
    await rig.fire(after=0.5)

    assert await rig.said_of(config) == [(1, 1, "success", None), (2, 1, "queued", None)]


async def test_a_run_that_waits_for_its_retry_keeps_its_place(rig: Rig) -> None:
    config = await rig.config(overlap="skip")
    await rig.fire(after=1)
    await rig.sql("UPDATE executions SET status = 'retrying', retry_at = now() + interval '1 h'")
    await rig.age(60)

    await rig.fire(after=1)

    assert await rig.said_of(config) == [(1, 1, "retrying", None), (2, 1, "skipped", "overlap")]


async def test_allow_all_runs_beside_the_run_before(rig: Rig) -> None:
    config = await rig.config(overlap="allow_all")
    await rig.fire(after=1)

    done = await rig.fire(after=1)

    assert (done.written, done.published, done.deferred) == (1, 1, 0)
    assert await rig.said_of(config) == [(1, 1, "queued", None), (2, 1, "queued", None)]


async def test_of_several_due_ticks_one_at_a_time_fires_the_first_and_defers_the_rest(rig: Rig) -> None:
    config = await rig.config(overlap="skip")

    first = await rig.fire(after=3)
    sent_at_first = len(rig.broker.sent)
    await rig.finish_and_fire(times=2)

    assert (first.deferred, sent_at_first, len(rig.broker.sent)) == (1, 1, 3)
    assert await rig.faults(config) == SOUND


async def test_a_waiting_tick_does_not_stand_in_the_way_of_other_configs(rig: Rig) -> None:
    waiting, other = await rig.config(overlap="skip"), await rig.config()
    await rig.fire(after=1)

    done = await rig.fire(after=1)

    assert (done.written, done.deferred) == (1, 1)
    assert await rig.next_tick(waiting) == 2
    assert await rig.faults(other) == SOUND


async def test_a_tick_that_waits_through_an_outage_is_still_accounted_for(rig: Rig) -> None:
    config = await rig.config(overlap="skip", catchup="skip")
    await rig.fire(after=1)
    await rig.fire(after=1)

    rig.clock.passes(60)
    await rig.finish_and_fire(times=8)

    assert await rig.faults(config) == SOUND


# An outage


async def test_an_hour_of_a_per_second_schedule_that_skips_is_one_row_and_what_is_still_on_time(rig: Rig) -> None:
    config = await rig.config(catchup="skip")

    done = await rig.fire(after=3600)

    assert (done.written, done.skipped, done.published) == (7, 1, 6)
    assert (await rig.said_of(config))[0] == (1, 3594, "skipped", "missed")
    assert [tick for tick, *_ in (await rig.said_of(config))[1:]] == [3595, 3596, 3597, 3598, 3599, 3600]
    assert (await rig.rows(config))[0]["tick_until"] == NOON + timedelta(seconds=3594)
    assert await rig.faults(config) == SOUND


async def test_latest_lets_a_tick_on_time_supersede_the_hour_before_it(rig: Rig) -> None:
    config = await rig.config(catchup="latest", catchup_window_seconds=600)

    done = await rig.fire(after=3600)

    assert (await rig.said_of(config))[:2] == [
        (1, 2999, "skipped", "missed_window"),
        (3000, 595, "skipped", "superseded"),
    ]
    assert done.published == 6
    assert await rig.faults(config) == SOUND


async def test_latest_runs_the_newest_when_nothing_is_on_time(rig: Rig) -> None:
    config = await rig.config(catchup="latest", schedule_config={"cron_expression": "* * * * *"})

    await rig.fire(after=3630)

    assert await rig.said_of(config) == [(60, 59, "skipped", "superseded"), (3600, 1, "queued", None)]
    assert await rig.faults(config) == SOUND


async def test_all_runs_as_many_as_it_may_and_writes_down_the_rest(rig: Rig) -> None:
    config = await rig.config(catchup="all", catchup_window_seconds=600, max_catchup_runs=50)

    done = await rig.fire(after=3600)

    said = await rig.said_of(config)
    assert said[:2] == [(1, 2999, "skipped", "missed_window"), (3000, 545, "skipped", "max_catchup_runs")]
    assert [tick for tick, *_ in said[2:]] == list(range(3545, 3601))
    assert (done.published, done.skipped) == (56, 2)
    assert await rig.faults(config) == SOUND


async def test_what_many_catch_up_on_is_written_and_sent_in_portions(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one transaction it would take longer than the dispatcher may be silent, and be begun again for ever."""
    monkeypatch.setattr(dispatcher, "PORTION_ROWS", 20)
    configs = [await rig.config(catchup="all", max_catchup_runs=8) for _ in range(3)]
    sent: list[int] = []
    publish = rig.broker.publish

    async def noted(messages: Sequence[TaskMessage]) -> None:
        sent.append(len(messages))
        await publish(messages)

    monkeypatch.setattr(rig.broker, "publish", noted)

    await rig.fire(after=600)

    assert sent == [14, 14, 14]
    assert [await rig.faults(config) for config in configs] == [SOUND] * 3


async def test_what_a_config_catches_up_on_goes_by_portions_too(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(firing, "MOST_RUNS", 5)
    config = await rig.config(catchup="all", max_catchup_runs=14)

    done = await rig.fire(after=600)

    assert (done.configs, done.published, len(rig.broker.sent)) == (4, 20, 20)
    assert [tick for tick, *_ in (await rig.said_of(config))[1:]] == list(range(581, 601))
    assert await rig.faults(config) == SOUND


async def test_all_one_at_a_time_runs_them_one_after_the_other(rig: Rig) -> None:
    config = await rig.config(
        catchup="all", overlap="skip", max_catchup_runs=3, schedule_config={"cron_expression": "* * * * *"}
    )

    await rig.fire(after=630)
    await rig.finish_and_fire(times=3)

    assert await rig.said_of(config) == [
        (60, 7, "skipped", "max_catchup_runs"),
        (480, 1, "success", None),
        (540, 1, "success", None),
        (600, 1, "success", None),
    ]
    assert await rig.faults(config) == SOUND


async def test_skipped_stretches_are_told_to_the_history(rig: Rig) -> None:
    config = await rig.config(catchup="skip", schedule_config={"cron_expression": "* * * * *"})
    rig.events()

    await rig.fire(after=630)

    (event,) = rig.events()
    assert (event.config_id, event.event) == (config, "skipped")
    assert (event.details["reason"], event.details["tick_count"]) == ("missed", 10)


async def test_a_clock_that_steps_back_fires_nothing_twice(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire(after=10)

    stepped_back = await rig.fire(after=-7)
    await rig.fire(after=8)

    assert stepped_back.configs == 0
    assert await rig.faults(config) == SOUND


# An index that lags behind the ledger


async def turn_back(rig: Rig, config: int, seconds: float) -> None:
    """Put the index where it was at that many seconds after noon, as a restored backup would."""
    (entry,) = await rig.index.page(None, 1)
    tick = NOON + timedelta(seconds=seconds)
    await rig.index.upsert([DueEntry(config, entry.version, tick, entry.spec)])


async def test_a_cursor_before_single_rows_writes_none_of_them_again(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(4)
    await turn_back(rig, config, 1)

    done = await rig.fire(after=1)

    assert (done.written, len(rig.broker.sent)) == (1, 5)
    assert await rig.faults(config) == SOUND


async def test_a_cursor_inside_a_stretch_gets_no_row_for_a_tick_that_the_stretch_covers(rig: Rig) -> None:
    config = await rig.config(catchup="skip", schedule_config={"cron_expression": "* * * * *"})
    await rig.fire(after=3630)
    rig.clock.now = NOON + timedelta(seconds=1802)
    await turn_back(rig, config, 1800)

    late = await rig.fire()

    assert (late.configs, late.written) == (1, 0)
    assert await rig.faults(config, until=NOON + timedelta(seconds=3600)) == SOUND


async def test_a_second_catch_up_from_a_stale_cursor_writes_only_what_has_no_row(rig: Rig) -> None:
    config = await rig.config(catchup="all", max_catchup_runs=20)
    await rig.fire(after=600)
    await turn_back(rig, config, 1)

    await rig.fire(after=600)

    assert await rig.faults(config) == SOUND
    assert [count for _, count, status, _ in await rig.said_of(config) if status == "skipped"] == [574, 574]


# Ends


async def test_a_date_fires_once_and_the_config_becomes_inactive(rig: Rig) -> None:
    config = await rig.config(scheduler_type="date", schedule_config={"run_date": "2024-05-08T12:00:10Z"})

    await rig.fire(after=10)
    again = await rig.fire(after=10)

    assert (again.configs, await rig.status(config), await rig.index.size()) == (0, "inactive", 0)
    assert await rig.faults(config) == SOUND


async def test_a_date_that_was_slept_through_is_written_down_and_the_config_becomes_inactive(rig: Rig) -> None:
    config = await rig.config(
        scheduler_type="date", schedule_config={"run_date": "2024-05-08T12:00:10Z"}, catchup="skip"
    )

    await rig.fire(after=3600)

    assert await rig.said_of(config) == [(10, 1, "skipped", "missed")]
    assert await rig.status(config) == "inactive"


async def test_the_last_tick_before_end_at_fires_and_none_after_it(rig: Rig) -> None:
    config = await rig.config(end_at=NOON + timedelta(seconds=3, milliseconds=500))

    await rig.fire_each_second(6)

    assert await rig.said_of(config) == [(1, 1, "queued", None), (2, 1, "queued", None), (3, 1, "queued", None)]
    assert (await rig.status(config), await rig.index.size()) == ("inactive", 0)
    assert await rig.faults(config) == SOUND


async def test_no_tick_before_start_at_fires(rig: Rig) -> None:
    config = await rig.config(start_at=NOON + timedelta(seconds=3))

    await rig.fire_each_second(4)

    assert [tick for tick, *_ in await rig.said_of(config)] == [3, 4]
    assert await rig.faults(config) == SOUND


async def test_an_outage_over_the_end_is_written_down_up_to_the_end(rig: Rig) -> None:
    config = await rig.config(end_at=NOON + timedelta(seconds=100), catchup="skip")

    await rig.fire(after=3600)

    assert await rig.said_of(config) == [(1, 100, "skipped", "missed")]
    assert await rig.status(config) == "inactive"
    assert await rig.faults(config) == SOUND
