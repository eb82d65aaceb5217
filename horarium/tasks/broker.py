"""Which broker carries the messages, by URL, and what the rest of Horarium asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from horarium.adopting.broker import AdoptedBroker
from horarium.errors import ConfigurationError
from horarium.tasks.amqp_broker import AmqpBroker
from horarium.tasks.stream_broker import StreamBroker

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import timedelta

    from taskiq import AsyncBroker

    from horarium.keyspace.keys import Keys
    from horarium.tasks.amqp_topology import QueueType
    from horarium.tasks.message import TaskMessage

__all__ = ["Broker", "Publisher", "make_broker", "taskiq_broker", "tidy_of"]

Broker = StreamBroker | AmqpBroker | AdoptedBroker
"""A `Publisher` with a taskiq broker: of our own kinds, which are both, or an app's, which is adopted."""


class Publisher(Protocol):
    """The sending side, as the dispatcher and the publisher need it; calls raise Unavailable past their deadline."""

    async def publish(self, messages: Sequence[TaskMessage]) -> None:
        """Send messages; return when the broker holds them all. One that sends singly may raise Unsent."""

    async def depths(self) -> dict[str, int]:
        """How many messages wait or run, by queue."""

    async def lost_after(self, queue: str) -> timedelta | None:
        """How long ago a message of the queue was sent, at least, that is lost unless it was claimed; None: none is.

        No instant: the clock that says when a message was sent, and the one that says when its row was, are two.
        """


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


def taskiq_broker(broker: Broker) -> AsyncBroker:
    """The side that taskiq knows: what tasks are found in, and what a receiver listens to."""
    return broker.app if isinstance(broker, AdoptedBroker) else broker


def tidy_of(broker: Broker) -> Callable[[], Awaitable[int]] | None:
    """What deletes what is left of the broker's past; None where that is not ours to do, or not needed."""
    ours = taskiq_broker(broker)
    return ours.tidy if isinstance(ours, StreamBroker) else None
