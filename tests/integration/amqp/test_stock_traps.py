"""What taskiq-aio-pika's broker does and ours does not, each beside the other on one RabbitMQ."""

from __future__ import annotations

import uuid
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, cast

import anyio
import pytest
from aio_pika import connect
from aio_pika.exceptions import ChannelInvalidStateError
from taskiq import AckableMessage, BrokerMessage
from taskiq_aio_pika import Queue, QueueType

from horarium.errors import Unavailable
from horarium.keyspace.keys import Keys
from horarium.tasks.amqp_broker import PUBLISH_SECONDS, AmqpBroker
from tests.support.amqp import acknowledge, eventually_sent, id_of, kick, message, started, stock, take

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from taskiq_aio_pika import AioPikaBroker

    from tests.support.rabbitmq import RabbitMQ

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

POISON = BrokerMessage(task_id="poison", task_name="echo", message=b"{not json", labels={})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
async def ours(rabbitmq: RabbitMQ) -> AsyncIterator[AmqpBroker]:
    async with started(AmqpBroker(rabbitmq.url, Keys(f"test-{uuid.uuid4().hex[:12]}:"))) as broker:
        yield broker


@pytest.fixture
async def theirs(rabbitmq: RabbitMQ) -> AsyncIterator[AioPikaBroker]:
    async with started(stock(rabbitmq.url)) as broker:
        yield broker


@asynccontextmanager
async def listening(broker: AioPikaBroker) -> AsyncIterator[AsyncGenerator[AckableMessage, None]]:
    async with aclosing(cast("AsyncGenerator[AckableMessage, None]", broker.listen())) as messages:
        yield messages


async def waiting(url: str, queue: str) -> int:
    """How many messages a queue of this name has ready."""
    connection = await connect(url)
    async with connection, connection.channel() as channel:
        return (await channel.declare_queue(queue, passive=True)).declaration_result.message_count or 0


# 1. The dead-letter queue


async def test_the_stock_broker_lets_nobody_reject_and_its_dead_letter_queue_stays_empty(theirs: AioPikaBroker) -> None:
    await theirs.kick(POISON)
    async with listening(theirs) as messages:
        taken = await take(messages)
        await acknowledge(taken)  # which is all that can be done with it

    assert set(type(taken).model_fields) == {"data", "ack"}
    assert await waiting(str(theirs.url), theirs._dead_letter_queue.name) == 0


async def test_ours_has_what_nobody_can_read_in_its_dead_letter_queue(ours: AmqpBroker) -> None:
    await ours.kick(POISON)
    async with listening(ours) as messages:
        await ours.publish([message()])
        await take(messages)

    assert await waiting(str(ours.url), ours._topology.dead) == 1


# 2. Acknowledging after a reconnect


async def test_the_stock_broker_raises_when_acknowledging_after_a_reconnect(
    theirs: AioPikaBroker, rabbitmq: RabbitMQ
) -> None:
    await kick(theirs)
    async with listening(theirs) as messages:
        before = await take(messages)
        await rabbitmq.ctl("close_all_connections", "test")

        with pytest.raises(ChannelInvalidStateError):
            await acknowledge(before)
        await acknowledge(await take(messages))


async def test_ours_acknowledges_in_vain_after_a_reconnect_and_is_delivered_it_again(
    ours: AmqpBroker, rabbitmq: RabbitMQ
) -> None:
    await ours.publish([message()])
    async with listening(ours) as messages:
        before = await take(messages)
        await rabbitmq.ctl("close_all_connections", "test")

        await acknowledge(before)

        assert id_of(await take(messages)) == id_of(before)


# 3. RabbitMQ's patience with whoever does not acknowledge


@asynccontextmanager
async def impatient(rabbitmq: RabbitMQ) -> AsyncIterator[None]:
    """RabbitMQ waits a second for an acknowledgement instead of half an hour, and looks twice a second."""
    setting = (
        "application:set_env(rabbit, consumer_timeout, {}), application:set_env(rabbit, channel_tick_interval, {})."
    )
    await rabbitmq.ctl("eval", setting.format(1000, 500))
    try:
        yield
    finally:
        await rabbitmq.ctl("eval", setting.format(1_800_000, 60_000))


async def test_the_stock_broker_cannot_acknowledge_a_task_that_took_longer_and_ours_does_so_in_vain(
    rabbitmq: RabbitMQ,
) -> None:
    """A RabbitMQ before 3.11.15 does not heed what our consumers ask for; the claim sees to it that one is run."""
    own = AmqpBroker(rabbitmq.url, Keys(f"test-{uuid.uuid4().hex[:12]}:"))
    async with (
        impatient(rabbitmq),
        started(stock(rabbitmq.url)) as theirs,
        started(own) as ours,
        listening(theirs) as at_theirs,
        listening(ours) as at_ours,
    ):
        await kick(theirs)
        await ours.publish([message()])
        first, our_first = await take(at_theirs), await take(at_ours)
        again, our_second = await take(at_theirs), await take(at_ours)

        with pytest.raises(ChannelInvalidStateError):
            await acknowledge(first)
        await acknowledge(our_first)

    assert (id_of(again), id_of(our_second)) == (id_of(first), id_of(our_first))


async def test_ours_asks_for_eight_days(ours: AmqpBroker, rabbitmq: RabbitMQ) -> None:
    await ours.publish([message()])
    async with listening(ours) as messages:
        await take(messages)

        consumers = await rabbitmq.ctl("list_consumers", "--no-table-headers", "queue_name", "arguments")

    [own] = [line for line in consumers.splitlines() if line.startswith(ours._topology.queue("default"))]
    assert '"x-consumer-timeout",691200000' in own.replace(" ", "")


# 4. A message for which there is no queue


async def test_the_stock_broker_drops_in_silence_what_has_no_queue(theirs: AioPikaBroker, rabbitmq: RabbitMQ) -> None:
    await rabbitmq.ctl("delete_queue", theirs._task_queues[0].name)

    assert await kick(theirs)

    assert theirs._task_queues[0].name not in (await rabbitmq.ctl("list_queues", "name")).splitlines()


async def test_ours_says_so_and_makes_the_queue_anew(ours: AmqpBroker, rabbitmq: RabbitMQ) -> None:
    await rabbitmq.ctl("delete_queue", ours._topology.queue("default"))

    with pytest.raises(Unavailable):
        await ours.publish([message()])
    await ours.publish([message()])

    assert await ours.depths() == {"default": 1}


# 5. A memory alarm


@asynccontextmanager
async def short_of_memory(rabbitmq: RabbitMQ) -> AsyncIterator[None]:
    await rabbitmq.ctl("set_vm_memory_high_watermark", "absolute", "1024")
    try:
        yield
    finally:
        await rabbitmq.ctl("set_vm_memory_high_watermark", "0.4")


async def test_the_stock_broker_waits_for_ever_while_memory_is_short_and_ours_gives_up_in_time(
    theirs: AioPikaBroker, ours: AmqpBroker, rabbitmq: RabbitMQ
) -> None:
    sent, refused = message(), anyio.Event()

    async def give_up() -> None:
        with pytest.raises(Unavailable):
            await ours.publish([sent])
        refused.set()

    async with short_of_memory(rabbitmq), anyio.create_task_group() as group:
        group.start_soon(give_up)
        with anyio.move_on_after(2 * PUBLISH_SECONDS) as waited:
            await kick(theirs)

        assert waited.cancelled_caught
        assert refused.is_set()

    await eventually_sent(lambda: ours.publish([sent]))


# 6. Delays that differ


async def test_the_stock_broker_holds_a_short_delay_up_behind_a_long_one(rabbitmq: RabbitMQ) -> None:
    delays = Queue(name=f"stock-{uuid.uuid4().hex[:8]}.delay", type=QueueType.CLASSIC)
    async with started(stock(rabbitmq.url, delay_queue=delays)) as broker, listening(broker) as messages:
        long, short = await kick(broker, delay=2), await kick(broker, delay=0.1)

        assert [id_of(await take(messages)), id_of(await take(messages))] == [long, short]


async def test_ours_delivers_each_when_it_is_due(ours: AmqpBroker) -> None:
    async with listening(ours) as messages:
        long, short = await kick(ours, delay=2), await kick(ours, delay=0.1)

        assert [id_of(await take(messages)), id_of(await take(messages))] == [short, long]
