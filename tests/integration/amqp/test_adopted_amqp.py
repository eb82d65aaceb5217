"""An app's own RabbitMQ broker as Horarium sends through it: where messages go, how many wait, which must be lost."""

from __future__ import annotations

import json
import uuid
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID, uuid4

import anyio
import pytest
from aio_pika import ExchangeType
from taskiq_aio_pika import AioPikaBroker, Exchange, Queue, QueueType

from horarium.adopting.broker import AdoptedBroker
from horarium.tasks import amqp_broker
from horarium.tasks.giving_back import give_back
from horarium.tasks.message import TaskMessage
from horarium.tasks.unsent import Unsent
from tests.support.adopted_app import app_over
from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from taskiq import AckableMessage

    from tests.support.rabbitmq import RabbitMQ

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def message(queue: str = "default", *, priority: int = 5) -> TaskMessage:
    return TaskMessage(uuid4(), 1, None, "app.greet", "manual", None, {"message": "hello"}, queue, priority)


@pytest.fixture
async def broker(rabbitmq: RabbitMQ) -> AsyncIterator[AdoptedBroker]:
    """An app with two queues, of its own names, in a process that both sends and works."""
    name = uuid.uuid4().hex
    queues = [
        Queue(name=f"{name}.main", max_priority=9, type=QueueType.CLASSIC),
        Queue(name=f"{name}.slow", routing_key="slow"),
    ]
    exchange = Exchange(name=name, type=ExchangeType.DIRECT)
    dead = Queue(name=f"{name}.dead")
    app = AioPikaBroker(rabbitmq.url, exchange=exchange, task_queues=queues, dead_letter_queue=dead)
    made = AdoptedBroker(app_over(app).broker, works=True, sends=True)
    await made.startup()
    yield made
    await made.close()


async def received(broker: AdoptedBroker) -> dict[str, Any]:
    """The next message that a worker gets, acknowledged."""
    with anyio.fail_after(WAIT_SECONDS):
        async for delivery in broker.app.listen():
            await delivery.ack()  # type: ignore[union-attr]  # this broker's always can be
            return dict(json.loads(delivery.data))  # type: ignore[union-attr]  # as above
    raise AssertionError("the broker has stopped listening")


async def test_a_worker_of_the_app_gets_what_was_sent_to_the_main_queue(broker: AdoptedBroker) -> None:
    sent = message(priority=9)

    await broker.publish([sent])
    held = await received(broker)

    assert (UUID(held["task_id"]), held["kwargs"]) == (sent.execution_id, {"message": "hello"})
    labels = held["labels"]
    assert (labels["team"], labels["seen_by"], labels["attempt"], labels["priority"]) == ("growth", "witness", 1, "9")


async def test_a_queue_has_the_name_that_the_app_routes_by(broker: AdoptedBroker) -> None:
    await broker.publish([message("slow"), message("slow"), message()])

    assert broker.queues == ("default", "slow")
    assert await broker.depths() == {"default": 1, "slow": 2}


async def test_a_queue_that_the_app_does_not_have_is_refused_by_name(broker: AdoptedBroker) -> None:
    lost, good = message("nowhere"), message()

    with pytest.raises(Unsent) as unsent:
        await broker.publish([lost, good])

    assert "has no queue 'nowhere'; it has default, slow" in unsent.value.refused[lost.execution_id]
    assert (unsent.value.sent, unsent.value.away) == ({good.execution_id}, False)


async def test_nothing_is_lost_while_something_waits_and_else_what_is_minutes_old(broker: AdoptedBroker) -> None:
    await broker.publish([message("slow")])

    assert await broker.lost_after("slow") is None
    for queue in ("default", "nowhere"):
        assert await broker.lost_after(queue) == timedelta(minutes=5)


async def test_what_a_worker_has_taken_and_gives_back_is_delivered_again(
    broker: AdoptedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RabbitMQ would leave it to that worker, which has forgotten it, for as long as its channel is open."""
    monkeypatch.setattr(amqp_broker, "RELEASE_SECONDS", 0.0)
    sent = message()
    await broker.publish([sent])
    async with aclosing(cast("AsyncGenerator[AckableMessage, None]", broker.app.listen())) as deliveries:
        with anyio.fail_after(WAIT_SECONDS):
            await give_back(await anext(deliveries))
            again = await anext(deliveries)

    assert UUID(json.loads(again.data)["task_id"]) == sent.execution_id


async def test_a_consumer_that_asks_for_no_more_patience_gets_rabbitmqs_own(broker: AdoptedBroker) -> None:
    assert broker.redelivers_after == 1800


async def test_an_app_of_one_queue_sends_everything_there_and_nothing_anywhere_else() -> None:
    broker = AdoptedBroker(AioPikaBroker(), works=False, sends=True)

    assert broker.queues == ("default",)
    assert broker.queue_of({"queue_name": "anything"}) == "default"
