"""taskiq's label `delay` over RabbitMQ: nothing early, nothing much late.

That a kill of RabbitMQ loses none on their way is shown in tests/chaos/test_rabbitmq_under_load.py.
"""

from __future__ import annotations

import time
import uuid
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest
from taskiq.exceptions import SendTaskError

from horarium.keyspace.keys import Keys
from horarium.tasks.amqp_broker import AmqpBroker
from horarium.tasks.amqp_topology import UNIT_SECONDS
from tests.support.amqp import acknowledge, id_of, kick, started, take
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from taskiq import AckableMessage

    from tests.support.rabbitmq import RabbitMQ

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(300)]

LATE_SECONDS = UNIT_SECONDS + 5.0
"""What a busy machine may add included."""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def keys() -> Keys:
    return Keys(f"test-{uuid.uuid4().hex[:12]}:")


@pytest.fixture(params=["classic", "quorum"])
async def broker(request: pytest.FixtureRequest, rabbitmq: RabbitMQ, keys: Keys) -> AsyncIterator[AmqpBroker]:
    async with started(AmqpBroker(rabbitmq.url, keys, queue_type=request.param)) as broker:
        yield broker


@pytest.fixture
async def messages(broker: AmqpBroker) -> AsyncIterator[AsyncGenerator[AckableMessage, None]]:
    async with aclosing(broker.listen()) as messages:
        yield messages


async def taken(messages: AsyncGenerator[AckableMessage, None]) -> str:
    arrived = await take(messages)
    await acknowledge(arrived)
    return id_of(arrived)


async def test_a_delayed_message_arrives_when_it_is_due_and_not_before(
    broker: AmqpBroker, messages: AsyncGenerator[AckableMessage, None]
) -> None:
    delays = [0.1, 0.4, 0.7, 1.2, 1.9]
    await kick(broker, delay=0.1)
    assert await taken(messages)  # the levels are made
    began = time.monotonic()
    sent = [await kick(broker, delay=delay) for delay in delays]
    arrived = [(await taken(messages), time.monotonic() - began) for _ in sent]

    late = [seconds - delay for (_, seconds), delay in zip(arrived, delays, strict=True)]
    assert [task_id for task_id, _ in arrived] == sent
    assert min(late) >= 0
    assert max(late) < LATE_SECONDS


async def test_each_queue_has_its_own_and_its_depth_counts_them(rabbitmq: RabbitMQ, keys: Keys) -> None:
    async with started(AmqpBroker(rabbitmq.url, keys, queues=["default", "reports"])) as broker:
        await kick(broker, queue="default")
        soon = await kick(broker, delay=1, queue="reports")
        await kick(broker, delay=3600, queue="reports")
        assert await broker.depths() == {"default": 1, "reports": 2}

    async with started(AmqpBroker(rabbitmq.url, keys, queues=["reports"])) as worker:
        async with aclosing(worker.listen()) as messages:
            assert await taken(messages) == soon
        assert await worker.depths() == {"reports": 1}


async def test_a_process_that_has_found_no_delayed_messages_does_not_ask_again_and_again(
    rabbitmq: RabbitMQ, keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each time would be an error in RabbitMQ's log."""
    async with started(AmqpBroker(rabbitmq.url, keys)) as asking, started(AmqpBroker(rabbitmq.url, keys)) as sender:
        assert await asking.depths() == {"default": 0}
        await kick(sender, delay=60)

        assert await asking.depths() == {"default": 0}
        monkeypatch.setattr(asking, "_undelayed_until", {})
        assert await asking.depths() == {"default": 1}


async def test_they_neither_hide_nor_make_lost_messages(broker: AmqpBroker) -> None:
    await kick(broker, delay=3600)

    assert await broker.lost_after("default") == timedelta(seconds=10)


async def test_a_delayed_message_keeps_its_priority(rabbitmq: RabbitMQ, keys: Keys) -> None:
    async with started(AmqpBroker(rabbitmq.url, keys)) as broker:
        low, high = await kick(broker, delay=0.3, priority=1), await kick(broker, delay=0.4, priority=9)

        async def both_are_due() -> bool:
            return await broker._waiting("default") == 2

        await eventually(both_are_due)
        async with aclosing(broker.listen()) as messages:
            assert [await taken(messages), await taken(messages)] == [high, low]


async def test_a_delay_that_is_too_long_is_refused_and_nothing_sent(broker: AmqpBroker) -> None:
    with pytest.raises(SendTaskError) as refused:
        await kick(broker, delay=31 * 86_400)

    assert str(refused.value.__cause__) == "label delay: must be a number of seconds from 0 to 2592000"
    assert await broker.depths() == {"default": 0}


async def test_levels_that_were_deleted_are_made_anew(rabbitmq: RabbitMQ, keys: Keys) -> None:
    async with started(AmqpBroker(rabbitmq.url, keys)) as broker:
        await kick(broker, delay=60)
        await rabbitmq.ctl("delete_queue", broker._topology.levels("default")[8])

        with pytest.raises(SendTaskError):
            await kick(broker, delay=60)
        await kick(broker, delay=60)

        assert await broker.depths() == {"default": 1}
