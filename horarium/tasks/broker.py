"""Which broker carries the messages, by URL, and what the rest of Horarium asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from horarium.errors import ConfigurationError
from horarium.tasks.amqp_broker import AmqpBroker
from horarium.tasks.stream_broker import StreamBroker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from horarium.keyspace.keys import Keys
    from horarium.tasks.amqp_topology import QueueType
    from horarium.tasks.message import TaskMessage

__all__ = ["Broker", "Publisher", "make_broker"]

Broker = StreamBroker | AmqpBroker
"""A taskiq broker that is also a `Publisher`."""


class Publisher(Protocol):
    """The sending side, as the dispatcher and the publisher need it; calls raise Unavailable past their deadline."""

    async def publish(self, messages: Sequence[TaskMessage]) -> None:
        """Send messages; return when the broker holds them all."""

    async def depths(self) -> dict[str, int]:
        """How many messages wait or run, by queue."""

    async def lost_before(self, queue: str) -> datetime:
        """The instant before which no unacknowledged message of the queue is left."""


def make_broker(
    url: str,
    keys: Keys,
    *,
    queues: Sequence[str],
    consumer: str,
    concurrency: int = 100,
    amqp_queues: QueueType = "classic",
) -> Broker:
    """The broker for `url`, not started; raises ConfigurationError for a scheme that nothing here speaks.

    `concurrency` is how many messages a worker works on at once: it is sent no more. `amqp_queues` is for RabbitMQ.
    """
    scheme = url.partition(":")[0]
    if scheme in ("redis", "rediss", "unix"):
        return StreamBroker(url, keys, queues=queues, consumer=consumer, concurrency=concurrency)
    if scheme in ("amqp", "amqps"):
        return AmqpBroker(url, keys, queues=queues, consumer=consumer, concurrency=concurrency, queue_type=amqp_queues)
    raise ConfigurationError(
        f"HORARIUM_BROKER_URL: {scheme}:// is not supported; use redis://, rediss://, unix://, amqp:// or amqps://"
    )
