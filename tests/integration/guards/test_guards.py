"""A safety net proves itself: each test takes one guard of the ledger out and shows that the checks then go red.

Every scene is played twice, with the guard and without it: what goes red is then the guard's absence, not the scene.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from taskiq import TaskiqMessage

from horarium.actors import dispatcher as dispatcher_module
from horarium.keyspace.due_index import DueEntry
from horarium.outcome import Succeeded, Unsuccessful, decide
from horarium.sql import executions
from horarium.sql.executions import Claim, Finish, insert_ticks
from horarium.sql.external import claim_kicked
from horarium.tasks.kicked import kicked
from tests.support.coverage import SOUND, Faults, faults
from tests.support.rig import NOON, Rig
from tests.support.together import Gate, Overlap, SharedReading, at_once
from tests.support.unguarded import without

if TYPE_CHECKING:
    from collections.abc import Sequence

    from horarium.sql.executions import Decision, Finished, TickRow
    from horarium.sql.queries import Connection

pytestmark = pytest.mark.anyio

ONE_ROW_PER_TICK = "ON CONFLICT (config_id, tick_at) DO NOTHING"
COVERED = "WHEN covered.until >= d.tick_at THEN 'exists'"
CONFIG_AS_READ = "c.version = d.version AND c.status = 'active' AND c.deleted_at IS NULL"
CLAIM_FENCE = "(e.status IN ('pending', 'queued', 'retrying') OR (e.status = 'running' AND e.worker = $1::text))"
HOLD = "AND e.held_by IS NULL"
IN_FLIGHT = "(o.completed_at IS NULL OR o.held_by IS NOT NULL)"
FINISH_FENCE = "e.attempt = f.attempt AND"


# One row for a tick


@pytest.fixture
def overlapping_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two dispatchers begin to write before one of them has committed."""
    gate, overlap = Gate(), Overlap()

    async def insert(connection: Connection, ticks: Sequence[TickRow], **options: Any) -> list[Decision]:
        await connection.fetchval("SELECT pg_current_xact_id()::text")
        await gate.wait()
        decisions = await insert_ticks(connection, ticks, **options)
        await overlap.wait(connection)
        return decisions

    monkeypatch.setattr(dispatcher_module, "insert_ticks", insert)


async def two_dispatchers_at_once(rig: Rig) -> Faults:
    config = await rig.config()
    rig.clock.passes(1)
    gate = Gate()
    await at_once(*(rig.dispatcher(SharedReading(rig, gate)).step for _ in range(2)))
    return await rig.faults(config)


@pytest.mark.usefixtures("overlapping_writes")
async def test_two_dispatchers_write_a_tick_once(own_rig: Rig) -> None:
    assert await two_dispatchers_at_once(own_rig) == SOUND


@pytest.mark.usefixtures("overlapping_writes")
async def test_without_the_unique_key_two_dispatchers_write_a_tick_twice(
    own_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    await own_rig.sql("ALTER TABLE executions DROP CONSTRAINT executions_one_row_per_tick")
    without(monkeypatch, "execution_insert_ticks", ONE_ROW_PER_TICK)

    assert (await two_dispatchers_at_once(own_rig)).doubled == (NOON + timedelta(seconds=1),)


# No row for a tick that a stretch covers


async def an_index_that_lags_behind_a_stretch(rig: Rig) -> Faults:
    config = await rig.config(catchup="skip", schedule_config={"cron_expression": "* * * * *"})
    await rig.fire(after=630)
    (entry,) = await rig.index.page(None, 1)
    rig.clock.now = NOON + timedelta(seconds=302)
    await rig.index.upsert([DueEntry(config, entry.version, NOON + timedelta(seconds=300), entry.spec)])
    await rig.fire()
    return await rig.faults(config, until=NOON + timedelta(seconds=630))


async def test_a_lagging_index_gets_no_second_row_for_a_tick_of_a_stretch(rig: Rig) -> None:
    assert await an_index_that_lags_behind_a_stretch(rig) == SOUND


async def test_without_the_look_at_stretches_a_lagging_index_covers_a_tick_twice(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "execution_insert_ticks", COVERED)

    assert (await an_index_that_lags_behind_a_stretch(rig)).doubled == (NOON + timedelta(seconds=300),)


# No row for a config that has changed


async def a_pause_that_the_index_missed(rig: Rig) -> list[tuple[Any, ...]]:
    config = await rig.config()
    rig.loader_answers = False
    await rig.task_configs.pause(config, reason=None, until=None)
    await rig.fire(after=1)
    return await rig.said_of(config)


async def test_a_paused_config_does_not_fire_from_a_stale_index(rig: Rig) -> None:
    assert await a_pause_that_the_index_missed(rig) == []


async def test_without_the_join_to_the_config_a_paused_one_fires(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "execution_insert_ticks", CONFIG_AS_READ, "true")

    assert await a_pause_that_the_index_missed(rig) == [(1, 1, "queued", None)]


# No answer of an attempt that was given up


async def ends(rig: Rig, execution_id: Any, attempt: int, ending: Any) -> Finished | None:
    async with rig.database.connection() as connection:
        (answer,) = await executions.finish(connection, [Finish(execution_id, attempt, ending)])
    return answer


async def a_late_answer(rig: Rig) -> tuple[Finished | None, str]:
    """The first attempt is given up, the second runs, and then the first says that it succeeded."""
    config = await rig.config(scheduler_type="manual", schedule_config={}, max_retries=1)
    first = await rig.running(config)
    await ends(rig, first.execution_id, 1, decide(first, Unsuccessful("lost", "its worker is gone")))
    await rig.claimed(first.execution_id, attempt=2)
    answer = await ends(rig, first.execution_id, 1, decide(first, Succeeded("late")))
    return answer, (await rig.row(first.execution_id))["status"]


async def test_a_late_answer_is_refused(rig: Rig) -> None:
    assert await a_late_answer(rig) == (None, "running")


async def test_without_the_fence_a_late_answer_ends_somebody_elses_attempt(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "execution_finish", FINISH_FENCE)

    answer, status = await a_late_answer(rig)
    assert answer is not None
    assert status == "success"


# No second claim


async def two_deliveries(rig: Rig) -> int:
    """How many of two workers that were sent the same message may run it."""
    config = await rig.config(scheduler_type="manual", schedule_config={})
    claim = Claim(await rig.manual_run(config), 1)
    async with rig.database.connection() as connection:
        won = [await executions.claim(connection, worker, [claim]) for worker in ("one", "other")]
    return sum(attempt is not None for (attempt,) in won)


async def test_of_two_deliveries_one_runs(rig: Rig) -> None:
    assert await two_deliveries(rig) == 1


async def test_without_the_condition_of_the_claim_both_deliveries_run(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "execution_claim", CLAIM_FENCE, "true")

    assert await two_deliveries(rig) == 2


async def two_deliveries_of_a_kick(rig: Rig) -> int:
    """The same of a message that an app has sent by itself, and that has no row yet."""
    message = TaskiqMessage(task_id="an id", task_name="echo", labels={}, args=[], kwargs={})
    async with rig.database.connection() as connection:
        won = [await claim_kicked(connection, worker, [kicked(message, None).row]) for worker in ("one", "other")]
    return sum(attempt is not None for (attempt,) in won)


async def test_of_two_deliveries_of_a_kick_one_runs(rig: Rig) -> None:
    assert await two_deliveries_of_a_kick(rig) == 1


async def test_without_its_condition_both_deliveries_of_a_kick_run(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, "execution_claim_external", "AND e.worker = excluded.worker")

    assert await two_deliveries_of_a_kick(rig) == 2


# No attempt beside one that may still run


async def a_retry_beside_its_first_attempt(rig: Rig) -> bool:
    """Whether a retry is claimed while a living worker may still be at the attempt before it."""
    config = await rig.config(scheduler_type="manual", schedule_config={}, max_retries=1, retry_backoff_seconds=0)
    first = await rig.running(config)
    ending = decide(first, Unsuccessful("timeout", "no end in sight"))
    async with rig.database.connection() as connection:
        await executions.finish(connection, [Finish(first.execution_id, 1, ending, held=True)])
        (second,) = await executions.claim(connection, "other", [Claim(first.execution_id, 2)])
    return second is not None


async def test_a_retry_waits_for_the_attempt_before_it_to_be_really_over(rig: Rig) -> None:
    assert not await a_retry_beside_its_first_attempt(rig)


async def test_without_the_hold_a_retry_runs_beside_its_first_attempt(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, "execution_claim", HOLD)

    assert await a_retry_beside_its_first_attempt(rig)


# One at a time


async def sent_of_three_buffered(rig: Rig) -> int:
    """How many messages three ticks under `buffer_all` have, of which the first still runs."""
    await rig.config(overlap="buffer_all")
    await rig.fire_each_second(3)
    await rig.publisher().step()
    return len(rig.broker.sent)


async def test_what_is_buffered_waits_for_its_turn(rig: Rig) -> None:
    assert await sent_of_three_buffered(rig) == 1


async def test_without_the_look_at_what_is_in_flight_a_buffered_tick_runs_beside_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    for query in ("execution_awaiting_turn", "execution_release_buffered"):
        without(monkeypatch, query, IN_FLIGHT, "o.id IS NULL")

    assert await sent_of_three_buffered(rig) == 2


# What reconciles: the index with Postgres, and the broker with the ledger


async def ticks_after_a_flush(rig: Rig, *, look: bool) -> Faults:
    config = await rig.config()
    await rig.fire_each_second(2)
    await rig.redis.flushdb()
    if look:
        await rig.loader._look(1)
    await rig.fire_each_second(3)
    return await rig.faults(config)


async def test_a_flushed_index_is_made_again(rig: Rig) -> None:
    assert await ticks_after_a_flush(rig, look=True) == SOUND


async def test_without_the_loader_a_flush_loses_ticks(rig: Rig) -> None:
    assert len((await ticks_after_a_flush(rig, look=False)).missing) == 3


async def unsent_after_a_crash(rig: Rig, *, publish: bool) -> int:
    """How many rows wait for a message when the dispatcher was killed between the commit and the sending."""
    await rig.config()
    rig.broker.away = True
    await rig.fire(after=1)
    rig.broker.away = False
    await rig.age(6)
    if publish:
        await rig.publisher().step()
    return int(await rig.sql("SELECT count(*) FROM executions WHERE status = 'pending'"))


async def test_a_row_without_a_message_is_sent_one(rig: Rig) -> None:
    assert await unsent_after_a_crash(rig, publish=True) == 0


async def test_without_the_publisher_it_waits_for_ever(rig: Rig) -> None:
    assert await unsent_after_a_crash(rig, publish=False) == 1


# The checker


TICKS = [NOON + timedelta(seconds=n) for n in range(1, 5)]


def row(first: int, last: int | None = None, *, count: int = 1) -> dict[str, Any]:
    until = None if last is None else NOON + timedelta(seconds=last)
    return {"tick_at": NOON + timedelta(seconds=first), "tick_until": until, "tick_count": count}


BY_HAND = {"tick_at": None, "tick_until": None, "tick_count": 1}


@pytest.mark.parametrize(
    "rows", [[row(1), row(2), row(3), row(4)], [row(1, 3, count=3), row(4)], [row(1, 4, count=4), BY_HAND]]
)
def test_the_checker_finds_nothing_wrong_with_a_ledger_that_is_right(rows: list[dict[str, Any]]) -> None:
    assert faults(rows, TICKS) == SOUND


@pytest.mark.parametrize(
    ("rows", "found"),
    [
        ([row(1), row(2), row(4)], Faults(missing=(TICKS[2],))),
        ([row(1), row(2), row(2), row(3), row(4)], Faults(doubled=(TICKS[1],))),
        ([row(1, 3, count=3), row(3), row(4)], Faults(doubled=(TICKS[2],))),
        ([row(1, 4, count=3)], Faults(miscounted=(TICKS[0],))),
        ([row(1, 4, count=4), row(9)], Faults(extra=(row(9)["tick_at"],), miscounted=(row(9)["tick_at"],))),
    ],
)
def test_the_checker_names_what_is_wrong(rows: list[dict[str, Any]], found: Faults) -> None:
    assert faults(rows, TICKS) == found
