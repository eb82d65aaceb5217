"""Whoever is cut off comes back, to any process, and has missed nothing and heard nothing twice, or is told so."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from itertools import cycle, islice
from typing import TYPE_CHECKING

import anyio
import pytest

from horarium.keyspace.history import HistoryEvent
from tests.support.listening import Listener, listening
from tests.support.tree import House, a_tree
from tests.support.waiting import report

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

EVENTS = 1000
AT_ONCE = 5
READ_AT_ONCE = 25


@asynccontextmanager
async def two_processes(emptied_ledger: str, redis_url: str, prefix: str) -> AsyncIterator[tuple[House, House]]:
    """Two trees, each with an API, pools, a leader and a history writer of its own, on the same servers."""
    async with AsyncExitStack() as stack:
        first, second = [await stack.enter_async_context(a_tree(emptied_ledger, redis_url, prefix)) for _ in range(2)]
        second.tokens |= {"admin": await first.token("admin")}
        yield first, second


def numbers(listener: Listener) -> list[int]:
    """Those of the flying events that have been heard, in the order of their hearing."""
    return [each.data["number"] for each in listener.events if "number" in each.data]


async def fly(houses: tuple[House, House], config: int) -> None:
    """Have numbered events told, by one process and the other in turn, and faster than they are read."""
    for first, house in zip(range(0, EVENTS, AT_ONCE), cycle(houses), strict=False):
        mailbox = house.resources.mailboxes
        mailbox.record(*(HistoryEvent.now(config, "success", number=n) for n in range(first, first + AT_ONCE)))
        await anyio.sleep(0.01)


async def test_what_one_process_tells_is_heard_at_another(
    emptied_ledger: str, redis_url: str, redis_prefix: str
) -> None:
    async with two_processes(emptied_ledger, redis_url, redis_prefix) as (one, other), listening(other) as heard:
        config = await one.config()
        run = await one.call("POST", f"/api/v1/task-configs/{config}/run")

        await heard.hears("config", config_id=config, action="created")
        await heard.hears("execution", task_id=run.body["task_id"], status="success")
        one.supervisor.kill("cleanup")
        restarted = await heard.hears("supervision", child="cleanup", event="child.restarted")

    assert restarted.data["process"] == one.resources.worker_id


async def test_a_thousand_events_are_each_heard_once_by_a_client_that_is_cut_off_again_and_again(
    emptied_ledger: str, redis_url: str, redis_prefix: str
) -> None:
    """It comes back to the other process each time, which may not have read as far as the one before.

    What was sent and not read when it is cut off comes again.
    """
    heard: list[int] = []
    ids: list[str | None] = []
    cuts = 0
    async with (
        two_processes(emptied_ledger, redis_url, redis_prefix) as houses,
        listening(houses[0], types="executions") as steady,
        anyio.create_task_group() as group,
    ):
        last_id = steady.last_id
        group.start_soon(fly, houses, 1)
        for house in islice(cycle(houses), EVENTS):
            async with listening(house, last_id=last_id, types="executions") as listener:
                wanted = min(READ_AT_ONCE, EVENTS - len(heard))
                await listener.until(lambda listener=listener, wanted=wanted: len(numbers(listener)) >= wanted)
                read = listener.events[:wanted]
                last_id = read[-1].id
                heard += [each.data["number"] for each in read]
                ids += [each.id for each in read]
            cuts += 1
            if len(heard) >= EVENTS:
                break
        await steady.until(lambda: len(numbers(steady)) >= EVENTS)

    report(f"{len(heard)} events over {cuts} connections, at two processes in turn")
    assert cuts == EVENTS / READ_AT_ONCE
    assert sorted(heard) == list(range(EVENTS))
    assert heard == numbers(steady)
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("last_id", ["1-1", "99999999999999-0", "yesterday", "\N{SUPERSCRIPT TWO}-1"])
async def test_who_asks_for_what_is_not_kept_is_told_to_begin_anew(house: House, last_id: str) -> None:
    async with listening(house, last_id=last_id) as heard:
        reset = await heard.hears("reset")
        config = await house.config()
        await heard.hears("config", config_id=config)

    assert reset.data["reason"] == "gap"
    assert reset.id is not None


async def test_a_place_is_kept_though_nothing_of_what_was_asked_for_happens(house: House) -> None:
    """The signs of life carry it: a resumed client is not told to begin anew for events of others."""
    config = await house.config()
    async with listening(house, config_id=str(config)) as first:
        begun_at = first.last_id
    async with listening(house, last_id=begun_at, config_id=str(config)) as second:
        await house.call("POST", f"/api/v1/task-configs/{config}/reload")
        await second.hears("config", action="reloaded")

    assert begun_at is not None
    assert not second.of("reset")
