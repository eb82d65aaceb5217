"""What nobody else will end is ended: deadlines passed, workers gone; and a late answer is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from horarium.actors.timeout_sweeper import (
    CANCEL_GRACE_SECONDS,
    DEADLINE_GRACE_SECONDS,
    GONE_SECONDS,
    Swept,
)
from horarium.keyspace.timeouts import Watch
from horarium.outcome import Succeeded, decide
from tests.support.sweeping import (
    NOTHING,
    WORKER,
    Monotonic,
    an_attempt,
    beat,
    late_success,
    monotonic,
    past_deadline,
    real_time,
    row_of,
    swept_after_grace,
    swept_within,
)

if TYPE_CHECKING:
    from horarium.outcome import Attempt
    from tests.support.rig import Rig

__all__ = ["monotonic", "real_time"]

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("real_time")]


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
