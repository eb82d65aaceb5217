"""What Horarium has in RabbitMQ: a queue for each queue, one for the dead, and where messages wait that are delayed.

Declaring what is there changes nothing, and RabbitMQ refuses a declaration that differs; so each kind of queue has its
own names, and a change of arguments needs new ones.

*Delay*, without a plugin. A message leaves a queue by its time to live at the queue's head alone, so messages of
different delays must not share one: a minute in front would hold up the second behind it. One queue for each delay
would do, but there is no end to those, and a queue that expires takes along what was put into it a moment before.
So the delay is written in binary, as NServiceBus and Celery do: level n keeps every message for 2^n units, and a
message passes through the levels whose bits are set, the longest first. That is 25 queues for each queue, whatever the
delays, made when one is first asked for.

Each level has a topic exchange that looks at one bit of the routing key: into the level's queue, or on to the next
exchange below. A queue's dead letters go to the exchange below, and those of the last one to the task queue. Levels are
quorum queues in any case: a classic queue forgets a dead letter before the next has it on its disk, and of a thousand
messages on their way a kill -9 of RabbitMQ lost nearly all. A quorum queue waits for the next one's confirm.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from aio_pika import ExchangeType

if TYPE_CHECKING:
    from aio_pika.abc import AbstractRobustChannel, AbstractRobustExchange, AbstractRobustQueue

__all__ = ["QueueType", "Topology"]

QueueType = Literal["classic", "quorum"]

HIGHEST_PRIORITY = 9

QUEUE_LIMIT = 1_000_000
"""Messages that may wait in a queue; more are refused, and their rows stay pending until there is room."""

DEAD_LETTER_LIMIT = 10_000
"""Unreadable messages that are kept; the oldest go first."""

DELIVERY_LIMIT = 20
"""How often a quorum queue delivers a message again before it is poison: what RabbitMQ 4 does if not told."""

AT_LEAST_ONCE = {"x-dead-letter-strategy": "at-least-once"}
"""Of quorum queues that refuse when they are full: a dead letter is kept until it is confirmed to be elsewhere."""

LEVELS = 25
UNIT_SECONDS = 0.125
"""What the lowest level keeps a message for, and so how late one may be; the levels together, for 48 days."""


@dataclass(frozen=True, slots=True)
class Topology:
    """The names under `prefix`, and how each is declared."""

    prefix: str
    queue_type: QueueType = "classic"

    @property
    def _base(self) -> str:
        return self.prefix if self.queue_type == "classic" else f"{self.prefix}.quorum"

    @property
    def exchange(self) -> str:
        """Takes every message that is due, with the name of its queue as the routing key."""
        return f"{self._base}.tasks"

    @property
    def dead(self) -> str:
        """The queue of what no worker can take."""
        return f"{self._base}.dead"

    def queue(self, name: str) -> str:
        """The queue of a queue."""
        return f"{self._base}.queue.{name}"

    def levels(self, name: str) -> list[str]:
        """Where messages of a queue wait, the shortest first: names of queues, and of exchanges too."""
        return [f"{self._base}.delay.{level}.{name}" for level in range(LEVELS)]

    def way_of(self, name: str, seconds: float) -> tuple[str, str]:
        """The exchange and the routing key of a message that is not to be delivered before so many seconds (over 0)."""
        units = math.ceil(seconds / UNIT_SECONDS)
        return self.levels(name)[units.bit_length() - 1], ".".join(f"{units:0{LEVELS}b}")

    async def declare(self, channel: AbstractRobustChannel, name: str, *, robust: bool) -> AbstractRobustQueue:
        """Make a queue and what it needs; `robust`: and again after each reconnect."""
        arguments = self._tasks()
        await channel.declare_exchange(self.exchange, ExchangeType.DIRECT, durable=True, robust=robust)
        await channel.declare_queue(self.dead, durable=True, arguments=self._dead_letters(), robust=robust)
        declared = await channel.declare_queue(self.queue(name), durable=True, arguments=arguments, robust=robust)
        await declared.bind(self.exchange, self.queue(name), robust=robust)
        return declared

    async def declare_delay(self, channel: AbstractRobustChannel, name: str) -> None:
        """Make the levels of a queue that is there, from the lowest up: each is bound to what is below it."""
        queue = await self.declare(channel, name, robust=False)
        below: AbstractRobustExchange | None = None
        for level, waiting in enumerate(self.levels(name)):
            exchange = await channel.declare_exchange(waiting, ExchangeType.TOPIC, durable=True, robust=False)
            arguments = _level(level, *((below.name, None) if below else (self.exchange, queue.name)))
            kept = await channel.declare_queue(waiting, durable=True, arguments=arguments, robust=False)
            await kept.bind(exchange, _bit(level, 1), robust=False)
            await (below or queue).bind(exchange, _bit(level, 0), robust=False)
            below = exchange

    def _tasks(self) -> dict[str, Any]:
        """A quorum queue refuses `x-max-priority`: what a message says of its own is two levels from RabbitMQ 4 on."""
        limits = _limits("x-max-priority", HIGHEST_PRIORITY)
        if self.queue_type == "quorum":
            limits = AT_LEAST_ONCE | _limits("x-delivery-limit", DELIVERY_LIMIT)
        to_dead = {"x-dead-letter-exchange": "", "x-dead-letter-routing-key": self.dead}
        return {"x-queue-type": self.queue_type} | limits | to_dead

    def _dead_letters(self) -> dict[str, Any]:
        return {"x-queue-type": self.queue_type, "x-max-length": DEAD_LETTER_LIMIT, "x-overflow": "drop-head"}


def _level(level: int, exchange: str, routing_key: str | None) -> dict[str, Any]:
    to = {"x-dead-letter-exchange": exchange}
    to |= {} if routing_key is None else {"x-dead-letter-routing-key": routing_key}
    return {"x-queue-type": "quorum"} | AT_LEAST_ONCE | _limits("x-message-ttl", int(UNIT_SECONDS * 1000) << level) | to


def _limits(own: str, value: int) -> dict[str, Any]:
    """What every queue refuses, and one limit of its own."""
    return {"x-max-length": QUEUE_LIMIT, "x-overflow": "reject-publish", own: value}


def _bit(level: int, value: int) -> str:
    """The pattern of routing keys with this bit."""
    return ".".join([*"*" * (LEVELS - 1 - level), str(value), *(["#"] if level else [])])
