"""Workers that are gone lose what they ran, and nobody else does; by the heartbeat, whatever the clocks say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from horarium.actors.timeout_sweeper import (
    DEADLINE_GRACE_SECONDS,
    GONE_SECONDS,
    Swept,
)
from horarium.keyspace.workers import HEARTBEAT_TTL_SECONDS
from tests.support.sweeping import (
    NOTHING,
    WORKER,
    Monotonic,
    an_attempt,
    beat,
    beat_in_postgres,
    late_success,
    monotonic,
    past_deadline,
    real_time,
    row_of,
    swept_within,
)

if TYPE_CHECKING:
    from tests.support.rig import Rig

__all__ = ["monotonic", "real_time"]

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("real_time")]


async def test_a_worker_that_lives_keeps_what_it_runs(rig: Rig, monotonic: Monotonic) -> None:
    await an_attempt(rig)
    await rig.sweeper.step()
    monotonic.now += 3600

    assert await rig.sweeper.step() == NOTHING


async def test_a_worker_without_a_heartbeat_for_long_enough_loses_what_it_ran(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await an_attempt(rig)
    await rig.workers.leave(WORKER)
    in_time = await swept_within(rig, monotonic, GONE_SECONDS - 0.1)
    monotonic.now += 0.1
    rig.events()

    swept = await rig.sweeper.step()

    row = await row_of(rig, attempt)
    assert (in_time, swept) == (NOTHING, Swept(0, 1, 0))
    assert (row["status"], row["reason"]) == ("lost", "worker_gone")
    assert [event.event for event in rig.events()] == ["lost"]
    assert await late_success(rig, attempt) is None


async def test_a_heartbeat_that_is_back_in_time_saves_its_worker(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await an_attempt(rig)
    await rig.redis.flushdb()
    missing = await swept_within(rig, monotonic, GONE_SECONDS - 1)
    await beat(rig)
    await rig.sweeper.step()
    await rig.workers.leave(WORKER)

    assert (missing, await swept_within(rig, monotonic, 2)) == (NOTHING, NOTHING)
    assert (await row_of(rig, attempt))["status"] == "running"


async def test_a_worker_that_only_postgres_hears_keeps_what_it_runs(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await an_attempt(rig)
    await rig.workers.leave(WORKER)

    for _ in range(3):
        await beat_in_postgres(rig)
        assert await swept_within(rig, monotonic, GONE_SECONDS - 1) == NOTHING

    assert (await row_of(rig, attempt))["status"] == "running"
    assert await swept_within(rig, monotonic, 2) == replace(NOTHING, orphaned=1)


async def test_what_a_worker_said_to_postgres_long_ago_is_no_sign_of_life(rig: Rig, monotonic: Monotonic) -> None:
    await beat_in_postgres(rig)
    await an_attempt(rig)
    await rig.workers.leave(WORKER)

    assert await swept_within(rig, monotonic, GONE_SECONDS + 1) == replace(NOTHING, orphaned=1)


async def test_a_sweeper_that_has_not_looked_for_a_while_counts_anew(rig: Rig, monotonic: Monotonic) -> None:
    """A sign may have come and run out between two looks."""
    attempt = await an_attempt(rig)
    await rig.workers.leave(WORKER)
    await rig.sweeper.step()
    monotonic.now += HEARTBEAT_TTL_SECONDS + 1

    assert await swept_within(rig, monotonic, GONE_SECONDS - 1) == NOTHING
    assert (await row_of(rig, attempt))["status"] == "running"


async def test_the_wall_clock_has_no_say_in_whether_a_worker_is_gone(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await an_attempt(rig, timeout_seconds=7 * 86_400)
    await rig.workers.leave(WORKER)
    await rig.sweeper.step()
    monotonic.now += 1
    rig.clock.passes(3600)

    assert await rig.sweeper.step() == NOTHING
    assert (await row_of(rig, attempt))["status"] == "running"


async def test_what_a_gone_worker_ran_is_retried_where_the_config_says_so(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await an_attempt(rig, max_retries=3)
    await rig.workers.leave(WORKER)

    await swept_within(rig, monotonic, GONE_SECONDS)

    row = await row_of(rig, attempt)
    assert (row["status"], row["attempt"], row["earlier_attempts"][0]["status"]) == ("retrying", 2, "lost")


async def test_only_what_ran_at_the_gone_worker_is_lost(rig: Rig, monotonic: Monotonic) -> None:
    config = await rig.config(scheduler_type="manual", schedule_config={})
    here, there = await rig.running(config, worker="here"), await rig.running(config, worker="there")
    await beat(rig, "there")

    swept = await swept_within(rig, monotonic, GONE_SECONDS)

    assert swept.orphaned == 1
    assert [(await row_of(rig, each))["status"] for each in (here, there)] == ["lost", "running"]


async def test_an_execution_that_is_both_late_and_orphaned_is_ended_once(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await an_attempt(rig, max_retries=5)
    await rig.workers.leave(WORKER)
    await rig.sweeper.step()
    monotonic.now += GONE_SECONDS - DEADLINE_GRACE_SECONDS
    await past_deadline(rig, attempt)

    swept = await swept_within(rig, monotonic, DEADLINE_GRACE_SECONDS)

    assert swept == Swept(timed_out=1, orphaned=0, resumed=0)
    assert (await row_of(rig, attempt))["attempt"] == 2
