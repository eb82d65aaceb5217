"""One supervisor among several leads: who has the lease, until when, and what becomes of it when things go wrong."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import pytest
from structlog.testing import capture_logs

from horarium.actors.leader import Leader
from horarium.errors import Unavailable
from horarium.leadership import LEASE_SECONDS, MARGIN_SECONDS, Leadership, Lease
from horarium.messages import Nudge
from horarium.sql.database import Database
from horarium.supervisor import ChildContext
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from anyio.abc import TaskStatus

    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio


@dataclass
class Hands:
    """A monotonic clock that tests move."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


async def run_out(rig: Rig) -> None:
    await rig.sql("UPDATE leases SET expires_at = clock_timestamp()")


# Taking and keeping it


async def test_the_first_to_ask_leads_and_the_others_stand_by(rig: Rig) -> None:
    (one, first), (other, second) = rig.leader("one"), rig.leader("other")

    await one.step()
    await other.step()

    assert (first.leads, second.leads) == (True, False)
    assert (second.is_led, second.leader, second.epoch) == (True, "one", 1)


async def test_of_many_that_ask_at_once_one_leads(rig: Rig) -> None:
    pairs = [rig.leader(f"process {n}") for n in range(8)]

    async with anyio.create_task_group() as group:
        for leader, _ in pairs:
            group.start_soon(leader.step)

    assert sum(leadership.leads for _, leadership in pairs) == 1


async def test_a_renewal_keeps_the_epoch_and_a_take_over_raises_it_by_one(rig: Rig) -> None:
    (one, first), (other, second) = rig.leader("one"), rig.leader("other")
    await one.step()
    await one.step()
    assert first.epoch == 1

    await run_out(rig)
    await other.step()
    await one.step()

    assert (second.leads, second.epoch) == (True, 2)
    assert (first.leads, first.leader) == (False, "other")


async def test_all_know_the_same_instant_of_the_last_take_over_which_a_renewal_does_not_move(rig: Rig) -> None:
    (one, first), (other, second) = rig.leader("one"), rig.leader("other")
    await one.step()
    taken = first.since
    await one.step()
    await other.step()
    kept = (first.since, second.since)

    await run_out(rig)
    await other.step()
    await one.step()

    assert taken is not None
    assert kept == (taken, taken)
    assert second.since is not None
    assert second.since > taken
    assert first.since == second.since


async def test_whoever_becomes_the_leader_wakes_the_dispatcher_and_says_so(rig: Rig) -> None:
    leader, _ = rig.leader("one")

    with capture_logs() as logs, rig.mailboxes.dispatcher.bind() as inbox:
        await leader.step()
        await leader.step()
        woken = [inbox.receive_nowait() for _ in range(rig.mailboxes.dispatcher.depth)]

    assert woken == [Nudge()]
    assert [(line["event"], line["epoch"]) for line in logs] == [("leader.acquired", 1)]


async def test_who_stands_by_only_reads(rig: Rig) -> None:
    (one, _), (other, _) = rig.leader("one"), rig.leader("other")
    await one.step()
    before = await rig.sql("SELECT xmax::text || ctid::text FROM leases")

    await other.step()

    assert await rig.sql("SELECT xmax::text || ctid::text FROM leases") == before


async def test_one_that_inherits_leads_at_once_and_says_after_whom(rig: Rig) -> None:
    (dead, _), leadership = rig.leader("dead"), Leadership("heir")
    await dead.step()
    heir = Leader(rig.database, leadership, rig.mailboxes, inherits=True)

    with capture_logs() as logs:
        await heir.step()

    assert (leadership.leads, leadership.epoch) == (True, 2)
    assert [(line["event"], line["predecessor"]) for line in logs] == [("leader.acquired", "dead")]


async def test_an_heir_inherits_what_it_finds_at_its_start_and_no_later_lease(rig: Rig) -> None:
    (other, _), leadership = rig.leader("other"), Leadership("heir")
    heir = Leader(rig.database, leadership, rig.mailboxes, inherits=True)
    await heir.step()
    await run_out(rig)
    await other.step()

    await heir.step()

    assert (leadership.leads, leadership.leader) == (False, "other")


async def test_an_heir_that_cannot_reach_postgres_inherits_once_it_can(rig: Rig) -> None:
    (dead, _), leadership = rig.leader("dead"), Leadership("heir")
    await dead.step()
    async with Database("postgresql://nobody@127.0.0.1:1/none") as away:
        heir = Leader(away, leadership, rig.mailboxes, inherits=True)
        with pytest.raises(Unavailable):
            await heir.step()
        heir._database = rig.database

        await heir.step()

    assert leadership.leads


# Believing in it


def test_a_lease_counts_from_the_instant_its_renewal_was_sent_and_ends_a_margin_early() -> None:
    clock = Hands()
    leadership = Leadership("one", clock)
    clock.now += 2  # as long as Postgres took to answer
    leadership.learn(Lease("one", 1, LEASE_SECONDS, mine=True), asked_at=1000.0)

    clock.now = 1000.0 + LEASE_SECONDS - MARGIN_SECONDS - 0.01
    assert leadership.leads
    clock.now += 0.02
    assert not leadership.leads


async def test_a_process_that_was_stopped_and_goes_on_knows_at_once_that_it_leads_no_more(rig: Rig) -> None:
    clock = Hands()
    stopped, leadership = rig.leader("stopped", clock)
    await stopped.step()

    clock.now += 15

    assert not leadership.leads


async def test_a_loss_is_told_before_postgres_is_asked_again(rig: Rig) -> None:
    clock = Hands()
    leader, _ = rig.leader("one", clock)
    await leader.step()
    clock.now += 15

    with capture_logs() as logs:
        await leader.step()

    assert [line["event"] for line in logs] == ["leader.lost", "leader.acquired"]


# What can become of the row


async def test_a_row_that_was_deleted_by_hand_is_made_again_and_the_epoch_goes_on(rig: Rig) -> None:
    leader, leadership = rig.leader("one")
    await leader.step()
    await rig.sql("UPDATE leases SET epoch = 41")
    await leader.step()
    await rig.sql("DELETE FROM leases")

    await leader.step()

    assert (leadership.leads, leadership.epoch) == (True, 42)


async def test_a_lease_that_ends_later_than_any_can_is_free_for_the_clock_was_set_back(rig: Rig) -> None:
    leader, leadership = rig.leader("one")
    await rig.sql("INSERT INTO leases VALUES ('scheduler', 'dead', 3, clock_timestamp() + interval '1 hour')")

    await leader.step()

    assert (leadership.leads, leadership.epoch) == (True, 4)


async def test_two_that_lead_at_once_write_each_tick_once(rig: Rig) -> None:
    """The lease deleted in the middle: for a moment both believe that they lead. The ledger does not mind."""
    (one, first), (other, second) = rig.leader("one"), rig.leader("other")
    await one.step()
    await rig.sql("DELETE FROM leases")
    await other.step()
    assert (first.leads, second.leads) == (True, True)
    config = await rig.config()
    rig.clock.passes(3)

    async with anyio.create_task_group() as group:
        group.start_soon(rig.dispatcher().step)
        group.start_soon(rig.dispatcher().step)

    assert [tick for tick, *_ in await rig.said_of(config)] == [1, 2, 3]


# The actor


async def test_it_gives_the_lease_back_when_it_is_asked_to_stop(rig: Rig) -> None:
    (one, first), (other, second) = rig.leader("one"), rig.leader("other")
    context = ChildContext("leader", 1)
    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: one.run(context, task_status=task_status))
        assert first.leads
        context.stopping.set()
        group.cancel_scope.cancel()

    await other.step()

    assert (first.leads, second.leads, second.epoch) == (False, True, 2)


async def test_one_that_crashes_keeps_the_lease_for_its_next_incarnation(rig: Rig) -> None:
    (one, first), (other, second) = rig.leader("one"), rig.leader("other")
    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: one.run(ChildContext("leader", 1), task_status=task_status))
        group.cancel_scope.cancel()

    await other.step()

    assert (first.leads, second.leads) == (True, False)


async def test_without_postgres_it_waits_and_is_not_ready(rig: Rig) -> None:
    leadership = Leadership("one")
    async with Database("postgresql://nobody@127.0.0.1:1/none") as away:
        leader = Leader(away, leadership, rig.mailboxes)
        ready: list[str] = []

        async def start(*, task_status: TaskStatus[None]) -> None:
            await leader.run(ChildContext("leader", 1), task_status=task_status)

        async def started() -> None:
            async with anyio.create_task_group() as inner:
                await inner.start(start)
                ready.append("ready")

        with capture_logs() as logs:
            async with anyio.create_task_group() as group:
                group.start_soon(started)

                async def has_waited_twice() -> bool:
                    return sum(line["event"] == "actor.waits" for line in logs) >= 2

                await eventually(has_waited_twice)
                group.cancel_scope.cancel()

    assert (ready, leadership.leads) == ([], False)
