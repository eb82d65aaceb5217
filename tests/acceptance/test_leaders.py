"""Two to five `horarium up` on one Postgres and one Redis: one leads, and whatever becomes of it another takes over."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from horarium.actors.leader import RENEW_SECONDS
from horarium.actors.publisher import PENDING_SECONDS
from horarium.leadership import LEASE_SECONDS
from tests.support.members import (
    Member,
    assert_each_tick_has_one_row,
    fires_again,
    firing,
    kill_the_leader,
    several,
    the_leader,
)
from tests.support.processes import horarium, servers_of
from tests.support.waiting import report, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["several"]

pytestmark = pytest.mark.timeout(300)

TAKE_OVER_SECONDS = 10.0
HAND_OVER_SECONDS = LEASE_SECONDS - RENEW_SECONDS
"""What is left of a lease that is not given back, at least."""

AT_ONCE_SECONDS = PENDING_SECONDS
"""After which a run that was told nobody of would be found."""

STOPPED_SECONDS = 15.0
AWAY_SECONDS = 9.0
KEPT_SECONDS = 1.9 * LEASE_SECONDS
"""Not longer than a lease can last: one that ends later than that is free."""


def logged_at(line: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(line["timestamp"])


def test_a_killed_leader_is_succeeded_within_ten_seconds_and_each_tick_has_one_row(
    several: Callable[[ExitStack, int], list[Member]],
) -> None:
    """Of three, so that two run for it; five, four of which are killed in turn, are in tests/chaos."""
    with ExitStack() as stack:
        members = several(stack, 3)
        config = firing(the_leader(members))

        taken_over = kill_the_leader(members, config)

        report(str(taken_over))
        assert taken_over.fired < TAKE_OVER_SECONDS
        successor = the_leader(members)
        fires_again(successor, config, datetime.now(UTC))
        assert_each_tick_has_one_row(successor, config)


def test_a_leader_that_stops_in_order_hands_over_at_once(
    several: Callable[[ExitStack, int], list[Member]],
) -> None:
    with ExitStack() as stack:
        members = several(stack, 2)
        leader = the_leader(members)
        config = firing(leader)
        members.remove(leader)

        stopped_at = datetime.now(UTC)
        leader.running.process.send_signal(signal.SIGTERM)
        successor = the_leader(members)
        assert leader.running.ended() == 0

        lost, acquired = leader.told("leader.lost")[-1], successor.told("leader.acquired")[-1]
        took = logged_at(acquired) - logged_at(lost)
        report(f"another leads {took.total_seconds():.1f} s after the one before")
        assert took.total_seconds() < HAND_OVER_SECONDS
        fires_again(successor, config, stopped_at)
        assert_each_tick_has_one_row(successor, config)


def test_a_leader_that_is_stopped_for_a_while_and_goes_on_fires_nothing_twice(
    several: Callable[[ExitStack, int], list[Member]],
) -> None:
    with ExitStack() as stack:
        members = several(stack, 2)
        leader = the_leader(members)
        (other,) = [member for member in members if member is not leader]
        config = firing(leader)

        leader.running.process.send_signal(signal.SIGSTOP)
        stopped_at, began = datetime.now(UTC), time.monotonic()
        the_leader([other])
        report(f"another leads {time.monotonic() - began:.1f} s after SIGSTOP")
        until(lambda: time.monotonic() > began + STOPPED_SECONDS)
        leader.running.process.send_signal(signal.SIGCONT)
        woken_at = datetime.now(UTC)

        until(lambda: leader.told("leader.stands_by"))
        fires_again(other, config, woken_at)
        assert (leader.leads, other.leads) == (False, True)
        assert leader.told("leader.lost")
        assert len(other.client.executions(config, since=stopped_at.isoformat())) >= STOPPED_SECONDS - 5
        assert_each_tick_has_one_row(other, config)


def test_a_leader_whose_postgres_is_away_leads_no_more_and_leads_again_when_it_is_back(data_dir: Path) -> None:
    with horarium(data_dir) as house:
        member = Member(house, house.client())
        config = firing(member)
        postgres = [process for process in servers_of(data_dir) if "postgres" in process.name()]
        assert postgres

        for process in postgres:
            process.suspend()
        began = time.monotonic()
        try:
            until(lambda: member.told("leader.lost"))
            report(f"lost {time.monotonic() - began:.1f} s after Postgres fell silent")
            until(lambda: time.monotonic() > began + AWAY_SECONDS)
        finally:
            for process in postgres:
                process.resume()
        back_at = datetime.now(UTC)
        until(lambda: len(member.told("leader.acquired")) == 2)
        took = fires_again(member, config, back_at)

        report(f"fires again {took:.1f} s after Postgres went on")
        assert took < TAKE_OVER_SECONDS
        assert_each_tick_has_one_row(member, config)


def test_a_run_by_hand_asked_of_one_that_stands_by_starts_at_once(
    several: Callable[[ExitStack, int], list[Member]],
) -> None:
    with ExitStack() as stack:
        members = several(stack, 2)
        (other,) = [member for member in members if not member.leads]
        config = other.client.config(scheduler_type="manual", schedule_config={})

        task_id = other.client.post(f"/task-configs/{config}/run")["task_id"]
        ended = other.client.ended(task_id)

        assert ended["status"] == "success"
        waited = datetime.fromisoformat(ended["started_at"]) - datetime.fromisoformat(ended["created_at"])
        assert waited.total_seconds() < AT_ONCE_SECONDS


async def keep_the_lease(postgres_url: str) -> None:
    """Let the lease of whoever was killed outlast the next start, however long that takes on this machine."""
    connection = await asyncpg.connect(postgres_url, timeout=10)
    await connection.execute(
        "UPDATE leases SET expires_at = clock_timestamp() + make_interval(secs => $1)", KEPT_SECONDS
    )
    await connection.close(timeout=10)


def test_a_lone_one_that_was_killed_and_is_started_again_does_not_wait_for_its_own_lease(data_dir: Path) -> None:
    """Whoever holds the data directory's lock, and Postgres with it, knows that the one before is dead."""
    with horarium(data_dir) as house:
        first = Member(house, house.client())
        config = firing(first)
        (before,) = first.told("leader.acquired")
        house.kill()
        killed_at, began = datetime.now(UTC), time.monotonic()
        asyncio.run(keep_the_lease(house.printed(r"Postgres\s+(\S+)")))

        with horarium(data_dir) as again:
            second = Member(again, again.client())
            fires_again(second, config, killed_at)

            report(f"has fired {time.monotonic() - began:.1f} s after kill -9 and start")
            (after,) = second.told("leader.acquired")
            assert (after["predecessor"], after["epoch"]) == (before["holder"], before["epoch"] + 1)
            assert second.told("leader.stands_by") == []
            assert_each_tick_has_one_row(second, config)
