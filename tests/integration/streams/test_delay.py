"""taskiq's label `delay` over Redis streams: nothing early, nothing left waiting, nothing lost whoever is killed."""

from __future__ import annotations

import math
import time
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest
from redis.exceptions import ResponseError
from taskiq.exceptions import SendTaskError

from horarium.errors import Unavailable
from horarium.tasks import stream_upkeep
from horarium.tasks.stream_broker import StreamBroker
from horarium.tasks.stream_upkeep import PROMOTED_MESSAGES
from tests.support import streams
from tests.support.streams import KEYS, acknowledge, id_of, listening, ours
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable
    from pathlib import Path

    from redis.asyncio import Redis
    from taskiq import AckableMessage

pytestmark = pytest.mark.anyio


async def kick(broker: StreamBroker, delay: object, queue: str = "default") -> str:
    """Send a task as an application does; its id."""
    task = broker.find_task("kicked") or broker.register_task(lambda: None, task_name="kicked")
    return (await task.kicker().with_labels(delay=delay, queue=queue).kiq()).task_id


async def take(messages: AsyncGenerator[AckableMessage, None]) -> str:
    """Have the next message, acknowledged; its id."""
    taken = await streams.take(messages)
    await acknowledge(taken)
    return id_of(taken)


def nothing_waits(broker: StreamBroker) -> Callable[[], Awaitable[bool]]:
    async def look() -> bool:
        return await broker._upkeep.promote() == math.inf

    return look


async def test_a_delayed_message_arrives_when_it_is_due_and_not_before(
    redis_db: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever listens knows when the next is due: nobody looks for it meanwhile."""
    monkeypatch.setattr(stream_upkeep, "LOOK_SECONDS", 3600.0)
    delays = [0.4, 0.6, 0.7, 0.9, 1.1]
    async with ours(redis_db) as broker:
        began = time.monotonic()
        sent = [await kick(broker, delay) for delay in delays]
        async with listening(broker) as messages:
            arrived = [(await take(messages), time.monotonic() - began) for _ in sent]

    assert [task_id for task_id, _ in arrived] == sent
    assert all(seconds >= delay for (_, seconds), delay in zip(arrived, delays, strict=True))


async def test_a_long_delay_does_not_hold_up_a_short_one_behind_it(redis_db: str) -> None:
    async with ours(redis_db) as broker, listening(broker) as messages:
        await kick(broker, 3600)
        short = await kick(broker, 0.1)

        assert await take(messages) == short


async def test_no_delay_and_a_delay_of_nothing_are_the_same(redis_db: str) -> None:
    async with ours(redis_db) as broker, listening(broker) as messages:
        assert await kick(broker, 0) == await take(messages)


async def test_each_queue_has_its_own(redis_db: str) -> None:
    async with ours(redis_db, "a", "default", "reports") as broker, listening(broker) as messages:
        sent = [await kick(broker, 0.1), await kick(broker, 0.1, "reports"), await kick(broker, 0.1, "unread")]

        assert {await take(messages), await take(messages)} == set(sent[:2])
        assert await broker._redis.zcard(KEYS.delayed("unread")) == 1


async def test_what_nobody_read_when_it_was_due_arrives_once_somebody_does(redis_db: str) -> None:
    async with ours(redis_db) as sender:
        sent = await kick(sender, 0.01)

    async with ours(redis_db) as broker, listening(broker) as messages:
        assert await take(messages) == sent


async def test_two_messages_that_are_alike_are_two(redis_db: str) -> None:
    async with ours(redis_db) as broker, listening(broker) as messages:
        task = broker.register_task(lambda: None, task_name="alike")
        kicker = task.kicker().with_labels(delay=0.05).with_task_id("the same")
        await kicker.kiq()
        await kicker.kiq()

        assert [await take(messages), await take(messages)] == ["the same", "the same"]


async def test_many_that_are_due_at_once_all_arrive(redis_db: str, redis: Redis) -> None:
    body = b'{"task_id": "x"}'
    async with ours(redis_db) as broker:
        await redis.zadd(
            KEYS.delayed("default"), {f"{n:032d}".encode() + body: 1 for n in range(PROMOTED_MESSAGES + 1)}
        )

        assert await broker._upkeep.promote() == math.inf

    assert await redis.xlen(KEYS.queue("default")) == PROMOTED_MESSAGES + 1
    assert not await redis.exists(KEYS.delayed("default"))


async def test_it_knows_when_the_next_is_due(redis_db: str) -> None:
    async with ours(redis_db, "a", "default", "reports") as broker:
        await kick(broker, 60)
        await kick(broker, 30, "reports")

        assert 25 < await broker._upkeep.promote() <= 30


async def test_what_cannot_be_moved_stays(redis_db: str, redis: Redis) -> None:
    """The script dies between looking and moving: nothing is taken out that was not put in."""
    async with ours(redis_db) as broker:
        await kick(broker, 0.001)
        await redis.delete(KEYS.queue("default"))
        await redis.set(KEYS.queue("default"), "no stream")

        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await eventually(nothing_waits(broker))

    assert await redis.zcard(KEYS.delayed("default")) == 1


async def test_many_workers_that_move_at_once_deliver_each_once(redis_db: str, redis: Redis) -> None:
    async with ours(redis_db) as a, ours(redis_db) as b, anyio.create_task_group() as group:
        await redis.zadd(KEYS.delayed("default"), {f"{n:032d}{{}}".encode(): 1 for n in range(3000)})
        group.start_soon(a._upkeep.promote)
        group.start_soon(b._upkeep.promote)

    assert await redis.xlen(KEYS.queue("default")) == 3000


async def test_the_depth_of_a_queue_counts_them(redis_db: str) -> None:
    async with ours(redis_db) as broker:
        await kick(broker, 60)
        await kick(broker, 0)

        assert await broker.depths() == {"default": 2}


async def test_they_neither_hide_nor_make_lost_messages(redis_db: str) -> None:
    async with ours(redis_db) as broker:
        await kick(broker, 3600)

        age = await broker.lost_after("default")

    assert age is not None
    assert age < timedelta(minutes=1)


async def test_tidying_leaves_them(redis_db: str) -> None:
    async with ours(redis_db) as broker:
        await kick(broker, 3600)

        assert (await broker.tidy(), await broker.depths()) == (0, {"default": 1})


@pytest.mark.parametrize("delay", ["soon", -1, "nan", "inf", 30 * 86_400 + 1])
async def test_what_is_no_delay_is_refused_and_nothing_sent(redis_db: str, delay: object) -> None:
    async with ours(redis_db) as broker:
        with pytest.raises(SendTaskError) as refused:
            await kick(broker, delay)

        assert str(refused.value.__cause__) == "label delay: must be a number of seconds from 0 to 2592000"
        assert await broker.depths() == {"default": 0}


async def test_a_redis_that_is_away_says_so(tmp_path: Path) -> None:
    broker = StreamBroker(f"unix://{tmp_path}/redis.sock", KEYS)
    try:
        with pytest.raises(SendTaskError) as refused:
            await kick(broker, 1)
    finally:
        await broker.shutdown()
    assert isinstance(refused.value.__cause__, Unavailable)
