"""Limits of queues and task types, over all workers: who starts, who waits, and who goes when there is room."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from horarium.live_events import Moved
from horarium.outcome import Succeeded, decide
from horarium.sql import executions
from horarium.sql.executions import Claim, Finish
from tests.support.limited import ANOTHER, FAILED, by_hand, claimed, limit, over, sent_next, started, states
from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from uuid import UUID

    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio


# How many run at once


async def test_as_many_start_as_the_limit_says_and_the_others_wait_in_plain_sight(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=2)
    made = await by_hand(rig, 4)

    assert await started(rig, *made) == made[:2]

    assert await states(rig, made) == ["running", "running", "pending limited", "pending limited"]


async def test_what_waits_is_told(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=1)
    made = await by_hand(rig, 2)
    rig.told()

    await started(rig, *made)

    told = [(e.status, e.reason, e.executions[0].task_id) for e in rig.told() if isinstance(e, Moved)]
    assert told == [("pending", "limited", made[1]), ("running", None, made[0])]


async def test_the_limit_is_of_all_workers_together(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=2)
    made = await by_hand(rig, 3)

    got = [await started(rig, each, worker=f"worker {each}") for each in made]

    assert got == [made[:1], made[1:2], []]


async def test_other_task_types_are_not_concerned(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=1)
    made, others = await by_hand(rig, 2), await by_hand(rig, 3, **ANOTHER)

    assert await started(rig, *made, *others) == [made[0], *others]


async def test_a_queue_has_room_for_so_many_of_whatever_type(rig: Rig) -> None:
    await limit(rig, "queue", "default", max_running=2)
    made = [*await by_hand(rig, 2), *await by_hand(rig, 1, **ANOTHER)]
    elsewhere = await by_hand(rig, 1, queue="elsewhere")

    assert await started(rig, *made, *elsewhere) == [*made[:2], *elsewhere]


async def test_where_two_limits_concern_it_an_execution_needs_room_under_both(rig: Rig) -> None:
    await limit(rig, "queue", "default", max_running=3)
    await limit(rig, "task_type", "echo", max_running=1)
    made, others = await by_hand(rig, 2), await by_hand(rig, 3, **ANOTHER)

    assert await started(rig, *made, *others) == [made[0], *others[:2]]


async def test_the_worker_whose_attempt_ends_lets_the_oldest_go_at_once(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=1)
    made = await by_hand(rig, 3)
    ledger = rig.ledger()
    first = await ledger.claim(Claim(made[0], 1))
    await started(rig, made[2], made[1])
    assert first is not None

    await ledger.finish(first, decide(first, FAILED))

    assert await states(rig, made) == ["failed", "queued", "pending limited"]
    assert rig.broker.sent[-1].execution_id == made[1]
    assert await started(rig, made[1]) == [made[1]]


async def test_a_broker_that_hangs_over_what_has_room_now_holds_up_no_other_end(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Held up for long enough, a success would be written as a timeout."""
    await limit(rig, "task_type", "echo", max_running=1)
    made, others = await by_hand(rig, 2), await by_hand(rig, 1, **ANOTHER)
    ledger, asked = rig.ledger(), anyio.Event()
    first, other = await ledger.claim(Claim(made[0], 1)), await ledger.claim(Claim(others[0], 1))
    await started(rig, made[1])
    assert first is not None
    assert other is not None

    async def hangs(_: object) -> None:
        asked.set()
        await anyio.sleep_forever()

    monkeypatch.setattr(rig.broker, "publish", hangs)
    async with anyio.create_task_group() as group:
        group.start_soon(ledger.finish, first, decide(first, FAILED))
        await asked.wait()
        with anyio.fail_after(WAIT_SECONDS):
            await ledger.finish(other, decide(other, Succeeded(None)))
        group.cancel_scope.cancel()

    assert await states(rig, [made[0], others[0]]) == ["failed", "success"]


async def test_a_broker_that_fails_over_what_has_room_now_spoils_no_end(rig: Rig) -> None:
    """It is written by then; what could not be sent is the publisher's."""
    await limit(rig, "task_type", "echo", max_running=1)
    made = await by_hand(rig, 2)
    ledger = rig.ledger()
    first = await ledger.claim(Claim(made[0], 1))
    await started(rig, made[1])
    assert first is not None
    rig.broker.crash = ValueError("not what a broker should say")

    finished = await ledger.finish(first, decide(first, Succeeded(None)))

    assert finished is not None
    assert await states(rig, made) == ["success", "pending"]


async def test_priority_goes_before_age(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=1)
    (first,) = await by_hand(rig, 1)
    low, high = await by_hand(rig, 2, priority=1), await by_hand(rig, 1, priority=8)
    attempt = (await claimed(rig, first))[first]
    await started(rig, *low, *high)

    await over(rig, attempt)

    assert await sent_next(rig) == high


async def test_what_is_full_does_not_starve_others_of_the_same_queue(rig: Rig) -> None:
    await limit(rig, "queue", "default", max_running=2)
    await limit(rig, "task_type", "echo", max_running=1)
    made, others = await by_hand(rig, 5), await by_hand(rig, 2, **ANOTHER)
    got = await claimed(rig, made[0], others[0])
    await started(rig, *made[1:], others[1])

    await over(rig, got[others[0]])

    assert await sent_next(rig) == [others[1]]


async def test_a_newcomer_does_not_overtake_those_who_wait(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=1)
    made = await by_hand(rig, 3)
    got = await claimed(rig, *made[:2])
    await over(rig, got[made[0]])

    assert await started(rig, made[2]) == []
    assert await sent_next(rig) == [made[1]]
    assert await started(rig, made[1]) == [made[1]]


async def test_room_that_was_given_is_kept_until_it_is_taken(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=1)
    made = await by_hand(rig, 2)
    (newcomer,) = await by_hand(rig, 1)
    got = await claimed(rig, *made)
    await over(rig, got[made[0]])
    await rig.publisher().step()

    assert await started(rig, newcomer) == []
    assert await started(rig, made[1]) == [made[1]]


async def test_room_that_nobody_takes_is_given_to_others_in_the_end(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=1)
    (unread,) = await by_hand(rig, 1, queue="nobodys")
    made = await by_hand(rig, 2)
    got = await claimed(rig, made[0])
    await started(rig, unread, made[1])
    await over(rig, got[made[0]])
    released = await sent_next(rig)

    await rig.age(11)

    assert released == [unread]
    assert await sent_next(rig) == [made[1]]
    assert await started(rig, made[1]) == [made[1]]
    assert await started(rig, unread) == []


async def test_a_message_that_comes_twice_does_not_bring_back_who_waits(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=1)
    made = await by_hand(rig, 2)
    got = await claimed(rig, *made)
    await over(rig, got[made[0]])

    assert await started(rig, made[1]) == []
    assert await states(rig, made[1:]) == ["pending limited"]


async def test_a_late_word_of_the_broker_does_not_take_it_out_of_its_line(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=1)
    made = await by_hand(rig, 2)
    await started(rig, *made)

    async with rig.database.connection() as connection:
        await executions.mark_queued(connection, [Claim(each, 1) for each in made])

    assert await states(rig, made) == ["running", "pending limited"]


async def test_who_waits_is_not_sent_however_old(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=1)
    made = await by_hand(rig, 2)
    await started(rig, *made)
    await rig.age(60)

    assert await sent_next(rig) == []


# What counts as running


async def test_an_attempt_that_a_worker_still_holds_counts(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=1)
    made = await by_hand(rig, 2)
    attempt = (await claimed(rig, *made))[made[0]]
    assert attempt is not None
    async with rig.database.connection() as connection:
        await executions.finish(connection, [Finish(*attempt_key(attempt), decide(attempt, FAILED), held=True)])

    assert await sent_next(rig) == []
    await rig.sql("UPDATE executions SET held_by = NULL")
    assert await sent_next(rig) == [made[1]]


def attempt_key(attempt: Any) -> tuple[UUID, int]:
    return attempt.execution_id, attempt.attempt


async def test_the_room_of_a_worker_that_died_is_free_when_its_attempt_is_given_up(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=1)
    made = await by_hand(rig, 2)
    await started(rig, *made)

    await rig.sql("UPDATE executions SET status = 'lost', completed_at = clock_timestamp() WHERE status = 'running'")

    assert await sent_next(rig) == [made[1]]


async def test_a_retry_has_no_room_while_it_is_put_off_and_asks_for_it_again(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=1)
    (first,) = await by_hand(rig, 1, max_retries=1, retry_backoff_seconds=0)
    (second,) = await by_hand(rig, 1)
    got = await claimed(rig, first, second)
    await over(rig, got[first], FAILED)

    assert sorted(await sent_next(rig)) == [first, second]
    assert await started(rig, second) == [second]
    assert (await claimed(rig, first, attempt=2))[first] is None
    assert await states(rig, [first, second]) == ["pending limited", "running"]


async def test_what_ran_before_there_was_a_limit_counts(rig: Rig) -> None:
    made = await by_hand(rig, 3)
    await started(rig, *made[:2])

    shown = await limit(rig, "task_type", "echo", max_running=2)

    assert shown.running == 2
    assert await started(rig, made[2]) == []


async def test_what_was_claimed_just_as_the_limit_was_set_counts_within_a_look(rig: Rig) -> None:
    made = await by_hand(rig, 2)
    await limit(rig, "task_type", "echo", max_running=1)
    await rig.sql("UPDATE executions SET status = 'running', worker = 'another' WHERE id = $1", made[0])

    await rig.publisher().step()

    assert await started(rig, made[1]) == []


async def test_a_worker_has_what_it_claimed_before_and_takes_no_second_room(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=2)
    made = await by_hand(rig, 2)

    assert await started(rig, made[0]) == await started(rig, made[0]) == [made[0]]
    assert await started(rig, made[0], worker="another") == []
    assert await started(rig, made[1]) == [made[1]]


async def test_a_cancelled_one_waits_no_more(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=1)
    made = await by_hand(rig, 3)
    got = await claimed(rig, *made)

    await rig.executions.cancel(made[1])
    await over(rig, got[made[0]])

    assert await sent_next(rig) == [made[2]]
    assert await states(rig, made) == ["success", "cancelled requested", "queued"]


async def test_what_waits_goes_with_its_config(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=1)
    made = await by_hand(rig, 2)
    await started(rig, *made)

    await rig.task_configs.delete((await rig.row(made[1]))["config_id"], version=None)

    assert await states(rig, made) == ["running", "cancelled config_deleted"]


async def test_what_waits_occupies_its_configs_slot(rig: Rig) -> None:
    await limit(rig, "task_type", "echo", max_running=1)
    await started(rig, *await by_hand(rig, 1))
    config = await rig.config(overlap="buffer_one")
    await rig.fire_each_second(2)
    waiting = await rig.rows(config)

    await started(rig, waiting[0]["id"])
    await rig.publisher().step()

    assert [(row["status"], row["buffered"]) for row in await rig.rows(config)] == [
        ("pending", False),
        ("pending", True),
    ]
