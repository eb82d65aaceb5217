"""Several `horarium up` on one Postgres and one Redis, and what each says of who leads.

several   function   starts so many of them, one after the other
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.ledger import gaps, overlaps
from tests.support.processes import PASSWORD, Client, Running, horarium
from tests.support.servers import temporary_data_dir
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import ExitStack

__all__ = [
    "Member",
    "TakeOver",
    "assert_each_tick_has_one_row",
    "fires_again",
    "firing",
    "kill_the_leader",
    "several",
    "the_leader",
]

KEY = "a signing key of tests, which all the processes share"


@dataclass
class Member:
    """One of several processes."""

    running: Running
    client: Client

    @property
    def scheduler(self) -> dict[str, Any]:
        """What it says of who leads."""
        answer: dict[str, Any] = self.client.get("/system/status")["scheduler"]
        return answer

    @property
    def leads(self) -> bool:
        return bool(self.scheduler["leader"])

    def told(self, event: str) -> list[dict[str, Any]]:
        """Its log lines of this event."""
        return [line for line in self.running.events if line["event"] == event]


@pytest.fixture
def several(database_url: str, redis_url: str, redis_prefix: str) -> Iterator[Callable[[ExitStack, int], list[Member]]]:
    """Start so many processes, one after the other, on the same servers."""
    with temporary_data_dir() as path:

        def start(stack: ExitStack, number: int) -> list[Member]:
            shared = {"database_url": database_url, "redis_url": redis_url, "key_prefix": redis_prefix}
            shared |= {"secret_key": KEY, "admin_password": PASSWORD, "inline_worker": 1, "drain_seconds": 0}
            houses = [stack.enter_context(horarium(path.parent / f"data-{n}", **shared)) for n in range(number)]
            token = houses[0].client().token
            return [Member(house, Client(house.url, token)) for house in houses]

        yield start


@dataclass(frozen=True)
class TakeOver:
    """Who leads after a kill; seconds from the kill until it did, and until it had fired."""

    successor: Member
    led: float
    fired: float

    def __str__(self) -> str:
        return f"another leads {self.led:.1f} s after kill -9, and has fired after {self.fired:.1f} s"


def kill_the_leader(members: list[Member], config: int) -> TakeOver:
    """Kill it, take it out of the members, and wait for the next one to fire and for all to know of it."""
    leader = the_leader(members)
    epoch = leader.scheduler["epoch"]
    leader.running.kill()
    killed_at, began = datetime.now(UTC), time.monotonic()
    members.remove(leader)
    successor = the_leader(members)
    led = time.monotonic() - began
    fired = fires_again(successor, config, killed_at)
    assert successor.scheduler["epoch"] == epoch + 1
    until(lambda: all_know_who_leads(members))
    return TakeOver(successor, led, fired)


def the_leader(members: list[Member]) -> Member:
    (leader,) = until(lambda: [member for member in members if member.leads])
    return leader


def all_know_who_leads(members: list[Member]) -> bool:
    """Whether each says that somebody dispatches, and all tell of the same one, take-over and instant."""
    running = [member.client.get("/system/status")["scheduler_running"] for member in members]
    told = [member.scheduler for member in members]
    named = {(each["leader_id"], each["epoch"], each["leader_since"]) for each in told}
    return all(running) and len(named) == 1 and all(each["leader_since"] for each in told)


def firing(member: Member) -> int:
    """A config that has fired three times."""
    config = member.client.config(catchup="all", overlap="allow_all")
    until(lambda: len(member.client.executions(config, status="success")) >= 3)
    return config


def assert_each_tick_has_one_row(member: Member, config: int) -> None:
    rows = member.client.executions(config)
    assert (gaps(rows), overlaps(rows)) == ([], [])
    assert {row["reason"] for row in rows if row["status"] == "skipped"} == set()


def fires_again(member: Member, config: int, since: datetime) -> float:
    """Seconds from an instant to the first row of a tick after it, by the ledger; waits for it."""
    rows = until(lambda: member.client.executions(config, since=since.isoformat()))
    return (min(datetime.fromisoformat(row["created_at"]) for row in rows) - since).total_seconds()
