"""What taskiq-redis' own stream broker does and ours does not, each beside the original.

Its schedule sources and its result backend are in test_stock_traps.py: we have neither.
"""

from __future__ import annotations

import asyncio
import inspect
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any, cast
from uuid import uuid4

import anyio
import orjson
import pytest
from redis.exceptions import ResponseError
from taskiq import BrokerMessage
from taskiq.message import TaskiqMessage
from taskiq_redis import RedisStreamBroker

from horarium.keyspace.keys import Keys
from horarium.keyspace.pool import connect
from horarium.tasks import stream_broker, stream_upkeep
from horarium.tasks.delivery import Delivery
from horarium.tasks.message import TaskMessage
from horarium.tasks.stream_broker import GROUP, StreamBroker

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from redis.asyncio import Redis
    from taskiq import AckableMessage

pytestmark = pytest.mark.anyio

KEYS = Keys()
STREAM = KEYS.queue("default")
QUIET_SECONDS = 0.3


@pytest.fixture
async def redis(redis_db: str) -> AsyncIterator[Redis]:
    client = connect(redis_db)
    yield client
    await client.aclose()


@pytest.fixture(autouse=True)
def quick_orphans(monkeypatch: pytest.MonkeyPatch) -> None:
    """An orphan is one after 50 ms, and a quiet stream is waited on for 50 ms at a time."""
    monkeypatch.setattr(stream_broker, "ORPHAN_SECONDS", 0.05)
    monkeypatch.setattr(stream_broker, "BLOCK_MS", 50)
    monkeypatch.setattr(stream_upkeep, "KEEP_SECONDS", 0.01)


@asynccontextmanager
async def ours(url: str, consumer: str = "a", *queues: str) -> AsyncIterator[StreamBroker]:
    broker = StreamBroker(url, KEYS, queues=queues or ("default",), consumer=consumer)
    await broker.startup()
    try:
        yield broker
    finally:
        await broker.shutdown()


@asynccontextmanager
async def stock(url: str, consumer: str = "a") -> AsyncIterator[RedisStreamBroker]:
    broker = RedisStreamBroker(
        url, queue_name=STREAM, consumer_group_name=GROUP, consumer_name=consumer, xread_block=50, idle_timeout=50
    )
    await broker.startup()
    try:
        yield broker
    finally:
        await broker.shutdown()


@asynccontextmanager
async def listening(broker: RedisStreamBroker) -> AsyncIterator[AsyncGenerator[AckableMessage, None]]:
    async with aclosing(cast("AsyncGenerator[AckableMessage, None]", broker.listen())) as messages:
        yield messages


def message(queue: str = "default") -> TaskMessage:
    return TaskMessage(uuid4(), 1, 7, "echo", "cron", None, {"message": "hello"}, queue, 5)


async def take(messages: AsyncGenerator[AckableMessage, None]) -> AckableMessage:
    with anyio.fail_after(5):
        return await anext(messages)


async def nothing_comes(messages: AsyncGenerator[AckableMessage, None]) -> bool:
    with anyio.move_on_after(QUIET_SECONDS):
        await anext(messages)
        return False
    return True


async def acknowledge(taken: AckableMessage) -> None:
    done = taken.ack()
    assert inspect.isawaitable(done)
    await done


def id_of(taken: AckableMessage) -> str:
    return str(orjson.loads(taken.data)["task_id"])


async def take_and_die(url: str) -> str:
    """A worker takes one message and never acknowledges it; the message's id."""
    async with ours(url, "dead") as broker, listening(broker) as messages:
        return id_of(await take(messages))


# A message's way


async def test_a_message_arrives_as_taskiq_reads_it(redis_db: str) -> None:
    sent = message()
    async with ours(redis_db) as broker, listening(broker) as messages:
        await broker.publish([sent])
        taken = await take(messages)

    read = TaskiqMessage.model_validate_json(taken.data)
    assert (read.task_id, read.task_name, read.kwargs) == (str(sent.execution_id), "echo", {"message": "hello"})
    assert (read.labels["attempt"], read.labels["config_id"]) == (1, 7)


async def test_messages_of_every_queue_it_listens_to_arrive_and_of_no_other(redis_db: str) -> None:
    async with ours(redis_db, "a", "default", "reports") as broker, listening(broker) as messages:
        sent = [message("default"), message("reports"), message("other")]
        await broker.publish(sent)

        taken = [await take(messages), await take(messages)]
        await acknowledge(taken[0])
        await acknowledge(taken[1])

        assert {id_of(each) for each in taken} == {str(each.execution_id) for each in sent[:2]}
        assert await nothing_comes(messages)


async def test_a_task_that_kicks_another_sends_it_like_any_message(redis_db: str) -> None:
    kicked = BrokerMessage(task_id="x", task_name="echo", message=message().to_json(), labels={"queue": "default"})
    async with ours(redis_db) as broker, listening(broker) as messages:
        await broker.kick(kicked)

        assert (await take(messages)).data == kicked.message


async def test_two_workers_share_the_messages(redis_db: str) -> None:
    async with ours(redis_db, "a") as a, ours(redis_db, "b") as b, listening(a) as at_a, listening(b) as at_b:
        await a.publish([message()])
        first = id_of(await take(at_a))
        await a.publish([message()])
        second = id_of(await take(at_b))

    assert first != second


# 1. Orphans on a quiet stream


async def test_an_orphan_is_delivered_again_though_nothing_new_comes(redis_db: str) -> None:
    async with ours(redis_db) as broker:
        await broker.publish([message()])
        orphan = await take_and_die(redis_db)

        async with listening(broker) as messages:
            assert id_of(await take(messages)) == orphan


async def comes(messages: AsyncGenerator[AckableMessage, None], wanted: str) -> bool:
    """Whether this message comes, among whatever others; a time in which none comes at all is an error."""
    while id_of(await take(messages)) != wanted:
        pass
    return True


async def test_the_stock_broker_leaves_an_orphan_until_something_new_comes(redis_db: str) -> None:
    async with ours(redis_db) as sender, stock(redis_db) as broker:
        await sender.publish([message()])
        orphan = await take_and_die(redis_db)

        async with listening(broker) as messages:
            assert await nothing_comes(messages)
        async with listening(broker) as messages:
            for _ in range(2):  # Redis may still give one to the reader that was cut off above
                await sender.publish([message()])
            assert await comes(messages, orphan)


async def test_an_acknowledged_message_is_no_orphan(redis_db: str) -> None:
    async with ours(redis_db) as broker, listening(broker) as messages:
        await broker.publish([message()])
        await acknowledge(await take(messages))

        assert await nothing_comes(messages)


# 2. The group's beginning


async def test_what_was_sent_before_the_first_worker_is_delivered(redis_db: str, redis: Redis) -> None:
    await redis.xadd(STREAM, {"data": message().to_json()})

    async with ours(redis_db) as broker, listening(broker) as messages:
        assert await take(messages)


async def test_the_stock_broker_never_delivers_what_was_sent_before(redis_db: str, redis: Redis) -> None:
    await redis.xadd(STREAM, {"data": message().to_json()})

    async with stock(redis_db) as broker, listening(broker) as messages:
        assert await nothing_comes(messages)


# 3. The stream's length


async def test_acknowledging_deletes(redis_db: str, redis: Redis) -> None:
    async with ours(redis_db) as broker, listening(broker) as messages:
        await broker.publish([message(), message()])
        await acknowledge(await take(messages))

        assert await broker.depths() == {"default": 1}
        assert (await redis.xpending(STREAM, GROUP))["pending"] == 1


async def test_the_stock_broker_keeps_every_message_for_ever(redis_db: str, redis: Redis) -> None:
    async with ours(redis_db) as sender, stock(redis_db) as broker, listening(broker) as messages:
        await sender.publish([message()])
        await acknowledge(await take(messages))

    assert await redis.xlen(STREAM) == 1


async def test_acknowledging_twice_is_harmless(redis_db: str) -> None:
    async with ours(redis_db) as broker, listening(broker) as messages:
        await broker.publish([message()])
        taken = await take(messages)

        await acknowledge(taken)
        await acknowledge(taken)

        assert await broker.depths() == {"default": 0}


# 4. A flush


async def test_a_flush_ends_nothing_and_later_messages_arrive(redis_db: str, redis: Redis) -> None:
    async with ours(redis_db) as broker, listening(broker) as messages:
        assert await nothing_comes(messages)
    async with ours(redis_db) as broker:
        await redis.flushdb()
        async with listening(broker) as messages:
            sent = message()
            await broker.publish([sent])

            assert id_of(await take(messages)) == str(sent.execution_id)


async def test_a_flush_while_it_waits_for_messages_ends_nothing(redis_db: str, redis: Redis) -> None:
    sent = message()
    taken: list[Any] = []

    async def take_one(messages: AsyncGenerator[AckableMessage, None]) -> None:
        taken.append(id_of(await take(messages)))

    async with ours(redis_db) as broker, listening(broker) as messages, anyio.create_task_group() as group:
        group.start_soon(take_one, messages)
        await anyio.wait_all_tasks_blocked()
        await redis.flushdb()
        await broker.publish([sent])

    assert taken == [str(sent.execution_id)]


async def test_acknowledging_a_message_of_before_the_flush_is_harmless(redis_db: str, redis: Redis) -> None:
    async with ours(redis_db) as broker, listening(broker) as messages:
        await broker.publish([message()])
        taken = await take(messages)
        await redis.flushdb()

        await acknowledge(taken)

        assert await broker.depths() == {"default": 0}


@pytest.mark.parametrize("said", ["NOGROUP No such key", "UNBLOCKED the stream key no longer exists"])
async def test_every_way_in_which_redis_says_that_the_stream_is_gone_is_understood(
    redis_db: str, monkeypatch: pytest.MonkeyPatch, said: str
) -> None:
    async with ours(redis_db) as broker:
        real, answers = broker._new, [ResponseError(said)]

        async def new() -> Any:
            if answers:
                raise answers.pop()
            return await real()

        monkeypatch.setattr(broker, "_new", new)
        async with listening(broker) as messages:
            await broker.publish([message()])
            assert await take(messages)


async def test_any_other_refusal_is_raised(redis_db: str, redis: Redis) -> None:
    async with ours(redis_db) as broker, listening(broker) as messages:
        await redis.delete(STREAM)
        await redis.set(STREAM, "no stream")

        with pytest.raises(ResponseError, match="WRONGTYPE"):
            await take(messages)


async def test_the_stock_broker_dies_of_a_flush(redis_db: str, redis: Redis) -> None:
    async with stock(redis_db) as broker:
        await redis.flushdb()

        async with listening(broker) as messages:
            with pytest.raises(ResponseError, match="NOGROUP"):
                await take(messages)


# 5. Long tasks


@asynccontextmanager
async def busy(url: str) -> AsyncIterator[AckableMessage]:
    """A worker that lives and has this one message in hand, longer than it takes to be an orphan."""
    async with ours(url, "busy") as broker, listening(broker) as messages:
        await broker.publish([message()])
        yield await take(messages)


async def test_what_a_living_worker_has_in_hand_is_nobody_elses(redis_db: str) -> None:
    async with busy(redis_db), ours(redis_db, "idle") as idle, listening(idle) as messages:
        assert await nothing_comes(messages)


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

        await asyncio.wait([read], timeout=5)
        assert lost.is_set()
        assert read.cancelled()
