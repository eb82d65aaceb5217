"""A tick, step by step: one row, one message, and the index moved on last of all."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import orjson
import pytest

from horarium.actors.dispatcher import Dispatcher
from horarium.keyspace.due_index import DueEntry
from horarium.messages import Publish
from horarium.model import TaskConfigPatch
from horarium.supervisor import ChildContext
from tests.support.coverage import SOUND
from tests.support.rig import NOON, Rig
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.anyio

MANY = 2300  # configs: more than two batches of the dispatcher


class Crash(Exception):
    """The process ends here."""


async def crash_before_the_index_moves_on(rig: Rig, monkeypatch: pytest.MonkeyPatch, *, after: float) -> None:
    async def advance(*_: object) -> int:
        raise Crash

    with monkeypatch.context() as broken:
        broken.setattr(rig.index, "advance", advance)
        with pytest.raises((Crash, ExceptionGroup)):
            await rig.fire(after=after)


async def copies(rig: Rig, config_id: int, number: int) -> list[int]:
    """So many configs like this one, in Postgres alone."""
    names = (await rig.sql("SELECT array_agg(attname) FROM pg_attribute WHERE attrelid = 'task_configs'::regclass"
                           " AND attnum > 0 AND NOT attisdropped AND attname NOT IN ('id', 'name')"))  # fmt: skip
    columns = ", ".join(names)
    return list(
        await rig.sql(
            f"WITH made AS (INSERT INTO task_configs (name, {columns}) SELECT 'copy ' || n, {columns}"  # noqa: S608 - our columns
            " FROM task_configs, generate_series(1, $2::int) AS n WHERE id = $1 RETURNING id)"
            " SELECT array_agg(id) FROM made",
            config_id,
            number,
        )
    )


# One tick


async def test_a_due_tick_becomes_one_row_one_message_and_the_index_moves_on(rig: Rig) -> None:
    config = await rig.config()

    done = await rig.fire(after=1)

    (row,) = await rig.rows(config)
    (message,) = rig.broker.sent
    assert (done.configs, done.written, done.published, done.skipped, done.deferred) == (1, 1, 1, 0, 0)
    assert (row["tick_at"], row["status"], row["trigger"]) == (NOON + timedelta(seconds=1), "queued", "schedule")
    assert (message.execution_id, message.attempt, message.config_id) == (row["id"], 1, config)
    assert await rig.next_tick(config) == 2


async def test_the_message_carries_what_the_config_says(rig: Rig) -> None:
    config = await rig.config(parameters={"message": "grüße"}, queue="reports", priority=9)

    await rig.fire(after=1)

    (message,) = rig.broker.sent
    sent = orjson.loads(message.to_json())
    assert (message.queue, message.priority) == ("reports", 9)
    assert (sent["task_name"], sent["kwargs"]) == ("echo", {"message": "grüße"})
    assert sent["labels"] == {
        "config_id": config,
        "task_type": "echo",
        "scheduler_type": "cron",
        "tick_at": "2024-05-08T12:00:01Z",
        "attempt": 1,
    }


async def test_what_is_not_due_is_left_alone(rig: Rig) -> None:
    config = await rig.config(scheduler_type="interval", schedule_config={"minutes": 1})

    done = await rig.fire(after=59.999)

    assert done.configs == 0
    assert await rig.rows(config) == []
    assert await rig.next_tick(config) == 60


async def test_a_tick_to_the_millisecond_fires_at_its_millisecond(rig: Rig) -> None:
    config = await rig.config(scheduler_type="date", schedule_config={"run_date": "2024-05-08T12:00:01.234Z"})

    early = await rig.fire(after=1.233)
    due = await rig.fire(after=0.001)

    assert (early.configs, due.written) == (0, 1)
    assert [row["tick_at"] for row in await rig.rows(config)] == [NOON + timedelta(seconds=1, milliseconds=234)]


async def test_every_tick_of_a_minute_has_its_row_and_its_message(rig: Rig) -> None:
    config = await rig.config()

    await rig.fire_each_second(60)

    assert await rig.faults(config) == SOUND
    assert len(rig.broker.sent) == 60


async def test_more_configs_than_fit_a_batch_all_fire_in_one_step(rig: Rig) -> None:
    config = await rig.config()
    copied = await copies(rig, config, MANY)
    await rig.loader.load_all()

    done = await rig.fire(after=1)

    assert (done.configs, done.written, done.published) == (MANY + 1, MANY + 1, MANY + 1)
    assert await rig.sql("SELECT count(DISTINCT config_id) FROM executions WHERE status = 'queued'") == MANY + 1
    assert {(await rig.next_tick(each)) for each in copied} == {2}


# Crashes, and what is replayed after them


async def test_a_crash_before_the_index_moves_on_is_replayed_and_changes_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = await rig.config()
    await crash_before_the_index_moves_on(rig, monkeypatch, after=1)
    before = await rig.rows(config)

    done = await rig.fire()

    assert (done.configs, done.written, done.published) == (1, 0, 0)
    assert await rig.rows(config) == before
    assert len(rig.broker.sent) == 1
    assert await rig.next_tick(config) == 2
    assert await rig.faults(config) == SOUND


async def test_a_crash_before_anything_is_sent_leaves_a_row_that_the_publisher_sends(rig: Rig) -> None:
    config = await rig.config()
    rig.broker.crash = Crash()
    with pytest.raises((Crash, ExceptionGroup)):
        await rig.fire(after=1)
    rig.broker.crash = None

    replayed = await rig.fire()
    await rig.age(6)
    await rig.publisher().step()

    (row,) = await rig.rows(config)
    assert (replayed.written, replayed.published) == (0, 0)
    assert [message.execution_id for message in rig.broker.sent] == [row["id"]]
    assert row["status"] == "queued"


async def test_a_config_whose_end_was_committed_but_not_indexed_does_not_fire_again(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = await rig.config(scheduler_type="date", schedule_config={"run_date": "2024-05-08T12:00:01Z"})
    await crash_before_the_index_moves_on(rig, monkeypatch, after=1)

    await rig.fire()

    assert await rig.requests() == [(config,), (config,)]
    assert (await rig.status(config), await rig.index.size()) == ("inactive", 0)
    assert await rig.faults(config) == SOUND


# A config that has changed since it was indexed


async def pause(rig: Rig, config: int) -> None:
    await rig.task_configs.pause(config, reason=None, until=None)


async def stop(rig: Rig, config: int) -> None:
    await rig.task_configs.stop(config)


async def delete(rig: Rig, config: int) -> None:
    await rig.task_configs.delete(config, version=None)


async def edit(rig: Rig, config: int) -> None:
    await rig.task_configs.edit(config, TaskConfigPatch(parameters={"message": "new"}), version=None)


@pytest.mark.parametrize("change", [pause, stop, delete, edit])
async def test_a_changed_config_does_not_fire_from_a_stale_index_and_the_loader_is_asked(
    rig: Rig, change: Callable[[Rig, int], Awaitable[None]]
) -> None:
    config = await rig.config()
    rig.loader_answers = False
    await change(rig, config)
    rig.asked.clear()

    done = await rig.fire(after=1)

    assert (done.configs, done.written, done.deferred) == (1, 0, 1)
    assert await rig.rows(config) == []
    assert rig.broker.sent == []
    assert await rig.next_tick(config) == 1
    assert await rig.requests() == [(config,)]


@pytest.mark.parametrize("change", [pause, stop, delete])
async def test_once_the_loader_has_answered_a_config_that_must_not_fire_is_out_of_the_index(
    rig: Rig, change: Callable[[Rig, int], Awaitable[None]]
) -> None:
    config = await rig.config()
    rig.loader_answers = False
    await change(rig, config)
    rig.loader_answers = True

    await rig.fire(after=1)
    await rig.requests()

    assert await rig.index.size() == 0


async def test_an_edited_config_fires_its_tick_late_and_as_edited(rig: Rig) -> None:
    config = await rig.config()
    rig.loader_answers = False
    await edit(rig, config)
    rig.loader_answers = True

    await rig.fire(after=1)
    await rig.requests()
    await rig.fire(after=0.1)

    assert [message.parameters for message in rig.broker.sent] == [{"message": "new"}]
    assert await rig.faults(config) == SOUND


async def test_a_stale_config_does_not_stand_in_the_way_of_the_others(rig: Rig) -> None:
    stale, good = await rig.config(), await rig.config()
    rig.loader_answers = False
    await pause(rig, stale)

    done = await rig.fire(after=1)

    assert (done.configs, done.written) == (2, 1)
    assert await rig.faults(good) == SOUND


async def test_an_entry_without_its_spec_is_made_anew_and_no_tick_is_lost(rig: Rig) -> None:
    config = await rig.config()
    await rig.redis.delete(rig.keys.spec)

    without = await rig.fire(after=1)
    await rig.requests()
    mended = await rig.fire()

    assert (without.written, without.deferred, mended.written) == (0, 1, 1)
    assert await rig.faults(config) == SOUND


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
    (entry,) = await rig.index.page(0, 1)
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


# A broker that is away


async def test_without_a_broker_rows_stay_pending_the_index_moves_on_and_the_publisher_is_told(rig: Rig) -> None:
    config = await rig.config()
    rig.broker.away = True

    done = await rig.fire(after=1)

    (row,) = await rig.rows(config)
    assert (done.written, done.published) == (1, 0)
    assert row["status"] == "pending"
    assert await rig.next_tick(config) == 2
    with rig.mailboxes.publisher.bind() as inbox:
        assert inbox.receive_nowait() == Publish((row["id"],))


async def test_what_was_written_without_a_broker_is_sent_when_it_is_back(rig: Rig) -> None:
    config = await rig.config()
    rig.broker.away = True
    await rig.fire(after=3)
    rig.broker.away = False

    asked = [row["id"] for row in await rig.rows(config)]
    sent = await rig.publisher().step(asked)

    assert sent.published == 3
    assert [message.execution_id for message in rig.broker.sent] == asked
    assert {row["status"] for row in await rig.rows(config)} == {"queued"}


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


# A flush


async def test_after_a_flush_the_cursor_comes_back_from_the_ledger(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(5)
    await rig.redis.flushdb()

    blind = await rig.fire(after=2)
    await rig.loader.load_all()
    healed = await rig.fire(after=1)

    assert (blind.configs, healed.published) == (0, 3)
    assert await rig.faults(config) == SOUND


async def test_after_a_flush_a_config_without_a_row_starts_from_its_creation(rig: Rig) -> None:
    config = await rig.config()
    await rig.redis.flushdb()

    await rig.loader.load_all()
    await rig.fire(after=3)

    assert await rig.faults(config) == SOUND


async def test_after_a_flush_a_stretch_is_not_written_again(rig: Rig) -> None:
    config = await rig.config(catchup="skip", schedule_config={"cron_expression": "* * * * *"})
    await rig.fire(after=3630)
    await rig.redis.flushdb()

    await rig.loader.load_all()
    await rig.fire(after=60)

    assert await rig.said_of(config) == [(60, 60, "skipped", "missed"), (3660, 1, "skipped", "missed")]
    assert await rig.faults(config) == SOUND


async def test_a_flush_between_the_row_and_the_index_loses_nothing_and_doubles_nothing(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = await rig.config()
    await crash_before_the_index_moves_on(rig, monkeypatch, after=2)
    await rig.redis.flushdb()

    await rig.loader.load_all()
    await rig.fire(after=1)

    assert await rig.faults(config) == SOUND
    assert len(rig.broker.sent) == 3


# Standing by


class Lease:
    """Whether this process leads, as a test says."""

    leads = False


async def test_a_lease_that_is_ours_again_needs_no_nudge(rig: Rig) -> None:
    """It can run out while its renewal is under way: to the leader nothing has changed then."""
    config, lease = await rig.config(), Lease()
    dispatcher = Dispatcher(rig.database, rig.index, rig.broker, rig.mailboxes, rig.clock, leadership=lease)

    async def written() -> bool:
        return bool(await rig.rows(config))

    with rig.mailboxes.dispatcher.bind() as inbox:
        async with anyio.create_task_group() as group:
            context = ChildContext("dispatcher", 1, inbox)
            await group.start(lambda *, task_status: dispatcher.run(context, task_status=task_status))
            rig.clock.passes(1)
            await anyio.wait_all_tasks_blocked()
            lease.leads = True

            await eventually(written, within=5)
            group.cancel_scope.cancel()
