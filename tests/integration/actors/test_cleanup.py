"""What nobody needs any more goes; what the due index restarts from stays."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest

from horarium.actors.cleanup import BATCH_ROWS, Cleaned
from horarium.keyspace.history import HistoryEvent
from horarium.keyspace.timeouts import Watch
from horarium.tasks import stream_broker
from horarium.tasks.stream_broker import GROUP, StreamBroker
from tests.support.coverage import SOUND
from tests.support.rig import NOON

if TYPE_CHECKING:
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio


async def ended(rig: Rig, config_id: int, *, days_ago: float) -> None:
    """Make everything of a config final, and long ago: its end, and the time of creation that its id tells."""
    await rig.sql(
        "UPDATE executions SET status = CASE status WHEN 'skipped' THEN status ELSE 'success' END,"
        " completed_at = aged.at, id = (left(aged.ms, 8) || '-' || right(aged.ms, 4) || substr(id::text, 14))::uuid"
        " FROM (SELECT at, lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') AS ms FROM"
        " (SELECT clock_timestamp() - make_interval(days => $2::int) AS at) AS x) AS aged WHERE config_id = $1",
        config_id,
        days_ago,
    )


async def cleaned(rig: Rig) -> Cleaned:
    rig.clock.is_real()
    return await rig.cleanup(days=30).step()


async def test_what_ended_before_the_retention_goes_and_the_newest_tick_row_stays(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(3)
    await ended(rig, config, days_ago=31)

    done = await cleaned(rig)

    assert done == Cleaned(executions=2, configs=0)
    assert [tick for tick, *_ in await rig.said_of(config)] == [3]


async def test_what_ended_within_the_retention_stays(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(3)
    await ended(rig, config, days_ago=29)

    assert await cleaned(rig) == Cleaned()
    assert len(await rig.rows(config)) == 3


async def test_what_is_in_flight_stays_however_old(rig: Rig) -> None:
    await rig.config()
    await rig.fire_each_second(3)
    await rig.age(365 * 86_400)

    assert await cleaned(rig) == Cleaned()


async def test_old_runs_by_hand_go_all(rig: Rig) -> None:
    config = await rig.config()
    await rig.manual_run(config)
    await rig.manual_run(config)
    await ended(rig, config, days_ago=31)

    assert await cleaned(rig) == Cleaned(executions=2)


async def test_after_a_clean_up_and_a_flush_no_tick_is_fired_again(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(3)
    await ended(rig, config, days_ago=31)
    now = rig.clock.now
    await cleaned(rig)
    rig.clock.now = now
    await rig.redis.flushdb()

    await rig.loader.load_all()
    await rig.fire(after=1)

    assert [tick for tick, *_ in await rig.said_of(config)] == [3, 4]
    assert await rig.faults(config, after=now - timedelta(seconds=1)) == SOUND


async def test_one_step_takes_one_batch_and_says_that_there_is_more(rig: Rig) -> None:
    config = await rig.config(catchup="all", max_catchup_runs=1000)
    await rig.fire(after=BATCH_ROWS + 5)
    await ended(rig, config, days_ago=31)

    rig.clock.is_real()
    cleanup = rig.cleanup()
    first, second = await cleanup.step(), await cleanup.step()

    assert first.executions <= BATCH_ROWS
    assert first.executions + second.executions == BATCH_ROWS + 4
    assert (first.more, second.more) == (True, False)


async def test_a_deleted_config_goes_with_the_last_of_its_executions(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(2)
    await rig.task_configs.delete(config, version=None)
    await ended(rig, config, days_ago=31)

    done = await cleaned(rig)

    assert done == Cleaned(executions=2, configs=1)
    assert await rig.sql("SELECT count(*) FROM task_configs") == 0


async def test_a_deleted_config_stays_as_long_as_an_execution_speaks_of_it(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(2)
    await rig.task_configs.delete(config, version=None)
    await ended(rig, config, days_ago=29)

    assert await cleaned(rig) == Cleaned()
    assert await rig.sql("SELECT count(*) FROM task_configs") == 1


async def test_a_deleted_config_that_never_ran_goes_at_once(rig: Rig) -> None:
    config = await rig.config()
    await rig.task_configs.delete(config, version=None)

    assert await cleaned(rig) == Cleaned(configs=1)


# By number


async def surplus_cleaned(rig: Rig, rows: int) -> Cleaned:
    rig.clock.is_real()
    return await rig.cleanup(rows=rows).step()


async def test_of_a_config_with_too_many_rows_the_newest_are_kept(rig: Rig) -> None:
    config, small = await rig.config(), await rig.config()
    await rig.fire_each_second(10)
    await rig.sql("DELETE FROM executions WHERE config_id = $1 AND extract(second FROM tick_at) > 3", small)
    await rig.sql("UPDATE executions SET status = 'success', completed_at = clock_timestamp() - interval '1 day'")

    done = await surplus_cleaned(rig, 4)

    assert done.surplus == 6
    assert [tick for tick, *_ in await rig.said_of(config)] == [7, 8, 9, 10]
    assert [tick for tick, *_ in await rig.said_of(small)] == [1, 2, 3]


async def test_runs_by_hand_never_push_out_the_newest_tick_row(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(3)
    for _ in range(5):
        await rig.manual_run(config)
    await rig.sql("UPDATE executions SET status = 'success', completed_at = clock_timestamp() - interval '1 day'")

    await surplus_cleaned(rig, 2)

    assert [row["tick_at"] for row in await rig.rows(config)].count(None) == 2
    assert [row["tick_at"].second for row in await rig.rows(config) if row["tick_at"]] == [3]


@pytest.mark.parametrize("change", ["completed_at = clock_timestamp() - interval '1 hour'", "id = id"])
async def test_what_ended_lately_or_not_at_all_stays_whatever_the_number(rig: Rig, change: str) -> None:
    config = await rig.config()
    await rig.fire_each_second(10)
    status = "success" if "completed" in change else "queued"
    await rig.sql(f"UPDATE executions SET status = '{status}', {change}")  # noqa: S608 - ours

    assert (await surplus_cleaned(rig, 2)).surplus == 0
    assert len(await rig.rows(config)) == 10


async def test_no_number_keeps_all(rig: Rig) -> None:
    await rig.config()
    await rig.fire_each_second(10)
    await rig.sql("UPDATE executions SET status = 'success', completed_at = clock_timestamp() - interval '1 day'")

    assert (await surplus_cleaned(rig, 0)).surplus == 0


async def test_what_stays_is_looked_at_once_and_not_with_every_step(rig: Rig) -> None:
    """A newest tick row that is older than the retention must not be judged every minute, for ever."""
    configs = [await rig.config() for _ in range(3)]
    await rig.fire_each_second(1)
    for config in configs:
        await ended(rig, config, days_ago=31)
    rig.clock.is_real()
    cleanup = rig.cleanup(days=30)
    await cleanup.step()

    newest = await rig.sql("SELECT id FROM executions ORDER BY id DESC LIMIT 1")

    assert cleanup._walked_until == newest


# In Redis


async def test_history_of_configs_that_are_gone_is_deleted_and_of_others_kept(rig: Rig) -> None:
    config, gone = await rig.config(), await rig.config()
    await rig.history.push([HistoryEvent.now(each, "task_loaded") for each in (config, gone)])
    await rig.task_configs.delete(gone, version=None)

    done = await rig.cleanup().step()

    assert done.keys == 2
    assert len(await rig.history.newest(config, 10)) == 1
    assert await rig.history.newest(gone, 10) == []


async def test_entries_that_are_only_half_in_the_timeout_index_are_taken_out(rig: Rig) -> None:
    whole, without_attempt, without_deadline = uuid4(), uuid4(), uuid4()
    await rig.timeouts.watch([Watch(each, 1, NOON) for each in (whole, without_attempt, without_deadline)])
    await rig.redis.hdel(rig.keys.timeout_tasks, str(without_attempt))
    await rig.redis.zrem(rig.keys.timeout_index, str(without_deadline))

    done = await rig.cleanup().step()

    assert done.keys == 2
    assert await rig.timeouts.watched() == {whole}
    assert await rig.timeouts.overdue(NOON + timedelta(seconds=1), 10) == [whole]


# In the queues


async def test_entries_acknowledged_and_not_deleted_go_and_those_that_wait_or_run_stay(rig: Rig, redis_db: str) -> None:
    broker = StreamBroker(redis_db, rig.keys)
    await broker.startup()
    stream, read = rig.keys.queue("default"), {rig.keys.queue("default"): ">"}
    acknowledged, running = [await rig.redis.xadd(stream, {"data": b"{}"}) for _ in range(2)]
    await rig.redis.xreadgroup(GROUP, "a worker", read)
    await rig.redis.xack(stream, GROUP, acknowledged)
    waiting = await rig.redis.xadd(stream, {"data": b"{}"})

    assert await broker.tidy() == 1
    assert [entry for entry, _ in await rig.redis.xrange(stream)] == [running, waiting]
    assert await broker.tidy() == 0
    await broker.shutdown()


async def test_consumers_that_are_silent_and_hold_nothing_go(
    rig: Rig, redis_db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_broker, "SILENT_MS", -1)
    broker = StreamBroker(redis_db, rig.keys)
    await broker.startup()
    stream = rig.keys.queue("default")
    await rig.redis.xadd(stream, {"data": b"{}"})
    await rig.redis.xreadgroup(GROUP, "holds one", {stream: ">"})
    await rig.redis.xgroup_createconsumer(stream, GROUP, "holds nothing")

    assert await broker.tidy() == 1
    assert [each["name"] for each in await rig.redis.xinfo_consumers(stream, GROUP)] == [b"holds one"]
    await broker.shutdown()


async def test_queues_that_only_other_processes_read_are_tidied_too(rig: Rig, redis_db: str) -> None:
    other = StreamBroker(redis_db, rig.keys, queues=("reports",))
    await other.startup()
    stream = rig.keys.queue("reports")
    entry = await rig.redis.xadd(stream, {"data": b"{}"})
    await rig.redis.xreadgroup(GROUP, "a worker", {stream: ">"})
    await rig.redis.xack(stream, GROUP, entry)
    await other.shutdown()
    broker = StreamBroker(redis_db, rig.keys)

    assert await broker.tidy() == 1
    await broker.shutdown()
