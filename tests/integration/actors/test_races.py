"""Correctness never rests on there being one dispatcher, nor on nobody editing meanwhile."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING

import anyio
import pytest
from uuid_utils.compat import uuid7

from horarium.model import TaskConfigPatch
from horarium.sql import executions
from horarium.sql.executions import Claim
from horarium.sql.queries import QUERIES
from tests.support.coverage import SOUND, Faults
from tests.support.plans import give_past
from tests.support.rig import NOON, Rig
from tests.support.together import Gate, SharedReading, at_once
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from uuid import UUID

pytestmark = pytest.mark.anyio

CONFIGS = 25
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"


async def many(rig: Rig, **fields: object) -> list[int]:
    return [await rig.config(**fields) for _ in range(CONFIGS)]


async def both_step(rig: Rig, *, after: float, times: int = 1) -> None:
    """Two dispatchers that have read the same due configs before one of them acts."""
    for _ in range(times):
        rig.clock.passes(after)
        gate = Gate()
        await at_once(*(rig.dispatcher(SharedReading(rig, gate)).step for _ in range(2)))


async def by_hand(rig: Rig, number: int) -> list[UUID]:
    """So many rows that wait for their message, those with greater ids before those with lesser ones."""
    config = await rig.config(scheduler_type="manual", schedule_config={})
    ids = sorted((uuid7() for _ in range(number)), reverse=True)
    async with rig.database.transaction() as connection:
        for each in ids:
            await QUERIES.execution_insert_run.value(
                connection, id=each, config_id=config, parameters={}, idempotency_key=None
            )
        await give_past(connection, config)
    return ids


async def all_faults(rig: Rig, configs: list[int]) -> set[Faults]:
    return {await rig.faults(config) for config in configs}


async def test_two_dispatchers_write_each_tick_once_and_send_one_message_for_it(rig: Rig) -> None:
    configs = await many(rig)

    await both_step(rig, after=1, times=5)

    assert await all_faults(rig, configs) == {SOUND}
    assert len(rig.broker.sent) == len({message.execution_id for message in rig.broker.sent}) == 5 * CONFIGS


@pytest.mark.parametrize("policy", ["skip", "latest", "all"])
async def test_two_dispatchers_catch_up_without_a_second_row_for_any_tick(rig: Rig, policy: str) -> None:
    configs = await many(rig, catchup=policy, max_catchup_runs=10)

    await both_step(rig, after=3600)
    await both_step(rig, after=1)

    assert await all_faults(rig, configs) == {SOUND}
    assert len(rig.broker.sent) == len({message.execution_id for message in rig.broker.sent})


async def test_a_dispatcher_that_slept_through_an_outage_meets_one_that_did_not(rig: Rig) -> None:
    configs = await many(rig, catchup="skip")
    gate = Gate()
    late, punctual = (rig.dispatcher(SharedReading(rig, gate)) for _ in range(2))
    punctual._clock = lambda: NOON + timedelta(seconds=3)
    rig.clock.now = NOON + timedelta(seconds=30)

    await at_once(late.step, punctual.step)
    await rig.fire(after=1)

    assert await all_faults(rig, configs) == {SOUND}


async def test_a_worker_claims_while_rows_are_marked_as_sent_and_nobody_waits_in_a_circle(rig: Rig) -> None:
    """Rows are taken in the order of their ids, wherever they lie: here the last one lies first."""
    ids = await by_hand(rig, 10)
    first, *_, last = [Claim(each, 1) for each in sorted(ids)]

    async def mark_all() -> None:
        async with rig.database.connection() as connection:
            await executions.mark_queued(connection, [Claim(each, 1) for each in ids])

    async with anyio.create_task_group() as group, rig.database.transaction() as claiming:
        await executions.claim(claiming, "a worker", [first])
        group.start_soon(mark_all)
        await eventually(partial(rig.sql, WAITING))
        (won,) = await executions.claim(claiming, "a worker", [last])

    assert won is not None
    assert await rig.sql("SELECT count(*) FROM executions WHERE status = 'queued'") == 8


async def test_configs_that_end_together_are_taken_in_the_order_of_their_ids_whichever_was_due_first(rig: Rig) -> None:
    low, high = await rig.config(), await rig.config()

    async def end_both() -> None:
        async with rig.database.connection() as connection:
            await QUERIES.task_config_exhaust.rows(connection, ids=[high, low], versions=[1, 1])

    async with anyio.create_task_group() as group, rig.database.transaction() as editing:
        await QUERIES.task_config_lock.rows(editing, ids=[low])
        group.start_soon(end_both)
        await eventually(partial(rig.sql, WAITING))
        await QUERIES.task_config_lock.rows(editing, ids=[high])

    assert [await rig.status(config) for config in (low, high)] == ["inactive", "inactive"]


async def test_one_at_a_time_stays_so_under_two_dispatchers(rig: Rig) -> None:
    configs = await many(rig, overlap="skip")

    await both_step(rig, after=3)

    assert await rig.sql("SELECT max(n) FROM (SELECT count(*) AS n FROM executions GROUP BY config_id) AS c") == 1
    assert len(rig.broker.sent) == len(configs)


async def pause_and_resume(rig: Rig, config: int) -> None:
    await rig.task_configs.pause(config, reason=None, until=None)
    await rig.task_configs.resume(config)


async def edit_the_schedule(rig: Rig, config: int) -> None:
    patch = TaskConfigPatch(schedule_config={"cron_expression": "*/1 * * * * *"})  # the same ticks, written otherwise
    await rig.task_configs.edit(config, patch, version=None)


async def edit_the_name(rig: Rig, config: int) -> None:
    await rig.task_configs.edit(config, TaskConfigPatch(name=f"renamed {config}"), version=None)


@pytest.mark.parametrize("after", [2, 60], ids=["on time", "catching up"])
@pytest.mark.parametrize("change", [pause_and_resume, edit_the_schedule, edit_the_name])
async def test_a_change_in_the_middle_of_a_step_leaves_every_tick_one_row(
    rig: Rig, change: Callable[[Rig, int], Awaitable[None]], after: float
) -> None:
    configs = await many(rig, catchup="skip")
    rig.clock.passes(after)

    await at_once(rig.dispatcher().step, *(partial(change, rig, config) for config in configs))
    await rig.requests()
    await rig.fire(after=1)

    assert await all_faults(rig, configs) == {SOUND}


async def test_deleting_in_the_middle_of_a_step_leaves_no_run_that_waits(rig: Rig) -> None:
    configs = await many(rig)
    rig.clock.passes(2)

    await at_once(
        rig.dispatcher().step, *(partial(rig.task_configs.delete, config, version=None) for config in configs)
    )

    assert await all_faults(rig, configs) == {SOUND}
    assert await rig.sql("SELECT count(*) FROM executions WHERE completed_at IS NULL") == 0
