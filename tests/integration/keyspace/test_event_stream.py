"""The stream in Redis: bounded, each batch in it once, and whoever finds their place in it has missed nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import orjson
import pytest

from horarium.actors.event_reader import EventReader
from horarium.event_feed import EventFeed, Wanted
from horarium.keyspace import event_stream
from horarium.keyspace.event_stream import PAGE_EVENTS, EventId, EventStream
from horarium.keyspace.history import HistoryEvent
from horarium.live_events import LiveEvent
from horarium.supervisor import ChildContext, EventRing, Mailbox
from horarium.supervisor.events import ChildStopped
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterable

    from horarium.keyspace.event_stream import Entry
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio

BEGAN = "reset"


def events(numbers: Iterable[int]) -> list[LiveEvent]:
    return [LiveEvent("execution", 7, {"number": number}) for number in numbers]


async def add(rig: Rig, numbers: Iterable[int]) -> None:
    await rig.stream.append(rig.stream.batch(events(numbers)))


async def a_later_millisecond(rig: Rig) -> None:
    """Redis' clock is past the newest entry: a stream made anew in the same one would begin with an older id."""
    newest = (await kept(rig))[-1].id

    async def is_past() -> bool:
        seconds, microseconds = await rig.redis.time()
        return 1000 * seconds + microseconds // 1000 > newest.ms

    await eventually(is_past)


async def kept(rig: Rig) -> list[Entry]:
    """Everything in the stream, read page by page."""
    entries = await rig.stream.page(None) or []
    while page := await rig.stream.page(entries[-1].id):
        entries += page
    return entries


def numbers(entries: Iterable[Entry]) -> list[int]:
    return [int(entry.data.partition(b":")[2].rstrip(b"}")) for entry in entries if entry.field == "execution:7"]


async def test_a_stream_begins_with_a_marker_and_goes_on_in_order(rig: Rig) -> None:
    await add(rig, [1, 2])
    await add(rig, [3])

    entries = await kept(rig)
    assert [entry.field for entry in entries] == [BEGAN, *["execution:7"] * 3]
    assert numbers(entries) == [1, 2, 3]
    assert entries == sorted(entries)


async def test_a_batch_that_is_sent_again_is_in_it_once(rig: Rig) -> None:
    """As after an answer that was lost on its way."""
    batch = rig.stream.batch(events([1, 2]))

    assert [await rig.stream.append(batch), await rig.stream.append(batch)] == [2, 0]
    assert numbers(await kept(rig)) == [1, 2]


async def test_writers_do_not_take_each_others_batches_for_their_own(rig: Rig) -> None:
    other = EventStream(rig.redis, rig.keys)
    await add(rig, [1])
    await other.append(other.batch(events([2])))

    assert numbers(await kept(rig)) == [1, 2]


async def test_the_oldest_make_room(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "EVENTS_KEPT", 1000)
    for first in range(0, 5000, 100):
        await add(rig, range(first, first + 100))

    left = numbers(await kept(rig))
    assert left == list(range(5000 - len(left), 5000))
    assert 1000 <= len(left) <= 1200


async def test_what_is_no_more_has_no_successors(rig: Rig) -> None:
    await add(rig, [1])
    last = (await kept(rig))[-1].id
    assert await rig.stream.page(last) == []

    await rig.redis.flushdb()
    assert await rig.stream.page(last) is None
    await add(rig, [2])
    assert await rig.stream.page(last) is None


@pytest.mark.parametrize("text", ["", "1", "1-", "-1", "1-2-3", "a-b", "٣-١", "1" * 50 + "-1", "+1-1", " 1-1"])  # noqa: RUF001 - digits of another script
def test_no_other_text_is_an_id(text: str) -> None:
    with pytest.raises(ValueError, match="no id"):
        EventId.parse(text)


async def told_to_a_client(feed: EventFeed) -> Any:
    return await feed.subscribe(Wanted(frozenset({"execution"})), None)


async def test_a_reader_that_stood_still_for_too_long_tells_of_the_gap(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "EVENTS_KEPT", 500)
    feed = EventFeed()
    reader = EventReader(rig.stream, feed, on_news=lambda _: None)
    await add(rig, [0])
    await reader.step()
    client = await told_to_a_client(feed)

    for first in range(0, 3000, 500):
        await add(rig, range(first, first + 500))
    await reader.step()

    assert b"event: reset" in client.take()
    assert client.take() is None
    await add(rig, [3000])
    await reader.step()
    assert b'{"number":3000}' in client.take()


async def test_a_reader_that_kept_up_tells_of_no_gap_though_the_stream_was_trimmed(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_stream, "EVENTS_KEPT", 500)
    feed = EventFeed()
    reader = EventReader(rig.stream, feed, on_news=lambda _: None)
    await reader.step()
    client = await told_to_a_client(feed)

    heard = b""
    for first in range(0, 3000, PAGE_EVENTS):
        await add(rig, range(first, first + PAGE_EVENTS))
        await reader.step()
        heard += client.take()

    assert heard.count(b"event: execution") == 3000
    assert b"reset" not in heard


async def test_each_event_is_news_once_and_what_was_there_before_is_none(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever counts them counts none twice, though a reader that lost its place reads all that is kept anew."""
    monkeypatch.setattr(event_stream, "EVENTS_KEPT", 500)
    news: list[Entry] = []
    reader = EventReader(rig.stream, EventFeed(), on_news=news.extend)
    await add(rig, [0])
    await reader.step()

    await add(rig, [1, 2])
    await reader.step()
    await a_later_millisecond(rig)
    await rig.redis.delete(rig.keys.events)
    await add(rig, [3])
    await reader.step()

    numbers = [orjson.loads(entry.data).get("number") for entry in news if entry.field.startswith("execution")]
    assert numbers == [1, 2, 3]


async def test_what_others_have_put_there_is_passed_over(rig: Rig) -> None:
    feed = EventFeed()
    reader = EventReader(rig.stream, feed, on_news=lambda _: None)
    await reader.step()
    client = await told_to_a_client(feed)

    await rig.redis.xadd(rig.keys.events, {b"\xff": b"\xff", b"two": b"fields"})
    await rig.redis.xadd(rig.keys.events, {"execution:7": "two\nlines"})
    await add(rig, [1])
    await reader.step()

    assert client.take().count(b"event:") == 1


async def written(rig: Rig, count: int, ring: EventRing | None = None) -> list[Entry]:
    """What the real actor has put into the stream, once there are so many entries, the marker left out."""
    writer = rig.history_writer(ring)
    entries: list[Entry] = []

    async def enough() -> bool:
        found = await rig.stream.page(None) or []
        entries[:] = found[1:]
        return len(entries) >= count

    async with anyio.create_task_group() as group:
        with rig.mailboxes.history.bind() as inbox:
            await group.start(lambda *, task_status: writer.run(ChildContext("w", 1, inbox), task_status=task_status))
            await eventually(enough)
            group.cancel_scope.cancel()
    return entries


async def test_the_writer_tells_what_is_recorded_and_what_the_supervisor_has_seen(rig: Rig) -> None:
    ring = EventRing()
    ring.record(ChildStopped("core", "dispatcher", 1, 12.5))
    rig.mailboxes.record(HistoryEvent.now(7, "task_paused", reason="lunch"))

    entries = await written(rig, 2, ring)

    assert sorted(entry.field for entry in entries) == ["config:7", "supervision"]
    assert (await rig.history.newest(7, 1))[0]["event"] == "task_paused"


async def test_news_that_a_full_mailbox_threw_away_is_told_as_a_reset(rig: Rig) -> None:
    small: Mailbox[Any] = Mailbox("history_writer", capacity=2, overflow="drop_oldest")
    object.__setattr__(rig.mailboxes, "history", small)
    for number in range(3):
        rig.mailboxes.record(HistoryEvent.now(number, "task_loaded"))

    entries = await written(rig, 3)

    assert [entry.field for entry in entries] == ["reset", "config:1", "config:2"]
    assert b'"dropped"' in entries[0].data
