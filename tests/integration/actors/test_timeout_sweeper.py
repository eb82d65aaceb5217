"""What nobody else will end is ended: deadlines passed, workers gone; and a late answer is refused."""

from __future__ import annotations

from dataclasses import astuple, replace
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest

from horarium.actors.timeout_sweeper import (
    CANCEL_GRACE_SECONDS,
    DEADLINE_GRACE_SECONDS,
    GONE_SECONDS,
    Swept,
)
from horarium.keyspace.timeouts import Watch
from horarium.keyspace.workers import HEARTBEAT_TTL_SECONDS, WorkerBeat
from horarium.outcome import Succeeded, decide
from horarium.sql import executions
from horarium.sql.executions import Finish
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    import asyncpg

    from horarium.outcome import Attempt
    from horarium.sql.executions import Finished
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio

NOTHING = Swept(0, 0, 0)
WORKER = "a worker"
TIMEOUT = 30.0


class Monotonic:
    """The seconds that a sweeper counts."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def monotonic(monkeypatch: pytest.MonkeyPatch) -> Monotonic:
    made = Monotonic()
    monkeypatch.setattr(anyio, "current_time", made)
    return made


@pytest.fixture
def rig(rig: Rig) -> Rig:
    """The rig at the servers' own time, by which deadlines are measured."""
    rig.clock.is_real()
    return rig


async def beat(rig: Rig, worker: str = WORKER) -> None:
    await rig.workers.beat(WorkerBeat(worker, ("default",), 1, 1, "now"))


async def beat_in_postgres(rig: Rig, worker: str = WORKER) -> None:
    async with rig.database.connection() as connection:
        await QUERIES.worker_beat.value(connection, worker=worker)


async def an_attempt(rig: Rig, **fields: object) -> Attempt:
    """A claimed attempt of a config with TIMEOUT, whose worker lives."""
    manual: dict[str, object] = {"scheduler_type": "manual", "schedule_config": {}, "timeout_seconds": TIMEOUT}
    config = await rig.config(**(manual | fields))
    await beat(rig)
    return await rig.running(config, worker=WORKER)


async def past_deadline(rig: Rig, attempt: Attempt) -> None:
    """Let the attempt's deadline have passed a second ago, in the ledger and in the index."""
    passed = rig.clock() - timedelta(seconds=1)
    await rig.sql("UPDATE executions SET deadline_at = $2 WHERE id = $1", attempt.execution_id, passed)
    await rig.timeouts.watch([Watch(attempt.execution_id, attempt.attempt, passed)])


async def swept_after_grace(rig: Rig, monotonic: Monotonic) -> Swept:
    """What the sweeper ends when it has seen what is overdue for as long as it leaves it to its worker."""
    assert await rig.sweeper.step() == NOTHING
    monotonic.now += DEADLINE_GRACE_SECONDS
    return await rig.sweeper.step()


async def swept_within(rig: Rig, monotonic: Monotonic, seconds: float) -> Swept:
    """All that sweeps end of which one is made now and one with each second that passes."""
    swept = [await rig.sweeper.step()]
    end = monotonic.now + seconds
    while monotonic.now < end:
        monotonic.now = min(monotonic.now + 1, end)
        swept.append(await rig.sweeper.step())
    return Swept(*(sum(each) for each in zip(*map(astuple, swept), strict=True)))


async def late_success(rig: Rig, attempt: Attempt) -> Finished | None:
    """What the ledger answers when this attempt says after all that it succeeded."""
    async with rig.database.connection() as connection:
        ending = decide(attempt, Succeeded("late"))
        (answer,) = await executions.finish(connection, [Finish(attempt.execution_id, attempt.attempt, ending)])
    return answer


async def row_of(rig: Rig, attempt: Attempt) -> asyncpg.Record:
    return await rig.row(attempt.execution_id)


# Deadlines


async def test_a_deadline_within_its_grace_is_left_to_the_worker(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await an_attempt(rig)
    await past_deadline(rig, attempt)
    await rig.sweeper.step()
    monotonic.now += DEADLINE_GRACE_SECONDS - 1

    assert await rig.sweeper.step() == NOTHING
    assert (await row_of(rig, attempt))["status"] == "running"


async def test_a_clock_of_ours_that_is_ahead_times_nothing_out(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await an_attempt(rig)
    rig.clock.now = attempt.deadline_at + timedelta(hours=1)

    assert await swept_after_grace(rig, monotonic) == NOTHING


async def test_an_execution_past_its_deadline_times_out(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await an_attempt(rig)
    await past_deadline(rig, attempt)
    rig.events()

    swept = await swept_after_grace(rig, monotonic)

    row = await row_of(rig, attempt)
    assert swept == Swept(timed_out=1, orphaned=0, resumed=0)
    assert (row["status"], row["reason"], row["attempt"]) == ("timeout", "deadline_passed", 1)
    assert row["completed_at"] is not None
    assert [event.event for event in rig.events()] == ["timeout"]
    assert await rig.timeouts.watched() == set()


async def test_a_second_sweep_finds_nothing_left(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await an_attempt(rig)
    await past_deadline(rig, attempt)
    await swept_after_grace(rig, monotonic)

    assert await rig.sweeper.step() == NOTHING


async def test_with_a_retry_left_a_timed_out_execution_waits_for_its_next_attempt(
    rig: Rig, monotonic: Monotonic
) -> None:
    attempt = await an_attempt(rig, max_retries=1, retry_backoff_seconds=60)
    await past_deadline(rig, attempt)

    await swept_after_grace(rig, monotonic)

    row = await row_of(rig, attempt)
    (earlier,) = row["earlier_attempts"]
    assert (row["status"], row["attempt"], row["completed_at"], row["deadline_at"]) == ("retrying", 2, None, None)
    assert (earlier["attempt"], earlier["status"], earlier["worker"]) == (1, "timeout", WORKER)
    assert 53 < (row["retry_at"] - attempt.started_at).total_seconds() < 70


async def test_a_late_answer_of_an_attempt_that_was_given_up_is_refused(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await an_attempt(rig)
    await past_deadline(rig, attempt)
    await swept_after_grace(rig, monotonic)
    before = await row_of(rig, attempt)

    assert await late_success(rig, attempt) is None
    assert await row_of(rig, attempt) == before


async def test_a_late_answer_does_not_end_the_attempt_that_followed(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await an_attempt(rig, max_retries=1)
    await past_deadline(rig, attempt)
    await swept_after_grace(rig, monotonic)
    assert await rig.ledger(WORKER).finish(attempt, decide(attempt, Succeeded("late"))) is None
    second = await rig.claimed(attempt.execution_id, attempt=2)

    assert await late_success(rig, attempt) is None
    assert (await row_of(rig, attempt))["status"] == "running"
    assert await late_success(rig, second) is not None


# What its worker may still be at


async def held_by(rig: Rig, attempt: Attempt) -> str | None:
    worker: str | None = (await row_of(rig, attempt))["held_by"]
    return worker


async def timed_out_at_a_living_worker(rig: Rig, monotonic: Monotonic, **fields: object) -> Attempt:
    attempt = await an_attempt(rig, **fields)
    await past_deadline(rig, attempt)
    await swept_after_grace(rig, monotonic)
    assert await held_by(rig, attempt) == WORKER
    return attempt


async def test_no_retry_begins_while_the_worker_may_still_be_at_the_attempt(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await timed_out_at_a_living_worker(rig, monotonic, max_retries=1, retry_backoff_seconds=0)

    assert (await rig.publisher().step()).published == 0
    with pytest.raises(AssertionError):  # nor does a message that is on its way
        await rig.claimed(attempt.execution_id, attempt=2)
    await rig.ledger(WORKER).finish(attempt, decide(attempt, Succeeded("late")))

    assert await held_by(rig, attempt) is None
    assert (await rig.publisher().step()).published == 1
    assert (await rig.claimed(attempt.execution_id, attempt=2)).attempt == 2


async def test_what_a_worker_held_that_is_gone_is_free(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await timed_out_at_a_living_worker(rig, monotonic)
    await rig.workers.leave(WORKER)

    assert await swept_within(rig, monotonic, GONE_SECONDS) == replace(NOTHING, freed=1)

    assert await held_by(rig, attempt) is None
    assert (await row_of(rig, attempt))["status"] == "timeout"


async def test_a_worker_lets_go_only_what_it_holds_itself(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await timed_out_at_a_living_worker(rig, monotonic)

    await rig.ledger("another worker").finish(attempt, decide(attempt, Succeeded("late")))

    assert await held_by(rig, attempt) == WORKER


async def test_nothing_is_held_by_a_worker_that_is_gone(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await an_attempt(rig)
    await rig.workers.leave(WORKER)

    assert await swept_within(rig, monotonic, GONE_SECONDS) == replace(NOTHING, orphaned=1)

    assert await held_by(rig, attempt) is None


# Cancels that are not heeded


async def test_a_cancel_is_left_to_the_worker_for_a_moment(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await an_attempt(rig)
    await rig.executions.cancel(attempt.execution_id)
    await rig.sweeper.step()
    monotonic.now += CANCEL_GRACE_SECONDS - 1

    assert await rig.sweeper.step() == NOTHING


async def test_a_cancel_that_is_not_heeded_ends_the_execution_and_it_is_still_held(
    rig: Rig, monotonic: Monotonic
) -> None:
    attempt = await an_attempt(rig, max_retries=3)
    await rig.executions.cancel(attempt.execution_id)
    await rig.sweeper.step()
    monotonic.now += CANCEL_GRACE_SECONDS

    assert await rig.sweeper.step() == replace(NOTHING, cancelled=1)

    row = await row_of(rig, attempt)
    assert (row["status"], row["reason"], row["held_by"]) == ("cancelled", "requested", WORKER)
    assert "did not stop it" in row["error"]


async def test_what_was_cancelled_at_a_worker_that_is_gone_is_not_tried_again(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await an_attempt(rig, max_retries=3)
    await rig.executions.cancel(attempt.execution_id)
    await rig.workers.leave(WORKER)

    await swept_within(rig, monotonic, GONE_SECONDS)

    row = await row_of(rig, attempt)
    assert (row["status"], row["attempt"], row["held_by"]) == ("cancelled", 1, None)


async def test_an_answer_that_came_before_the_sweep_stands(rig: Rig, monotonic: Monotonic) -> None:
    attempt = await an_attempt(rig)
    await past_deadline(rig, attempt)
    await late_success(rig, attempt)

    assert await swept_after_grace(rig, monotonic) == NOTHING
    assert (await row_of(rig, attempt))["status"] == "success"
    assert await rig.timeouts.watched() == set()


async def test_after_a_flush_the_next_sweep_puts_the_deadlines_back(rig: Rig) -> None:
    attempt = await an_attempt(rig)
    await rig.redis.flushdb()
    await beat(rig)

    await rig.sweeper.step()

    assert await rig.timeouts.watched() == {attempt.execution_id}


async def test_a_sweep_forgets_what_runs_no_more(rig: Rig) -> None:
    ended, attempt = await an_attempt(rig), await an_attempt(rig)
    await late_success(rig, ended)
    await rig.timeouts.watch([Watch(ended.execution_id, 1, ended.deadline_at)])

    await rig.sweeper.step()

    assert await rig.timeouts.watched() == {attempt.execution_id}


# Workers


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
