"""taskiq-aio-pika's broker, mended, for RabbitMQ 3.10 to 4.

What the stock `AioPikaBroker` (0.6) does, and this one does not:

- It rejects nothing, so its dead-letter queue stays empty. Here what cannot be read is rejected, and arrives there.
- It drops a message for which there is no queue. Here messages are mandatory, and their queue is declared first.
- It waits for ever to publish while RabbitMQ is short of memory. Here a batch has one deadline.
- It raises when a message is acknowledged after a reconnect. Here that is a debug line: the message is delivered
  again, and the claim in Postgres lets one attempt run once.

- It has one queue for all delays, out of which messages come in the order they went in. Here each comes when it is due.

Which queues there are, and of which kind, is in `amqp_topology.py`. A classic queue lives on one node: what a lost node
held is sent again from its rows, which are the truth.

aio-pika connects again by itself. The reading channel's queues and consumers come back with it; the writing channel
keeps nothing, and declares a queue again after whatever failed. Two connections, since RabbitMQ stops reading from one
that publishes while memory is short, and acknowledgements must get through.
"""

from __future__ import annotations

import asyncio
import time
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast
from urllib.parse import parse_qs, urlsplit

import anyio
import structlog
from aio_pika import connect_robust
from aio_pika.abc import AbstractIncomingMessage  # noqa: TC002 - aio-pika inspects the callback it is given
from aio_pika.exceptions import (
    AMQPChannelError,
    AMQPError,
    AuthenticationError,
    ChannelNotFoundEntity,
    ProbableAuthenticationError,
)
from taskiq_aio_pika import AioPikaBroker
from taskiq_aio_pika.exceptions import NoStartupError

from horarium.errors import Unavailable
from horarium.tasks.amqp_acks import acknowledge_all
from horarium.tasks.amqp_patience import redelivers_after
from horarium.tasks.amqp_publish import Letter, publish_all
from horarium.tasks.amqp_topology import QueueType, Topology
from horarium.tasks.batching import Batcher
from horarium.tasks.delay import delay_in
from horarium.tasks.delivery import Delivery
from horarium.tasks.message import Formatter

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence

    from aio_pika.abc import AbstractQueue, AbstractRobustChannel, AbstractRobustConnection
    from aiormq.channel import Channel
    from pamqp.common import FieldTable
    from taskiq import AckableMessage, BrokerMessage

    from horarium.keyspace.keys import Keys
    from horarium.tasks.message import TaskMessage

__all__ = ["AmqpBroker", "release_held"]

log = structlog.get_logger(__name__)

Answer = TypeVar("Answer")

CONNECT_SECONDS = 3.0
RECONNECT_SECONDS = 1.0
HEARTBEAT_SECONDS = 10
PUBLISH_SECONDS = 5.0
ASK_SECONDS = 5.0
SETTLE_SECONDS = 2.0
RELEASE_SECONDS = 1.0
"""How long a released message is held, so that what nobody can handle does not go round without a pause."""

CONSUMER_TIMEOUT_MS = 8 * 86_400_000
"""A message is acknowledged when its task is done: a day beyond the longest timeout a task can have. RabbitMQ before
3.11.15 does not read this and redelivers after its own `consumer_timeout`, 30 min unless set; the claim stands."""

UNDELAYED_SECONDS = 600.0
"""How long a queue is taken to have no delayed messages once it had no place for them: RabbitMQ logs such a question as
an error. Who first sends one from here knows it at once."""

LOST_AFTER = timedelta(seconds=10)
"""How long a message may be in a worker's hands unclaimed before it counts as lost, once nothing waits in its queue.

What waits longer there, for a process of its own, is sent again; who has it in hand already drops the second one."""


class AmqpBroker(AioPikaBroker):
    """A taskiq broker over one RabbitMQ queue for each queue; `concurrency` messages of each are taken at once."""

    write_conn: AbstractRobustConnection | None
    write_channel: AbstractRobustChannel | None
    read_conn: AbstractRobustConnection | None
    read_channel: AbstractRobustChannel | None

    def __init__(
        self,
        url: str,
        keys: Keys,
        *,
        queues: Sequence[str] = ("default",),
        consumer: str = "sender",
        concurrency: int = 100,
        queue_type: QueueType = "classic",
    ) -> None:
        self._topology = Topology(keys.prefix.removesuffix(":"), queue_type)
        self._queues = tuple(queues)
        self._consumer = consumer
        self._declared: set[str] = set()
        self._delaying: set[str] = set()
        self._undelayed_until: dict[str, float] = {}
        super().__init__(url, qos=concurrency, **_options(url))
        self.formatter = Formatter(self)
        self._acks: Batcher[AbstractIncomingMessage, None] = Batcher(_acknowledge)

    async def startup(self) -> None:
        """Connect for sending; raises Unavailable when RabbitMQ is away. Nothing is read before `listen`.

        Started again, it closes what it had: what a crashed worker took and never acknowledged is delivered again.
        """
        await self._disconnect()
        await super(AioPikaBroker, self).startup()
        try:
            self.write_conn = await self._connect("publish")
            channel = self.write_conn.channel(on_return_raises=True)
            self.write_channel = await _within(ASK_SECONDS, channel)
            await _within(ASK_SECONDS, self._declare_unseen(self._queues))
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._disconnect()
            raise

    async def shutdown(self) -> None:
        """Close the connections; what was not acknowledged is delivered again."""
        await super(AioPikaBroker, self).shutdown()
        await self._disconnect()

    async def kick(self, message: BrokerMessage) -> None:
        """Send one message, as taskiq's kicker does, label `delay` included; raises ValueError for one that is none."""
        queue, priority = str(message.labels.get("queue", "default")), int(message.labels.get("priority", 0))
        await self._send([Letter(queue, message.task_id, message.message, priority, delay_in(message.labels))])

    async def publish(self, messages: Sequence[TaskMessage]) -> None:
        """Send messages and await all confirms; raises Unavailable unless RabbitMQ has every one within the deadline.

        Some may have been sent nevertheless. A message sent twice is claimed once, so the caller need not know which.
        """
        await self._send([Letter(m.queue, str(m.execution_id), m.to_json(), m.priority) for m in messages])

    async def listen(self) -> AsyncGenerator[AckableMessage, None]:
        """Yield what arrives in this worker's queues, for ever, however often RabbitMQ goes and comes back."""
        arrived: asyncio.Queue[AbstractIncomingMessage] = asyncio.Queue()
        consumers: list[tuple[AbstractQueue, str]] = []
        try:
            await self._begin(arrived, consumers)
            while True:
                message = await arrived.get()
                yield Delivery(
                    data=message.body, ack=partial(self._acks.submit, message), release=partial(release_held, message)
                )
        finally:
            with anyio.CancelScope(shield=True):
                await _stop(consumers, arrived)

    async def depths(self) -> dict[str, int]:
        """How many messages of each queue wait, for a worker or to be due; RabbitMQ does not say how many are at it."""
        return {queue: await self._waiting(queue) + await self._delayed(queue) for queue in self._queues}

    async def lost_after(self, queue: str) -> timedelta | None:
        """How long ago a message of the queue was sent, at least, that is lost unless it was claimed; None: none is.

        AMQP names no message that waits, so it cannot say since when the oldest does. But what RabbitMQ has confirmed
        it keeps, unless the queue is deleted or purged or its node is lost, and then nothing waits in it. So while
        something waits, nothing counts as lost; when nothing does, what is older than `LOST_AFTER` was handled, is in
        the hands of a worker, or is lost. The second is sent again in vain, since it is claimed once.
        """
        return None if await self._waiting(queue) else LOST_AFTER

    @property
    def redelivers_after(self) -> float | None:
        """After how many seconds a message that is being worked on is delivered again; None: never, or not known."""
        transport = self.write_conn.transport if self.write_conn is not None else None
        return None if transport is None else redelivers_after(transport.connection.server_properties)

    async def _connect(self, purpose: str) -> AbstractRobustConnection:
        name: FieldTable = {"connection_name": f"{self._topology.prefix} {self._consumer} {purpose}"}
        connecting = connect_robust(self.url, timeout=CONNECT_SECONDS, client_properties=name, **self._conn_kwargs)
        return await _within(CONNECT_SECONDS + ASK_SECONDS, connecting)

    async def _disconnect(self) -> None:
        connections = [each for each in (self.read_conn, self.write_conn) if each is not None]
        self.read_conn = self.read_channel = self.write_conn = self.write_channel = None
        self._forget()
        for connection in connections:
            await _settle(connection.close)

    async def _declare_unseen(self, queues: Iterable[str]) -> None:
        assert self.write_channel is not None, "called after startup"  # noqa: S101 - narrows a type
        for queue in set(queues) - self._declared:
            await self._topology.declare(self.write_channel, queue, robust=False)
            self._declared.add(queue)

    async def _declare_delays(self, queues: Iterable[str]) -> None:
        assert self.write_channel is not None, "called after startup"  # noqa: S101 - narrows a type
        for queue in set(queues) - self._delaying:
            await self._topology.declare_delay(self.write_channel, queue)
            self._undelayed_until.pop(queue, None)
            self._delaying.add(queue)

    async def _send(self, letters: Sequence[Letter]) -> None:
        if self.write_conn is None or self.write_channel is None:
            raise NoStartupError("the broker was not started")
        try:
            await _within(PUBLISH_SECONDS, self._send_now(self.write_conn, self.write_channel, letters))
        except Unavailable:
            self._forget()  # the queue may be what is gone
            raise

    async def _send_now(
        self, connection: AbstractRobustConnection, channel: AbstractRobustChannel, letters: Sequence[Letter]
    ) -> None:
        await channel.ready()
        if connection.transport is not None:
            await connection.transport.ready()  # not before a memory alarm is over: what is written waits in our memory
        await self._declare_unseen(letter.queue for letter in letters)
        await self._declare_delays(letter.queue for letter in letters if letter.delay)
        plain = cast("Channel", await channel.get_underlay_channel())
        await publish_all(plain, self._topology, letters)

    def _forget(self) -> None:
        self._declared.clear()
        self._delaying.clear()

    async def _begin(
        self, arrived: asyncio.Queue[AbstractIncomingMessage], consumers: list[tuple[AbstractQueue, str]]
    ) -> None:
        while len(consumers) < len(self._queues):
            queue = self._queues[len(consumers)]
            try:
                channel = await self._reading_channel()
                consumers.append(await _within(ASK_SECONDS, self._consume(channel, queue, arrived)))
            except Unavailable as error:
                log.warning("consumer.waits", queue=queue, error=str(error))
                await anyio.sleep(error.retry_after)

    async def _reading_channel(self) -> AbstractRobustChannel:
        """The channel for reading; it outlives `listen`, so that what was taken can still be acknowledged."""
        if self.read_conn is None:
            self.read_conn = await self._connect("consume")
        if self.read_channel is None:
            channel = await _within(ASK_SECONDS, self.read_conn.channel(publisher_confirms=False))
            await _within(ASK_SECONDS, channel.set_qos(prefetch_count=self._qos))
            self.read_channel = channel
        return self.read_channel

    async def _consume(
        self, channel: AbstractRobustChannel, queue: str, arrived: asyncio.Queue[AbstractIncomingMessage]
    ) -> tuple[AbstractQueue, str]:
        declared = await self._topology.declare(channel, queue, robust=True)
        arguments: FieldTable = {"x-consumer-timeout": CONSUMER_TIMEOUT_MS}
        return declared, await declared.consume(partial(self._take, arrived), arguments=arguments)

    async def _take(self, arrived: asyncio.Queue[AbstractIncomingMessage], message: AbstractIncomingMessage) -> None:
        try:
            self.formatter.loads(message.body)
        except (ValueError, TypeError, KeyError) as error:
            log.warning(
                "message.rejected", queue=message.routing_key, error=type(error).__name__, bytes=message.body_size
            )
            await _settle(message.reject)
        else:
            arrived.put_nowait(message)

    async def _waiting(self, queue: str) -> int:
        return sum(await self._count([self._topology.queue(queue)]))

    async def _delayed(self, queue: str) -> int:
        """Messages that are not due; where nobody has asked for a delay there is no queue for them."""
        if time.monotonic() < self._undelayed_until.get(queue, 0.0):
            return 0
        counts = await self._count(self._topology.levels(queue))
        if not counts:
            self._undelayed_until[queue] = time.monotonic() + UNDELAYED_SECONDS
        return sum(counts)

    async def _count(self, names: Sequence[str]) -> list[int]:
        if self.write_conn is None:
            raise NoStartupError("the broker was not started")
        return await _within(ASK_SECONDS, _count(self.write_conn, names))


def _options(url: str) -> dict[str, Any]:
    """What aio-pika is told beside the URL, unless the URL says otherwise (`?heartbeat=30`)."""
    ours = {"heartbeat": HEARTBEAT_SECONDS, "reconnect_interval": RECONNECT_SECONDS}
    return {name: value for name, value in ours.items() if name not in parse_qs(urlsplit(url).query)}


async def _within(seconds: float, work: Awaitable[Answer]) -> Answer:
    """The answer; raises Unavailable when the connection fails, RabbitMQ refuses, or `seconds` are over.

    aiormq cancels what waits on a connection that it closes. So `work` runs in a task of its own: a cancellation there
    is a lost connection, one here is the caller's. A closed channel or connection may also be a RuntimeError.
    """
    try:
        with anyio.fail_after(seconds):
            [answer] = await asyncio.gather(work, return_exceptions=True)
    except TimeoutError as error:
        raise Unavailable("broker") from error
    if isinstance(answer, (AMQPChannelError, AuthenticationError, ProbableAuthenticationError)):
        log.warning("broker.refused", error=repr(answer))  # nothing that waiting would mend
    if isinstance(answer, (AMQPError, OSError, RuntimeError, asyncio.CancelledError)):
        raise Unavailable("broker") from answer
    if isinstance(answer, BaseException):
        raise answer
    return answer


async def _settle(settle: Callable[[], Awaitable[object]]) -> None:
    """Acknowledge, reject, release or close; over a connection that is gone there is nothing to do."""
    try:
        await _within(SETTLE_SECONDS, settle())
    except Unavailable as error:
        log.debug("broker.not_settled", error=repr(error.__cause__))


async def _acknowledge(messages: Sequence[AbstractIncomingMessage]) -> list[None]:
    await _settle(partial(acknowledge_all, messages))
    return [None] * len(messages)


async def release_held(message: AbstractIncomingMessage) -> None:
    """Have RabbitMQ deliver it again, after a pause."""
    await anyio.sleep(RELEASE_SECONDS)
    await _settle(partial(message.nack, requeue=True))


async def _stop(
    consumers: Sequence[tuple[AbstractQueue, str]], arrived: asyncio.Queue[AbstractIncomingMessage]
) -> None:
    """Take no more, and give back what nobody has begun."""
    await asyncio.gather(*(_settle(partial(queue.cancel, tag)) for queue, tag in consumers))
    while not arrived.empty():
        await _settle(partial(arrived.get_nowait().nack, requeue=True))


async def _count(connection: AbstractRobustConnection, names: Sequence[str]) -> list[int]:
    """Messages that wait in each queue, up to the first that is not there: a refusal closes the channel."""
    await connection.ready()
    if connection.transport is None:
        raise ConnectionError("connecting")
    channel = await connection.transport.connection.channel(publisher_confirms=False)
    counts: list[int] = []
    try:
        for name in names:
            counts.append((await channel.queue_declare(name, passive=True)).message_count or 0)  # noqa: PERF401 - what came before a refusal counts
    except ChannelNotFoundEntity:
        return counts
    finally:
        await channel.close()
    return counts
