"""RabbitMQ that fails under load: the tasks' own journal finds nothing lost, doubled or stuck.

`make chaos`, with `-s` or `-rP` for the figures. Each house has a RabbitMQ of its own. Two dozen executions and more
begin every second, and some are in flight when the fault strikes; ten seconds after it is over everything fires again.
Two of five workers are killed in turn over Redis streams too: that is in test_faults_under_load.py.
"""

from __future__ import annotations

from contextlib import aclosing
from typing import TYPE_CHECKING

import anyio
import pytest

from horarium.keyspace.keys import Keys
from horarium.tasks.amqp_broker import AmqpBroker
from horarium.tasks.amqp_topology import UNIT_SECONDS
from tests.support.amqp import acknowledge, id_of, kick, started, take
from tests.support.fault_outcomes import Outcomes, outcomes
from tests.support.rabbitmq import a_rabbitmq
from tests.support.rabbitmq_faults import RABBITMQ_FAULTS
from tests.support.waiting import report

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from taskiq import AckableMessage

    from horarium.tasks.amqp_topology import QueueType

__all__ = ["outcomes"]

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("fault", RABBITMQ_FAULTS)
def test_struck_under_load_nothing_is_lost_twice_or_stuck_and_all_fires_again(fault: str, outcomes: Outcomes) -> None:
    outcome = outcomes[fault].result()
    report(str(outcome))
    assert outcome.broken == []


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def taken(messages: AsyncGenerator[AckableMessage, None]) -> str:
    arrived = await take(messages, 30)
    await acknowledge(arrived)
    return id_of(arrived)


@pytest.mark.anyio
@pytest.mark.parametrize("kind", ["classic", "quorum"])
async def test_killed_while_delayed_messages_are_on_their_way_it_loses_none_of_them(kind: QueueType) -> None:
    """They are in the middle of several levels; levels of classic queues lose nearly all of them."""
    with a_rabbitmq() as node:
        async with started(AmqpBroker(node.url, Keys(), concurrency=1000, queue_type=kind)) as broker:
            sent = {await kick(broker, delay=2 + UNIT_SECONDS * (n % 24)) for n in range(300)}
            await anyio.sleep(1.5)  # some have passed a level, some none, and some all of them

            await anyio.to_thread.run_sync(node.kill)
            await anyio.to_thread.run_sync(node.start)

            async with aclosing(broker.listen()) as messages:
                found = [await taken(messages) for _ in sent]
                while set(found) != sent:
                    found.append(await taken(messages))
    report(f"{kind}: killed once, {len(sent)} on their way: 0 lost, {len(found) - len(sent)} delivered twice")
