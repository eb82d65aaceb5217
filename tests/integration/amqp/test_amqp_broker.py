"""The RabbitMQ broker on a private node, and each fault that it is there to outlive."""

from __future__ import annotations

import sys
import time
import uuid
from contextlib import aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import anyio
import orjson
import pytest
from aio_pika import connect

from horarium.errors import ConfigurationError, Unavailable
from horarium.keyspace.keys import Keys
from horarium.tasks.amqp_broker import PUBLISH_SECONDS, AmqpBroker, Delivery
from horarium.tasks.broker import make_broker
from horarium.tasks.message import TaskMessage
from horarium.tasks.stream_broker import StreamBroker
from tests.support import amqp_consumer
from tests.support.rabbitmq import free_ports

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

    from taskiq import AckableMessage

    from tests.support.rabbitmq import RabbitMQ

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

HEAL_SECONDS = 10.0


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
def keys() -> Keys:
    return Keys(f"test-{uuid.uuid4().hex[:12]}:")


@asynccontextmanager
async def started(broker: AmqpBroker) -> AsyncIterator[AmqpBroker]:
    await broker.startup()
    try:
        yield broker
    finally:
        with anyio.CancelScope(shield=True):
            await broker.shutdown()


@pytest.fixture
async def broker(rabbitmq: RabbitMQ, keys: Keys) -> AsyncIterator[AmqpBroker]:
    async with started(AmqpBroker(rabbitmq.url, keys)) as broker:
        yield broker


@pytest.fixture
async def messages(broker: AmqpBroker) -> AsyncIterator[AsyncGenerator[AckableMessage, None]]:
    async with aclosing(broker.listen()) as messages:
        yield messages


def message(queue: str = "default", *, priority: int = 0, parameters: dict[str, Any] | None = None) -> TaskMessage:
    return TaskMessage(uuid.uuid4(), 1, 7, "echo", "cron", None, parameters or {}, queue, priority)


async def take(messages: AsyncGenerator[AckableMessage, None], seconds: float = HEAL_SECONDS) -> Delivery:
    with anyio.fail_after(seconds):
        taken = await anext(messages)
    assert isinstance(taken, Delivery)
    return taken


def id_of(taken: AckableMessage) -> str:
    return str(orjson.loads(taken.data)["task_id"])


async def eventually(step: Callable[[], Awaitable[bool]], seconds: float = HEAL_SECONDS) -> None:
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

    assert broker._name("default") not in await rabbitmq.ctl("list_consumers", "queue_name")
    assert await broker.depths() == {"default": 1}


async def test_an_unreadable_message_ends_in_the_dead_letter_queue(
    broker: AmqpBroker, messages: AsyncGenerator[AckableMessage, None], keys: Keys
) -> None:
    kicked = broker.formatter.dumps(await_free_message())

    await broker.kick(kicked.model_copy(update={"message": b"{not json"}))
    await broker.publish([message()])
    await take(messages)  # what came behind it is delivered

    dead = keys.prefix.removesuffix(":") + ".dead"
    assert await dead_letter(broker, dead) == b"{not json"


def await_free_message() -> Any:
    from taskiq import TaskiqMessage  # noqa: PLC0415

    return TaskiqMessage(task_id=str(uuid.uuid4()), task_name="echo", labels={}, args=[], kwargs={})


async def dead_letter(broker: AmqpBroker, queue: str) -> bytes:
    connection = await connect(broker.url)
    async with connection, connection.channel() as channel:
        found = await (await channel.get_queue(queue)).get(timeout=HEAL_SECONDS)
        assert found is not None
        await found.ack()
        assert found.headers["x-first-death-reason"] == "rejected"
        return found.body
