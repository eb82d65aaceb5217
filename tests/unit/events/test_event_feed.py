"""The feed: every client has a place in it, what it takes is put together once, and nothing grows without bound."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from horarium.event_feed import BRIEF_SECONDS, CHUNKS_HELD, SLACK_EVENTS, TOLD_SINGLY, EventFeed, Subscription, Wanted
from horarium.keyspace.event_stream import PAGE_EVENTS, Entry, EventId
from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

pytestmark = pytest.mark.anyio

ALL = Wanted(frozenset({"execution", "config", "supervision"}))
KEPT = 100


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def feed() -> EventFeed:
    return EventFeed(kept=KEPT)


def entries(numbers: Iterable[int], field: str = "execution:7") -> list[Entry]:
    return [Entry(EventId(1_700_000_000_000, n), field, b'{"number":%d}' % n) for n in numbers]


def told(text: bytes) -> list[tuple[str, Any]]:
    """Kind and number (or reason, or how many executions) of each event in a text."""
    found = []
    for block in text.decode().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if "data" in fields:
            data = json.loads(fields["data"])
            found.append((fields["event"], data.get("number", data.get("reason", data.get("executions")))))
    return found


def taken(subscription: Subscription) -> list[tuple[str, Any]]:
    """Everything there is for a client now."""
    found = []
    while (text := subscription.take()) is not None:
        found += told(text)
    return found


def executions(numbers: Iterable[int]) -> list[tuple[str, Any]]:
    return [("execution", n) for n in numbers]


async def test_a_client_takes_what_comes_after_it_came(feed: EventFeed) -> None:
    feed.extend(entries([1]))
    client = await feed.subscribe(ALL, None)
    feed.extend(entries([2, 3]))

    assert taken(client) == executions([2, 3])
    assert client.take() is None


async def test_a_client_goes_on_behind_the_event_it_has_seen_last(feed: EventFeed) -> None:
    feed.extend(entries(range(10)))
    client = await feed.subscribe(ALL, "1700000000000-6")

    assert taken(client) == executions([7, 8, 9])


async def test_a_sign_of_life_names_the_place_that_the_client_has_come_to_and_not_the_newest(feed: EventFeed) -> None:
    feed.extend(entries(range(10)))
    client = await feed.subscribe(ALL, "1700000000000-4")

    at_first = client.whereabouts()
    taken(client)

    assert at_first == b": here\nid: 1700000000000-4\n\n"
    assert client.whereabouts() == b": here\nid: 1700000000000-9\n\n"


async def test_a_client_with_a_gap_to_hear_of_is_given_no_place_before_it(feed: EventFeed) -> None:
    feed.extend(entries(range(10)))
    client = await feed.subscribe(ALL, "1600000000000-0")

    assert client.whereabouts() == b": here\n\n"
    assert taken(client) == [("reset", "gap")]


async def test_a_client_that_falls_too_far_behind_is_told_so_once_and_goes_on_with_the_newest(feed: EventFeed) -> None:
    client = await feed.subscribe(ALL, None)
    feed.extend(entries(range(2 * KEPT + SLACK_EVENTS)))

    assert taken(client) == [("reset", "gap")]
    feed.extend(entries([5000]))
    assert taken(client) == executions([5000])


async def test_the_feed_is_bounded_whoever_takes_from_it_or_does_not(feed: EventFeed) -> None:
    clients = [await feed.subscribe(ALL, None) for _ in range(3)]
    for first in range(0, 20_000, 10):
        feed.extend(entries(range(first, first + 10)))
        assert len(feed._frames) <= KEPT + SLACK_EVENTS
        clients[0].take()

    assert feed.end == 20_000
    assert all(
        vars(client).keys() == {"_feed", "_wanted", "_place", "_told_away", "_rests_until"} for client in clients
    )


async def test_clients_that_take_the_same_are_given_the_very_same_bytes(feed: EventFeed) -> None:
    clients = [await feed.subscribe(ALL, None) for _ in range(100)]
    feed.extend(entries(range(50)))

    assert len({id(client.take()) for client in clients}) == 1


async def test_texts_for_clients_that_catch_up_from_everywhere_are_not_all_held(feed: EventFeed) -> None:
    feed.extend(entries(range(KEPT)))
    clients = [await feed.subscribe(ALL, f"1700000000000-{n}") for n in range(KEPT - 1)]

    assert [told(client.take() or b"")[0][1] for client in clients] == list(range(1, KEPT))
    assert len(feed._chunks) <= CHUNKS_HELD


async def test_what_a_client_takes_at_once_is_bounded() -> None:
    feed = EventFeed()
    client = await feed.subscribe(ALL, None)
    feed.extend(entries(range(3 * PAGE_EVENTS)))

    assert len(told(client.take() or b"")) == PAGE_EVENTS


async def test_a_client_hears_what_it_asked_for_and_that_something_is_missing(feed: EventFeed) -> None:
    one_config = await feed.subscribe(Wanted(frozenset({"execution", "config"}), "7"), None)
    tree = await feed.subscribe(Wanted(frozenset({"supervision"})), None)
    for number, field in enumerate(["execution:7", "execution:77", "config:7", "supervision", "reset", "of others"]):
        feed.extend(entries([number], field))

    assert taken(one_config) == [("execution", 0), ("config", 2), ("reset", 4)]
    assert taken(tree) == [("supervision", 3), ("reset", 4)]


async def test_whoever_wants_it_brief_is_told_of_a_few_singly_and_then_of_a_burst_once() -> None:
    now = 1000.0
    feed = EventFeed(clock=lambda: now)
    brief = await feed.subscribe(Wanted(ALL.kinds, brief=True), None)
    feed.extend(entries(range(TOLD_SINGLY)))
    assert taken(brief) == executions(range(TOLD_SINGLY))

    feed.extend([*entries(range(100, 100 + 2 * PAGE_EVENTS)), *entries([7000], "config:7"), *entries([8000])])
    assert brief.take() is None
    now += BRIEF_SECONDS

    text = brief.take() or b""
    assert told(text) == [("config", 7000), ("many", 2 * PAGE_EVENTS + 1)]
    assert text.count(b"id: 1700000000000-8000\n") == 1


async def test_whoever_is_told_nothing_for_a_moment_need_not_wait_for_more_to_happen() -> None:
    now = 1000.0
    feed = EventFeed(clock=lambda: now)
    brief = await feed.subscribe(Wanted(ALL.kinds, brief=True), None)
    feed.extend(entries([1]))
    assert taken(brief) == executions([1])
    feed.extend(entries([2]))
    now += BRIEF_SECONDS - 0.01

    with anyio.fail_after(WAIT_SECONDS):
        await brief.news()

    assert taken(brief) == executions([2])


async def test_a_client_that_has_seen_more_than_this_process_waits_for_it(feed: EventFeed) -> None:
    feed.extend(entries([1]))
    places: list[Subscription] = []

    async def come_back() -> None:
        places.append(await feed.subscribe(ALL, "1700000000000-3"))

    async with anyio.create_task_group() as group:
        group.start_soon(come_back)
        await anyio.wait_all_tasks_blocked()
        feed.extend(entries([2, 3, 4]))

    assert taken(places[0]) == executions([4])


async def test_a_feed_that_begins_anew_tells_everybody(feed: EventFeed) -> None:
    feed.extend(entries([1, 2]))
    client = await feed.subscribe(ALL, None)
    feed.clear()
    feed.extend(entries([3], "reset"))

    assert taken(client) == [("reset", "gap")]


async def test_clients_are_told_once_that_the_stream_is_away_and_once_that_it_is_back(feed: EventFeed) -> None:
    client = await feed.subscribe(ALL, None)
    feed.away(is_away=True)
    feed.away(is_away=True)
    late = await feed.subscribe(ALL, None)
    assert (taken(client), taken(late)) == ([("away", None)], [("away", None)])

    feed.away(is_away=False)
    feed.extend(entries([1]))
    assert taken(client) == [("back", None), ("execution", 1)]
