"""Quorum queues (`HORARIUM_AMQP_QUEUES=quorum`): what they do as classic ones do, and what they do of their own."""

from __future__ import annotations

import uuid
from contextlib import aclosing
from typing import TYPE_CHECKING

import pytest

from horarium.errors import Unavailable
from horarium.keyspace.keys import Keys
from horarium.tasks import amqp_broker, amqp_topology
from horarium.tasks.amqp_broker import AmqpBroker
from horarium.tasks.broker import make_broker
from horarium.tasks.delivery import Delivery
from tests.support.amqp import acknowledge, eventually_sent, id_of, message, started, take
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.rabbitmq import RabbitMQ

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def keys() -> Keys:
    return Keys(f"test-{uuid.uuid4().hex[:12]}:")


@pytest.fixture
async def broker(rabbitmq: RabbitMQ, keys: Keys) -> AsyncIterator[AmqpBroker]:
    made = make_broker(rabbitmq.url, keys, queues=["default"], consumer="w", amqp_queues="quorum")
    assert isinstance(made, AmqpBroker)
    async with started(made):
        yield made


async def test_a_queue_is_one_that_outlives_a_node(broker: AmqpBroker, rabbitmq: RabbitMQ) -> None:
    queues = await rabbitmq.ctl("list_queues", "--no-table-headers", "name", "type")

    kinds = dict(line.split("\t") for line in queues.splitlines())
    assert (kinds[broker._topology.queue("default")], kinds[broker._topology.dead]) == ("quorum", "quorum")


async def test_messages_arrive_in_their_order_and_are_gone_once_acknowledged(broker: AmqpBroker) -> None:
    sent = [message(priority=n) for n in range(3)]
    await broker.publish(sent)

    async with aclosing(broker.listen()) as messages:
        arrived = [await take(messages) for _ in sent]
        for each in arrived:
            await acknowledge(each)

    assert {id_of(each) for each in arrived} == {str(each.execution_id) for each in sent}
    assert await broker.depths() == {"default": 0}


async def test_both_kinds_are_beside_each_other(broker: AmqpBroker, rabbitmq: RabbitMQ, keys: Keys) -> None:
    """A house that changes its mind finds no queue in its way, and nothing of the one in the other."""
    await broker.publish([message()])

    async with started(AmqpBroker(rabbitmq.url, keys)) as classic:
        assert await classic.depths() == {"default": 0}
    assert await broker.depths() == {"default": 1}


async def test_what_is_given_back_again_and_again_ends_in_the_dead_letter_queue(
    rabbitmq: RabbitMQ, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(amqp_topology, "DELIVERY_LIMIT", 2)
    monkeypatch.setattr(amqp_broker, "RELEASE_SECONDS", 0.0)
    async with started(AmqpBroker(rabbitmq.url, keys, queues=["poison"], queue_type="quorum")) as worker:
        await worker.publish([message("poison")])
        async with aclosing(worker.listen()) as messages:
            for _ in range(3):
                taken = await take(messages)
                assert isinstance(taken, Delivery)
                await taken.release()

        async def is_dead() -> bool:
            return await worker._count([worker._topology.dead]) == [1]

        await eventually(is_dead)
        assert await worker.depths() == {"poison": 0}


async def test_an_unreadable_message_is_dead_at_once(broker: AmqpBroker) -> None:
    await broker._send([amqp_broker.Letter("default", "poison", b"{not json", 0)])

    async def is_dead() -> bool:
        return await broker._count([broker._topology.dead]) == [1]

    async with aclosing(broker.listen()) as messages:
        await broker.publish([message()])
        await take(messages)
        await eventually(is_dead)


async def test_a_full_queue_refuses(rabbitmq: RabbitMQ, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limit is soft: what has arrived before it is noticed is kept."""
    monkeypatch.setattr(amqp_topology, "QUEUE_LIMIT", 1)
    async with started(AmqpBroker(rabbitmq.url, keys, queue_type="quorum")) as broker:
        await broker.publish([message() for _ in range(3)])

        async def refuses() -> bool:
            try:
                await broker.publish([message()])
            except Unavailable:
                return True
            return False

        await eventually(refuses)


async def test_a_deleted_queue_heals_for_sender_and_worker(broker: AmqpBroker, rabbitmq: RabbitMQ) -> None:
    async with aclosing(broker.listen()) as messages:
        await broker.publish([message()])
        await take(messages)

        await rabbitmq.ctl("delete_queue", broker._topology.queue("default"))
        after = message()
        await eventually_sent(lambda: broker.publish([after]))

        assert id_of(await take(messages)) == str(after.execution_id)


async def test_a_worker_is_sent_no_more_than_it_runs_at_once(rabbitmq: RabbitMQ, keys: Keys) -> None:
    async with started(AmqpBroker(rabbitmq.url, keys, concurrency=2, queue_type="quorum")) as worker:
        await worker.publish([message() for _ in range(5)])
        async with aclosing(worker.listen()) as messages:
            await take(messages)

            async def the_rest_waits() -> bool:
                return await worker.depths() == {"default": 3}

            await eventually(the_rest_waits)
