"""What a tick does to the executions before it: allow, skip, buffer one or all, cancel the others; one row a tick."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from horarium.actors import publisher
from horarium.outcome import Cancelled, Succeeded, Unsuccessful, decide
from horarium.sql import executions
from horarium.sql.executions import Claim
from tests.support.coverage import SOUND
from tests.support.together import Gate, SharedReading, at_once

if TYPE_CHECKING:
    from uuid import UUID

    from horarium.outcome import Attempt, Outcome
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio

BUFFERING = pytest.mark.parametrize("policy", ["buffer_one", "buffer_all", "cancel_other"])


async def states(rig: Rig, config: int) -> list[str]:
    """Each row's status, and whether it waits for its turn."""
    return [f"{row['status']}{' buffered' if row['buffered'] else ''}" for row in await rig.rows(config)]


async def begun(rig: Rig, config: int) -> Attempt:
    """The attempt of the config's one execution that was sent, at a worker."""
    (waiting,) = [row for row in await rig.rows(config) if row["status"] == "queued"]
    return await rig.claimed(waiting["id"])


async def ended(rig: Rig, attempt: Attempt, outcome: Outcome | None = None) -> None:
    """Let an attempt end at its worker."""
    await rig.ledger().finish(attempt, decide(attempt, outcome or Succeeded(None)))


def sent(rig: Rig) -> list[UUID]:
    return [message.execution_id for message in rig.broker.sent]


# Buffering


@BUFFERING
async def test_a_tick_with_nothing_before_it_runs_at_once(rig: Rig, policy: str) -> None:
    config = await rig.config(overlap=policy)

    await rig.fire(after=1)

    assert await states(rig, config) == ["queued"]


async def test_buffer_one_keeps_one_tick_for_later_and_skips_the_rest(rig: Rig) -> None:
    config = await rig.config(overlap="buffer_one")

    await rig.fire_each_second(4)

    assert await states(rig, config) == ["queued", "pending buffered", "skipped", "skipped"]
    assert [reason for *_, reason in await rig.said_of(config)] == [None, None, "overlap", "overlap"]
    assert await rig.faults(config) == SOUND


async def test_buffer_all_keeps_every_tick_and_they_run_in_their_order_one_at_a_time(rig: Rig) -> None:
    config = await rig.config(overlap="buffer_all")
    await rig.fire_each_second(3)
    ticks = [row["id"] for row in await rig.rows(config)]

    assert sent(rig) == ticks[:1]
    await ended(rig, await begun(rig, config))
    assert sent(rig) == ticks[:2]
    await ended(rig, await begun(rig, config))
    assert sent(rig) == ticks

    assert await states(rig, config) == ["success", "success", "queued"]


async def test_a_full_buffer_says_so(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executions, "MOST_BUFFERED", 2)
    config = await rig.config(overlap="buffer_all")

    await rig.fire_each_second(4)

    assert await states(rig, config) == ["queued", "pending buffered", "pending buffered", "skipped"]
    assert (await rig.said_of(config))[-1] == (4, 1, "skipped", "buffer_full")


async def test_a_tick_waits_for_the_retries_of_the_one_before_it(rig: Rig) -> None:
    config = await rig.config(overlap="buffer_one", max_retries=1, retry_backoff_seconds=0)
    await rig.fire_each_second(2)

    await ended(rig, await begun(rig, config), Unsuccessful("failed", "no"))
    await rig.publisher().step()
    assert await states(rig, config) == ["queued", "pending buffered"]
    first = (await rig.rows(config))[0]
    await ended(rig, await rig.claimed(first["id"], attempt=2), Unsuccessful("failed", "no"))

    assert await states(rig, config) == ["failed", "queued"]


async def test_a_buffered_tick_is_not_claimed_before_its_turn(rig: Rig) -> None:
    config = await rig.config(overlap="buffer_one")
    await rig.fire_each_second(2)

    with pytest.raises(AssertionError):  # no row back
        await rig.claimed((await rig.rows(config))[1]["id"])


async def test_a_broker_that_fails_over_the_next_turn_does_not_spoil_the_end_before_it(rig: Rig) -> None:
    """It is written by then; what could not be sent is the publisher's."""
    config = await rig.config(overlap="buffer_one")
    await rig.fire_each_second(2)
    ledger = rig.ledger()
    first = await ledger.claim(Claim((await rig.rows(config))[0]["id"], 1))
    assert first is not None
    rig.broker.crash = ValueError("not what a broker should say")

    finished = await ledger.finish(first, decide(first, Succeeded(None)))

    assert finished is not None
    assert await states(rig, config) == ["success", "pending"]


async def test_the_publisher_lets_go_what_a_worker_that_died_did_not(rig: Rig) -> None:
    config = await rig.config(overlap="buffer_one")
    await rig.fire_each_second(2)
    await rig.sql("UPDATE executions SET status = 'lost', completed_at = clock_timestamp() WHERE NOT buffered")

    assert (await rig.publisher().step()).published == 1

    assert await states(rig, config) == ["lost", "queued"]


async def test_many_that_are_busy_do_not_keep_one_waiting_whose_turn_it_is(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher, "BATCH_ROWS", 1)
    busy, free = await rig.config(overlap="buffer_one"), await rig.config(overlap="buffer_one")
    await rig.fire_each_second(2)
    await rig.sql(
        "UPDATE executions SET status = 'lost', completed_at = clock_timestamp() WHERE config_id = $1 AND NOT buffered",
        free,
    )

    await rig.publisher().step()

    assert await states(rig, busy) == ["queued", "pending buffered"]
    assert await states(rig, free) == ["lost", "queued"]


async def test_two_who_let_go_at_once_let_one_go(rig: Rig) -> None:
    configs = [await rig.config(overlap="buffer_all") for _ in range(20)]
    await rig.fire_each_second(3)
    await rig.sql("UPDATE executions SET status = 'success', completed_at = clock_timestamp() WHERE NOT buffered")

    await at_once(*(rig.publisher().step for _ in range(3)))

    assert [await states(rig, config) for config in configs] == [["success", "queued", "pending buffered"]] * 20


@BUFFERING
async def test_two_dispatchers_leave_one_execution_running(rig: Rig, policy: str) -> None:
    configs = [await rig.config(overlap=policy, catchup="all") for _ in range(10)]
    rig.clock.passes(3)
    gate = Gate()

    await at_once(*(rig.dispatcher(SharedReading(rig, gate)).step for _ in range(2)))

    for config in configs:
        assert await rig.faults(config) == SOUND
        assert (await states(rig, config)).count("queued") == 1


async def test_a_missed_stretch_under_buffer_all_runs_in_turn(rig: Rig) -> None:
    config = await rig.config(overlap="buffer_all", catchup="all", max_catchup_runs=3)

    await rig.fire(after=600)

    assert await rig.faults(config) == SOUND
    assert (await states(rig, config)).count("queued") == 1


async def test_what_is_buffered_goes_with_its_config(rig: Rig) -> None:
    config = await rig.config(overlap="buffer_one")
    await rig.fire_each_second(2)

    await rig.task_configs.delete(config, version=None)

    assert await states(rig, config) == ["cancelled", "cancelled"]


# Cancelling the others


async def test_a_tick_takes_the_place_of_one_that_has_not_begun(rig: Rig) -> None:
    config = await rig.config(overlap="cancel_other")
    await rig.fire_each_second(2)

    assert await states(rig, config) == ["cancelled", "queued"]
    assert (await rig.said_of(config))[0] == (1, 1, "cancelled", "cancel_other")
    assert ("cancelled", config) in [(event.event, event.config_id) for event in rig.events()]


async def test_a_tick_waits_until_the_one_it_replaces_has_stopped(rig: Rig) -> None:
    config = await rig.config(overlap="cancel_other", max_retries=3)
    await rig.fire(after=1)
    first = await begun(rig, config)

    await rig.fire(after=1)
    assert await states(rig, config) == ["running", "pending buffered"]
    asked = await rig.ledger().to_stop([Claim(first.execution_id, 1)])
    await ended(rig, first, Unsuccessful("failed", "interrupted"))

    assert list(asked.values()) == [Cancelled("cancel_other")]
    assert await states(rig, config) == ["cancelled", "queued"]
    assert (await rig.rows(config))[0]["reason"] == "cancel_other"


async def test_the_newest_tick_replaces_those_that_wait_too(rig: Rig) -> None:
    config = await rig.config(overlap="cancel_other")
    await rig.fire(after=1)
    first = await begun(rig, config)

    await rig.fire_each_second(3)
    await ended(rig, first)

    assert await states(rig, config) == ["success", "cancelled", "cancelled", "queued"]
    assert await rig.faults(config) == SOUND


# Attempts that were ended without their worker


@pytest.mark.parametrize(
    ("policy", "then"),
    [("skip", "skipped"), ("buffer_one", "pending buffered"), ("buffer_all", "pending buffered")],
)
async def test_a_run_that_timed_out_keeps_its_slot_until_it_is_really_gone(rig: Rig, policy: str, then: str) -> None:
    config = await rig.config(overlap=policy)
    await rig.fire(after=1)
    attempt = await begun(rig, config)
    await rig.sql(
        "UPDATE executions SET status = 'timeout', held_by = worker, completed_at = clock_timestamp()"
    )  # as the sweeper does, see test_timeout_sweeper

    await rig.fire(after=1)
    assert await states(rig, config) == ["timeout", then]
    await ended(rig, attempt)
    await rig.publisher().step()
    await rig.fire(after=1)

    assert (await states(rig, config))[1:].count("queued") == 1
