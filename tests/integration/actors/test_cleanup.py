"""What nobody needs any more goes; what the due index restarts from stays."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from horarium.actors.cleanup import BATCH_ROWS, Cleaned
from tests.support.coverage import SOUND

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

    first = await cleaned(rig)
    second = await cleaned(rig)

    assert (first.executions, first.more) == (BATCH_ROWS, True)
    assert (second.executions, second.more) == (4, False)


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
