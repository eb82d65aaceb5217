"""The RabbitMQ broker on a private node, and each fault that it is there to outlive."""

from __future__ import annotations

import sys
import time
import uuid
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from aio_pika import connect
from taskiq import BrokerMessage

from horarium.errors import ConfigurationError, Unavailable
from horarium.keyspace.keys import Keys
from horarium.tasks import amqp_patience, amqp_topology
from horarium.tasks.amqp_broker import PUBLISH_SECONDS, AmqpBroker
from horarium.tasks.broker import make_broker
from horarium.tasks.stream_broker import StreamBroker
from tests.support import amqp_consumer
from tests.support.amqp import id_of, message, started, take
from tests.support.rabbitmq import free_ports
from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from taskiq import AckableMessage

    from horarium.tasks.message import TaskMessage
    from tests.support.rabbitmq import RabbitMQ

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    """As in production; what the files beside this one try runs on asyncio's own loop."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture
def keys() -> Keys:
    return Keys(f"test-{uuid.uuid4().hex[:12]}:")


@pytest.fixture
async def broker(rabbitmq: RabbitMQ, keys: Keys) -> AsyncIterator[AmqpBroker]:
    async with started(AmqpBroker(rabbitmq.url, keys)) as broker:
        yield broker


@pytest.fixture
async def messages(broker: AmqpBroker) -> AsyncIterator[AsyncGenerator[AckableMessage, None]]:
    async with aclosing(broker.listen()) as messages:
        yield messages


async def eventually(step: Callable[[], Awaitable[bool]], seconds: float = WAIT_SECONDS) -> None:
    """Return once `step` is true; Unavailable counts as not yet."""
    with anyio.fail_after(seconds):
        while True:
            try:
                if await step():
                    return
            except Unavailable:
                pass
            await anyio.sleep(0.1)


async def sends(broker: AmqpBroker, sent: TaskMessage) -> bool:
    await broker.publish([sent])
    return True


async def ready(broker: AmqpBroker, count: int) -> None:
    async def waits() -> bool:
        return await broker.depths() == {"default": count}

    await eventually(waits)


# The way of a message


async def test_a_published_message_is_delivered_and_gone_once_acknowledged(
    broker: AmqpBroker, messages: AsyncGenerator[AckableMessage, None]
) -> None:
    sent = message(parameters={"message": "hello"})

    await broker.publish([sent])
    taken = await take(messages)
    await taken.ack()  # type: ignore[misc]  # taskiq allows a plain function too

    assert taken.data == sent.to_json()
    await messages.aclose()
    await ready(broker, 0)


async def test_it_knows_whether_this_rabbitmq_heeds_how_long_its_consumers_take(
    broker: AmqpBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp_patience, "HEEDS_CONSUMERS", (999,))
    too_old = broker.redelivers_after
    monkeypatch.setattr(amqp_patience, "HEEDS_CONSUMERS", (1,))

    assert (too_old, broker.redelivers_after) == (amqp_patience.OWN_SECONDS, None)


async def test_a_batch_arrives_whole(broker: AmqpBroker, rabbitmq: RabbitMQ, keys: Keys) -> None:
    sent = [message() for _ in range(1050)]

    await broker.publish(sent)

    async with started(AmqpBroker(rabbitmq.url, keys, concurrency=2000)) as worker, aclosing(worker.listen()) as taken:
        assert [id_of(await take(taken)) for _ in sent] == [str(each.execution_id) for each in sent]


async def test_a_message_larger_than_a_frame_arrives_whole(
    broker: AmqpBroker, messages: AsyncGenerator[AckableMessage, None]
) -> None:
    sent = message(parameters={"message": "x" * 500_000})

    await broker.publish([sent])

    assert (await take(messages)).data == sent.to_json()


async def test_what_taskiqs_kicker_sends_is_delivered(
    broker: AmqpBroker, messages: AsyncGenerator[AckableMessage, None]
) -> None:
    task = broker.register_task(lambda: None, task_name="kicked")

    kicked = await task.kicker().with_labels(priority=3).kiq()

    assert id_of(await take(messages)) == kicked.task_id


async def test_a_message_for_an_unseen_queue_waits_in_it_for_a_worker(
    broker: AmqpBroker, rabbitmq: RabbitMQ, keys: Keys
) -> None:
    sent = message("reports")

    await broker.publish([sent])

    async with started(AmqpBroker(rabbitmq.url, keys, queues=["reports"])) as worker:
        assert await worker.depths() == {"reports": 1}
        async with aclosing(worker.listen()) as messages:
            assert id_of(await take(messages)) == str(sent.execution_id)


async def test_a_worker_reads_all_its_queues(rabbitmq: RabbitMQ, keys: Keys) -> None:
    sent = [message("a"), message("b")]
    async with started(AmqpBroker(rabbitmq.url, keys, queues=["a", "b"])) as broker:
        await broker.publish(sent)

        async with aclosing(broker.listen()) as messages:
            taken = {id_of(await take(messages)) for _ in sent}

    assert taken == {str(each.execution_id) for each in sent}


async def test_higher_priorities_are_delivered_first(broker: AmqpBroker, rabbitmq: RabbitMQ, keys: Keys) -> None:
    sent = [message(priority=priority) for priority in (0, 9, 4, 5)]
    await broker.publish(sent)

    async with started(AmqpBroker(rabbitmq.url, keys)) as worker, aclosing(worker.listen()) as messages:
        taken = [id_of(await take(messages)) for _ in sent]

    assert taken == [str(sent[place].execution_id) for place in (1, 3, 2, 0)]


async def test_a_worker_is_sent_no_more_than_it_runs_at_once(rabbitmq: RabbitMQ, keys: Keys) -> None:
    async with started(AmqpBroker(rabbitmq.url, keys, concurrency=2)) as worker:
        await worker.publish([message() for _ in range(5)])

        async with aclosing(worker.listen()) as messages:
            await take(messages)
            await ready(worker, 3)


async def test_a_sender_does_not_consume(broker: AmqpBroker, rabbitmq: RabbitMQ) -> None:
    await broker.publish([message()])

    assert broker._topology.queue("default") not in await rabbitmq.ctl("list_consumers", "queue_name")
    assert await broker.depths() == {"default": 1}


async def test_an_unreadable_message_ends_in_the_dead_letter_queue(
    broker: AmqpBroker, messages: AsyncGenerator[AckableMessage, None], keys: Keys
) -> None:
    await broker.kick(BrokerMessage(task_id="poison", task_name="echo", message=b"{not json", labels={}))
    await broker.publish([message()])
    await take(messages)  # what came behind it is delivered

    assert await dead_letter(broker, keys.prefix.removesuffix(":") + ".dead") == b"{not json"


async def dead_letter(broker: AmqpBroker, queue: str) -> bytes:
    connection = await connect(broker.url)
    async with connection, connection.channel() as channel:
        found = await (await channel.get_queue(queue)).get(timeout=WAIT_SECONDS)
        assert found is not None
        await found.ack()
        assert found.headers["x-first-death-reason"] == "rejected"
        return found.body


async def test_a_full_queue_refuses_a_batch(rabbitmq: RabbitMQ, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(amqp_topology, "QUEUE_LIMIT", 1)
    async with started(AmqpBroker(rabbitmq.url, keys)) as broker:
        with pytest.raises(Unavailable):
            await broker.publish([message() for _ in range(100)])


# What the publisher asks


async def test_nothing_counts_as_lost_while_something_waits(broker: AmqpBroker) -> None:
    await broker.publish([message()])

    assert await broker.lost_after("default") is None


@pytest.mark.parametrize("queue", ["default", "never-seen"])
async def test_what_is_older_than_ten_seconds_counts_as_lost_once_nothing_waits(broker: AmqpBroker, queue: str) -> None:
    assert await broker.lost_after(queue) == timedelta(seconds=10)


@pytest.mark.parametrize("scheme", ["amqp", "amqps"])
def test_amqp_urls_choose_this_broker(scheme: str, keys: Keys) -> None:
    assert isinstance(make_broker(f"{scheme}://h/", keys, queues=["default"], consumer="w", concurrency=5), AmqpBroker)


def test_redis_urls_choose_the_stream_broker(keys: Keys) -> None:
    assert isinstance(make_broker("redis://h/", keys, queues=["default"], consumer="w"), StreamBroker)


def test_other_urls_are_refused(keys: Keys) -> None:
    with pytest.raises(ConfigurationError, match="kafka:// is not supported"):
        make_broker("kafka://h/", keys, queues=["default"], consumer="w")


# Faults


async def test_a_message_whose_worker_was_killed_is_delivered_again(
    broker: AmqpBroker, rabbitmq: RabbitMQ, keys: Keys
) -> None:
    sent = message()
    await broker.publish([sent])
    command = [sys.executable, amqp_consumer.__file__, rabbitmq.url, keys.prefix]
    async with await anyio.open_process(command, stderr=None) as worker:
        assert worker.stdout is not None
        assert await worker.stdout.receive() == b"taken\n"
        assert await broker.depths() == {"default": 0}

        worker.kill()

    async with aclosing(broker.listen()) as messages:
        assert id_of(await take(messages)) == str(sent.execution_id)


async def test_a_worker_that_is_started_again_gets_what_it_had_not_acknowledged(rabbitmq: RabbitMQ, keys: Keys) -> None:
    async with started(AmqpBroker(rabbitmq.url, keys)) as worker:
        await worker.publish([message()])
        async with aclosing(worker.listen()) as messages:
            first = await take(messages)

        await worker.startup()

        async with aclosing(worker.listen()) as messages:
            assert id_of(await take(messages)) == id_of(first)


async def test_a_released_message_is_delivered_again(
    broker: AmqpBroker, messages: AsyncGenerator[AckableMessage, None]
) -> None:
    await broker.publish([message()])
    first = await take(messages)

    await first.release()

    assert id_of(await take(messages)) == id_of(first)


async def test_what_a_stopping_worker_has_not_begun_goes_to_another(
    broker: AmqpBroker, rabbitmq: RabbitMQ, keys: Keys
) -> None:
    await broker.publish([message(), message(), message()])
    async with started(AmqpBroker(rabbitmq.url, keys)) as stopping:
        async with aclosing(stopping.listen()) as messages:
            begun = await take(messages)

        await ready(broker, 2)
        await begun.ack()  # type: ignore[misc]  # taskiq allows a plain function too


async def test_all_connections_closed_heals_and_a_late_acknowledgement_is_harmless(
    broker: AmqpBroker, messages: AsyncGenerator[AckableMessage, None], rabbitmq: RabbitMQ
) -> None:
    async def are_two() -> bool:
        return len((await rabbitmq.ctl("list_connections", "--no-table-headers", "name")).splitlines()) == 2

    await broker.publish([message()])
    before = await take(messages)
    await eventually(are_two)  # those of the test before are gone; these are about to be cut off

    await rabbitmq.ctl("close_all_connections", "test")
    await before.ack()  # type: ignore[misc]  # taskiq allows a plain function too
    again = await take(messages)
    await again.ack()  # type: ignore[misc]  # taskiq allows a plain function too
    after = message()
    await eventually(lambda: sends(broker, after))

    assert id_of(again) == id_of(before)
    assert id_of(await take(messages)) == str(after.execution_id)


async def test_a_deleted_queue_heals_for_sender_and_worker(
    broker: AmqpBroker, messages: AsyncGenerator[AckableMessage, None], rabbitmq: RabbitMQ
) -> None:
    await broker.publish([message()])
    await take(messages)

    await rabbitmq.ctl("delete_queue", broker._topology.queue("default"))
    after = message()
    await eventually(lambda: sends(broker, after))

    assert id_of(await take(messages)) == str(after.execution_id)


async def test_a_memory_alarm_fails_a_publish_within_its_deadline(broker: AmqpBroker, rabbitmq: RabbitMQ) -> None:
    """Two batches: the first finds the alarm out, the second knows of it."""
    await rabbitmq.ctl("set_vm_memory_high_watermark", "absolute", "1024")
    try:
        began = time.monotonic()
        with pytest.raises(Unavailable):
            await broker.publish([message() for _ in range(500)])
        with pytest.raises(Unavailable):
            await broker.publish([message("unseen")])
        assert time.monotonic() - began < 4 * PUBLISH_SECONDS
    finally:
        await rabbitmq.ctl("set_vm_memory_high_watermark", "0.4")

    await eventually(lambda: sends(broker, message("unseen")))


async def test_a_stopped_rabbitmq_fails_a_publish_and_heals_when_it_is_back(
    broker: AmqpBroker, messages: AsyncGenerator[AckableMessage, None], rabbitmq: RabbitMQ
) -> None:
    kept, after = message(), message()
    await broker.publish([kept])
    await take(messages)

    await rabbitmq.ctl("stop_app")
    try:
        with pytest.raises(Unavailable):
            await broker.publish([message()])
        with pytest.raises(Unavailable):
            await broker.depths()
    finally:
        await rabbitmq.ctl("start_app")
    await eventually(lambda: sends(broker, after))

    assert {id_of(await take(messages)) for _ in range(2)} == {str(each.execution_id) for each in (kept, after)}


async def test_a_broker_that_is_away_cannot_be_started(keys: Keys) -> None:
    [port] = free_ports(1)
    broker = AmqpBroker(f"amqp://guest:guest@127.0.0.1:{port}/", keys)

    with pytest.raises(Unavailable):
        await broker.startup()


async def test_a_wrong_password_is_no_way_in(rabbitmq: RabbitMQ, keys: Keys) -> None:
    broker = AmqpBroker(rabbitmq.url.replace("guest:guest", "guest:wrong"), keys)

    with pytest.raises(Unavailable):
        await broker.startup()
