"""What taskiq-redis' own stream broker does and ours does not, each beside the original.

What workers have in hand is in test_in_hand.py. Its schedule sources and its result backend are in test_stock_traps.py:
we have neither.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest
from redis.exceptions import ResponseError
from taskiq import BrokerMessage
from taskiq.message import TaskiqMessage

from horarium.tasks.stream_broker import GROUP
from tests.support.streams import (
    STREAM,
    acknowledge,
    comes,
    id_of,
    listening,
    message,
    nothing_comes,
    ours,
    stock,
    take,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from redis.asyncio import Redis
    from taskiq import AckableMessage

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("quick_orphans")]


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
