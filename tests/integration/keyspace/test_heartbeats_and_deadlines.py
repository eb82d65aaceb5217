"""Who lives, and what may not outlive its deadline."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import pytest

from horarium.keyspace.timeouts import Watch
from horarium.keyspace.workers import HEARTBEAT_TTL_SECONDS, WorkerBeat
from horarium.outcome import Succeeded, Unsuccessful, decide
from horarium.sql.executions import Claim
from tests.support.rig import NOON

if TYPE_CHECKING:
    from horarium.outcome import Attempt
    from horarium.tasks.ledger import Ledger
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio

ONE, TWO, THREE = (UUID(int=n) for n in (1, 2, 3))


async def test_a_heartbeat_says_who_lives_until_it_runs_out(rig: Rig) -> None:
    beat = WorkerBeat("a", ("default", "reports"), 10, 3, "now")
    await rig.workers.beat(beat)

    living = await rig.workers.living()

    assert [(each.id, tuple(each.queues), each.active) for each in living] == [("a", ("default", "reports"), 3)]
    assert 0 < await rig.redis.pttl(rig.keys.worker("a")) <= 1000 * HEARTBEAT_TTL_SECONDS
    assert await rig.workers.gone(["a", "b"]) == {"b"}


async def test_a_worker_that_leaves_is_gone_at_once(rig: Rig) -> None:
    await rig.workers.beat(WorkerBeat("a", ("default",), 10, 3, "now"))
    await rig.workers.leave("a")

    assert await rig.workers.living() == []
    assert await rig.workers.gone([]) == set()


async def test_what_is_past_its_deadline_is_read_earliest_first(rig: Rig) -> None:
    await rig.timeouts.watch([Watch(ONE, 1, NOON), Watch(TWO, 1, NOON - timedelta(seconds=1))])
    await rig.timeouts.watch([Watch(THREE, 2, NOON + timedelta(milliseconds=1))])

    assert await rig.timeouts.overdue(NOON, 10) == [TWO, ONE]
    assert await rig.timeouts.overdue(NOON, 1) == [TWO]
    assert await rig.timeouts.watched() == {ONE, TWO, THREE}


async def test_a_refused_finish_leaves_the_attempt_that_followed_watched(rig: Rig) -> None:
    config = await rig.config(scheduler_type="manual", schedule_config={}, max_retries=1)
    ledger, sweeper = rig.ledger(), rig.ledger("another")
    first = await claimed(ledger, await rig.manual_run(config))
    await ledger.follow_deadlines()
    await sweeper.finish(first, decide(first, Unsuccessful("lost", "given up")))
    second = await claimed(ledger, first.execution_id, attempt=2)
    await ledger.follow_deadlines()

    late = await ledger.finish(first, decide(first, Succeeded("late")))
    await ledger.follow_deadlines()

    assert late is None
    assert await rig.timeouts.watched() == {second.execution_id}


async def test_what_runs_for_a_while_is_watched_until_it_ends(rig: Rig) -> None:
    ledger = rig.ledger()
    run = await claimed(ledger, await rig.manual_run(await rig.config(scheduler_type="manual", schedule_config={})))
    await ledger.follow_deadlines()
    watched = await rig.timeouts.watched()

    await ledger.finish(run, decide(run, Succeeded("done")))
    await ledger.follow_deadlines()

    assert watched == {run.execution_id}
    assert await rig.timeouts.watched() == set()


async def test_what_is_not_watched_any_more_is_never_overdue(rig: Rig) -> None:
    await rig.timeouts.watch([Watch(ONE, 1, NOON)])
    await rig.timeouts.unwatch([ONE, TWO])
    await rig.timeouts.unwatch([])
    await rig.timeouts.watch([])

    assert await rig.timeouts.overdue(NOON, 10) == []
    assert await rig.timeouts.watched() == set()


async def claimed(ledger: Ledger, execution_id: UUID, *, attempt: int = 1) -> Attempt:
    won = await ledger.claim(Claim(execution_id, attempt))
    assert won is not None
    return won
