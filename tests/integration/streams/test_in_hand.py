"""Messages that a worker has in hand, over Redis streams: they are its own for as long as it lives, and no longer.

The traps of taskiq-redis' own broker that are not about this are in test_stream_broker.py.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from redis.exceptions import ResponseError

from horarium.tasks import stream_upkeep
from horarium.tasks.delivery import Delivery
from horarium.tasks.stream_broker import GROUP, StreamBroker
from tests.support.streams import KEYS, STREAM, comes, id_of, listening, message, nothing_comes, ours, stock, take
from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis
    from taskiq import AckableMessage

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_orphans")]


@asynccontextmanager
async def busy(url: str) -> AsyncIterator[AckableMessage]:
    """A worker that lives and has this one message in hand, longer than it takes to be an orphan."""
    async with ours(url, "busy") as broker, listening(broker) as messages:
        await broker.publish([message()])
        yield await take(messages)


async def test_what_a_living_worker_has_in_hand_is_nobody_elses(redis_db: str) -> None:
    async with busy(redis_db), ours(redis_db, "idle") as idle, listening(idle) as messages:
        assert await nothing_comes(messages)


async def test_an_orphan_is_found_behind_however_many_messages_others_have_in_hand(redis_db: str, redis: Redis) -> None:
    """By a worker that takes one at a time, too; long tasks are in front of it for hours."""
    async with ours(redis_db, "busy") as busy, listening(busy) as at_busy:
        await busy.publish([message() for _ in range(30)])
        for _ in range(30):
            await take(at_busy)
        orphan = message()
        await busy.publish([orphan])
        await redis.xreadgroup(GROUP, "killed", {STREAM: ">"})

        async with ours(redis_db, "small", concurrency=1) as small, listening(small) as messages:
            assert await comes(messages, str(orphan.execution_id))


async def test_it_keeps_what_it_has_in_hand_though_it_reads_no_more(redis_db: str) -> None:
    """A worker that drains has stopped reading, and its tasks go on."""
    async with ours(redis_db, "draining") as draining, ours(redis_db, "idle") as idle, listening(idle) as messages:
        async with listening(draining) as last:
            await draining.publish([message()])
            assert await take(last)

        assert await nothing_comes(messages)


async def test_the_stock_broker_gives_a_message_away_while_its_worker_is_at_it(redis_db: str) -> None:
    async with ours(redis_db) as sender, stock(redis_db, "busy") as at_work, stock(redis_db, "idle") as idle:
        await sender.publish([message()])
        async with listening(at_work) as messages:
            in_hand = id_of(await take(messages))

        async with listening(idle) as messages:
            assert await nothing_comes(messages)
        async with listening(idle) as messages:
            for _ in range(2):  # it looks for orphans only after something new
                await sender.publish([message()])
            assert await comes(messages, in_hand)


async def test_what_its_worker_releases_is_delivered_again(redis_db: str) -> None:
    async with busy(redis_db) as in_hand, ours(redis_db, "idle") as idle, listening(idle) as messages:
        assert isinstance(in_hand, Delivery)
        await in_hand.release()

        assert id_of(await take(messages)) == id_of(in_hand)


async def test_a_worker_that_is_started_again_gets_what_it_had_not_acknowledged(redis_db: str) -> None:
    async with ours(redis_db) as broker:
        await broker.publish([message()])
        async with listening(broker) as messages:
            first = id_of(await take(messages))

        await broker.startup()

        async with listening(broker) as messages:
            assert id_of(await take(messages)) == first


async def test_what_was_read_and_waits_for_room_goes_to_a_worker_that_has_some(redis_db: str) -> None:
    async with ours(redis_db, "full") as full, ours(redis_db, "idle") as idle, listening(full) as at_full:
        await full.publish([message(), message()])
        in_hand = id_of(await take(at_full))

        async with listening(idle) as messages:
            assert id_of(await take(messages)) != in_hand
            assert await nothing_comes(messages)


async def test_a_worker_reads_no_more_than_it_runs_at_once(redis_db: str, redis: Redis) -> None:
    broker = StreamBroker(redis_db, KEYS, consumer="small", concurrency=1)
    await broker.startup()
    async with listening(broker) as messages:
        await broker.publish([message(), message()])
        await take(messages)

        assert (await redis.xpending(STREAM, GROUP))["pending"] == 1
    await broker.shutdown()


async def test_a_flush_leaves_nothing_to_keep_and_ends_nothing(redis_db: str, redis: Redis) -> None:
    async with ours(redis_db) as broker, listening(broker) as messages:
        await broker.publish([message(), message()])
        await take(messages)
        before = await broker._upkeep.keep()

        await redis.flushdb()

        assert (before, await broker._upkeep.keep()) == (1, 0)


async def test_thousands_in_hand_are_kept_in_few_commands(redis_db: str, redis: Redis) -> None:
    async with ours(redis_db) as broker:
        await broker.publish([message() for _ in range(2500)])
        [(_, entries)] = await redis.xreadgroup(GROUP, "a", {STREAM: ">"})
        for entry_id, _ in entries:
            broker._upkeep.take(STREAM, entry_id)
        await redis.config_resetstat()

        assert await broker._upkeep.keep() == 2500

    assert (await redis.info("commandstats"))["cmdstat_xclaim"]["calls"] == 3


async def test_an_upkeep_that_fails_as_nothing_should_ends_the_worker(
    redis_db: str, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stream_upkeep, "LOOK_SECONDS", 0.01)
    await redis.set(KEYS.delayed("default"), "no sorted set")
    async with ours(redis_db) as broker, listening(broker) as messages:
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await take(messages)


async def test_a_read_that_was_cancelled_ends_though_the_cancellation_got_lost_on_the_way(
    redis_db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """About one in a hundred is lost within redis-py while it connects, and taskiq cancels only once."""
    async with ours(redis_db) as broker:
        lost = asyncio.Event()

        async def loses_it(_stream: str) -> list[Any]:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                lost.set()
            return []

        monkeypatch.setattr(broker, "_orphans", loses_it)
        read = asyncio.ensure_future(anext(broker.listen()))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

        read.cancel()

        await asyncio.wait([read], timeout=WAIT_SECONDS)
        assert lost.is_set()
        assert read.cancelled()
