"""Which broker carries the messages, by URL, and what the rest of Horarium asks of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from horarium.errors import ConfigurationError
from horarium.tasks.stream_broker import StreamBroker

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from horarium.keyspace.keys import Keys
    from horarium.tasks.message import TaskMessage

__all__ = ["Publisher", "make_broker"]


class Publisher(Protocol):
    """The sending side, as the dispatcher and the publisher need it; calls raise Unavailable past their deadline."""

    async def publish(self, messages: Sequence[TaskMessage]) -> None:
        """Send messages; return when the broker holds them all."""

    async def depths(self) -> dict[str, int]:
        """How many messages wait or run, by queue."""

    async def lost_before(self, queue: str) -> datetime:
        """The instant before which no unacknowledged message of the queue is left."""


def make_broker(url: str, keys: Keys, *, queues: Sequence[str], consumer: str) -> StreamBroker:
    """The broker for `url`; raises ConfigurationError for a scheme that nothing here speaks."""
    scheme = url.partition(":")[0]
    if scheme in ("redis", "rediss", "unix"):
        return StreamBroker(url, keys, queues=queues, consumer=consumer)
    raise ConfigurationError(f"HORARIUM_BROKER_URL: {scheme}:// is not supported; use redis://, rediss:// or unix://")
