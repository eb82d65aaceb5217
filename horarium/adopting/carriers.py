"""What each kind of broker can be asked: where a message of a queue goes, how many wait, and which must be lost.

A config's queue is a name; an app's broker has a main queue, under whatever name, and may have others. Its main one is
`default` here, the others keep their names, and a label on the message says which it is, as the app itself would.

`lost_after` is an age: what was sent longer ago and nobody has claimed is sent again. Too long costs time; too short
costs messages that are claimed in vain, and, where a plain `taskiq worker` that knows no claim still reads the queue,
runs that happen twice. So where the broker cannot tell, the answer is minutes (docs/decisions/0037).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Protocol, cast

from pydantic import TypeAdapter, ValidationError
from redis.asyncio import Redis
from redis.exceptions import ResponseError
from taskiq_aio_pika import AioPikaBroker, Queue
from taskiq_redis import RedisStreamBroker

from horarium.errors import Unavailable
from horarium.keyspace.pool import redis_errors
from horarium.model.fields import QueueName
from horarium.tasks.amqp_broker import ASK_SECONDS, AmqpBroker, _count, _within
from horarium.tasks.amqp_patience import OWN_SECONDS
from horarium.tasks.registry import DEFAULT_QUEUE
from horarium.tasks.stream_broker import StreamBroker, lost_after, made_at, redis_now

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from taskiq import AsyncBroker

__all__ = ["WRONG_TYPE", "Carrier", "NoSuchQueue", "carrier_of"]

QUEUE_LABEL = "queue_name"
LOST_AFTER = timedelta(minutes=5)
"""After which what was acknowledged, or is out of RabbitMQ's sight, and was not claimed counts as lost."""

UNKNOWN_LOST_AFTER = timedelta(minutes=15)
"""After which a message counts as lost in a broker that can be asked nothing."""

COUNTED_ENTRIES = 10_000
"""How far a queue is counted where Redis (before 7.0) does not say how long it is."""

WRONG_TYPE = "WRONGTYPE"
"""What Redis says of a key that is no stream."""

BEGINNING = datetime.min.replace(tzinfo=UTC)
QUEUE = TypeAdapter(QueueName)


class NoSuchQueue(ValueError):
    """The app's broker has no queue of this name."""


class Carrier(Protocol):
    """One kind of broker; questions raise Unavailable where it is away."""

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that its workers read, by their names here."""

    @property
    def priority_label(self) -> str | None:
        """The label that gives a message its priority, where it has any."""

    @property
    def redelivers_after(self) -> float | None:
        """After how many seconds a message that is being worked on is delivered again; None: never, or not known."""

    def queue_of(self, labels: Mapping[str, Any]) -> str:
        """The queue that a task's own labels lead to."""

    def route(self, queue: str, labels: Mapping[str, Any]) -> dict[str, Any]:
        """What a message with these labels needs beside them to get to a queue; raises NoSuchQueue."""

    async def prepare(self, queues: Collection[str]) -> None:
        """Do what has to be done before messages are sent to these queues."""

    async def depths(self) -> dict[str, int]:
        """How many messages of each queue wait or run, as far as it can be known."""

    async def lost_after(self, queue: str) -> timedelta | None:
        """How long ago a message of the queue was sent, at least, that is lost unless it was claimed; None: none is."""


def carrier_of(broker: AsyncBroker) -> Carrier:
    """What is known of this broker's kind."""
    if isinstance(broker, StreamBroker | AmqpBroker):
        return OwnCarrier(broker)
    if isinstance(broker, RedisStreamBroker):
        return StreamCarrier(broker)
    if isinstance(broker, AioPikaBroker):
        return AmqpCarrier(broker)
    return UnknownCarrier()


def _named(label: object, main: str | None) -> str:
    """The name here of the queue that a label names; what cannot be a name is left to the label itself."""
    if label is None or label == main:
        return DEFAULT_QUEUE
    try:
        return QUEUE.validate_python(label)
    except ValidationError:
        return DEFAULT_QUEUE


class UnknownCarrier:
    """A broker of which nothing is known but taskiq's own interface."""

    queues: tuple[str, ...] = (DEFAULT_QUEUE,)
    priority_label: str | None = None
    redelivers_after: float | None = None

    def queue_of(self, labels: Mapping[str, Any]) -> str:
        """As the label says that most brokers read."""
        return _named(labels.get(QUEUE_LABEL), None)

    def route(self, queue: str, labels: Mapping[str, Any]) -> dict[str, Any]:
        """The same label; nobody knows what the main queue is called."""
        if queue == self.queue_of(labels):
            return {}
        if queue == DEFAULT_QUEUE:
            raise NoSuchQueue("this kind of broker does not say what its main queue is called; name the queue instead")
        return {QUEUE_LABEL: queue}

    async def prepare(self, queues: Collection[str]) -> None:
        """Nothing."""

    async def depths(self) -> dict[str, int]:
        """Nobody knows."""
        return {}

    async def lost_after(self, queue: str) -> timedelta | None:  # noqa: ARG002 - the protocol's name
        """Long: what was sent since may wait, or may be in somebody's hands."""
        return UNKNOWN_LOST_AFTER


class OwnCarrier:
    """One of Horarium's own brokers, which an app has made itself: it knows all the answers."""

    priority_label: str | None = None

    def __init__(self, broker: StreamBroker | AmqpBroker) -> None:
        self._broker = broker

    @property
    def queues(self) -> tuple[str, ...]:
        """Those it was made with."""
        return self._broker._queues  # noqa: SLF001 - one of ours

    @property
    def redelivers_after(self) -> float | None:
        """As it says."""
        return self._broker.redelivers_after

    def queue_of(self, labels: Mapping[str, Any]) -> str:
        """As everywhere in Horarium."""
        return str(labels.get("queue", DEFAULT_QUEUE))

    def route(self, queue: str, labels: Mapping[str, Any]) -> dict[str, Any]:  # noqa: ARG002 - the protocol's name
        """As everywhere in Horarium."""
        return {"queue": queue}

    async def prepare(self, queues: Collection[str]) -> None:
        """It does that itself."""

    async def depths(self) -> dict[str, int]:
        """As it says."""
        return await self._broker.depths()

    async def lost_after(self, queue: str) -> timedelta | None:
        """As it says."""
        return await self._broker.lost_after(queue)


class StreamCarrier:
    """taskiq-redis' stream broker. Acknowledged entries stay in its streams, unless it has a `maxlen`."""

    priority_label: str | None = None
    redelivers_after: float | None = None
    """After `idle_timeout`, to another worker: the claim has that one drop it, and the first goes on."""

    def __init__(self, broker: RedisStreamBroker) -> None:
        self._broker = broker
        self._redis = Redis(connection_pool=broker.connection_pool)

    @property
    def queues(self) -> tuple[str, ...]:
        """Its own stream and the additional ones."""
        return (DEFAULT_QUEUE, *(name for name in self._broker.additional_streams if name != self._broker.queue_name))

    def queue_of(self, labels: Mapping[str, Any]) -> str:
        """The stream of the label, if there is one."""
        return _named(labels.get(QUEUE_LABEL) or None, self._broker.queue_name)

    def route(self, queue: str, labels: Mapping[str, Any]) -> dict[str, Any]:
        """Any name is a stream."""
        return {} if queue == self.queue_of(labels) else {QUEUE_LABEL: self._stream(queue)}

    async def prepare(self, queues: Collection[str]) -> None:
        """Make the groups that a flush has taken, before what is sent would be older than they are.

        The broker makes its groups when it starts, and usually at the end of the stream: whatever is sent between a
        flush and a worker's next start would be delivered to nobody.
        """
        with redis_errors("broker"):
            for stream in {self._stream(queue) for queue in queues}:
                try:
                    await self._redis.xgroup_create(stream, self._group, id="$", mkstream=True)
                except ResponseError as error:
                    if not str(error).startswith(("BUSYGROUP", WRONG_TYPE)):  # whoever sends there is told
                        raise

    async def depths(self) -> dict[str, int]:
        """How many messages are not delivered yet, or delivered and not acknowledged."""
        with redis_errors("broker"):
            return {queue: await self._unfinished(self._stream(queue)) for queue in self.queues}

    async def lost_after(self, queue: str) -> timedelta | None:
        """Since before the oldest entry that is unacknowledged, and for minutes; or since before the stream begins.

        What is older than the whole stream went with a flush, and is sent again at once. What was acknowledged and
        never claimed is another matter: a worker that knows no claim may have run it. It is sent again seldom.
        A stream with a `maxlen` loses its oldest entries anyhow, so its beginning says nothing.
        """
        stream = self._stream(queue)
        with redis_errors("broker"):
            now = redis_now(await self._redis.time())
            beginning = BEGINNING if self._broker.maxlen is not None else await self._oldest(stream, "-") or now
            group = await self._group_of(stream)
            waiting = None if group is None else await self._oldest(stream, b"(" + group["last-delivered-id"])
            pending = await self._oldest_pending(stream) if group is not None and group["pending"] else None
        unfinished = min(each for each in (waiting, pending, now - LOST_AFTER) if each is not None)
        return lost_after(max(beginning, unfinished), now)

    @property
    def _group(self) -> str:
        return self._broker.consumer_group_name

    def _stream(self, queue: str) -> str:
        return self._broker.queue_name if queue == DEFAULT_QUEUE else queue

    async def _group_of(self, stream: str) -> dict[str, Any] | None:
        try:
            groups = await self._redis.xinfo_groups(stream)
        except ResponseError:  # there is no such stream
            return None
        return next((each for each in groups if each["name"] == self._group.encode()), None)

    async def _oldest(self, stream: str, start: bytes | str) -> datetime | None:
        entries = cast("list[tuple[bytes, object]]", await self._redis.xrange(stream, min=start, count=1))
        return made_at(entries[0][0]) if entries else None

    async def _oldest_pending(self, stream: str) -> datetime | None:
        pending = await self._redis.xpending(stream, self._group)
        return None if pending["min"] is None else made_at(pending["min"])

    async def _unfinished(self, stream: str) -> int:
        group = await self._group_of(stream)
        if group is None:
            return int(await self._redis.xlen(stream))
        lag = group.get("lag")
        if lag is None:
            after = b"(" + group["last-delivered-id"]
            lag = len(cast("Sequence[object]", await self._redis.xrange(stream, min=after, count=COUNTED_ENTRIES)))
        return int(lag) + int(group["pending"])


class AmqpCarrier:
    """taskiq-aio-pika's broker. One with a single queue sends everything there, whatever a label says."""

    def __init__(self, broker: AioPikaBroker) -> None:
        self._broker = broker

    @property
    def queues(self) -> tuple[str, ...]:
        """Its first queue, and the others by what a message is routed with."""
        return (DEFAULT_QUEUE, *map(_key, self._declared[1:]))

    @property
    def priority_label(self) -> str | None:
        """As the app has it."""
        return self._broker._label_for_priority  # noqa: SLF001 - the stock class says it nowhere else

    @property
    def redelivers_after(self) -> float | None:
        """RabbitMQ's own time, unless every queue of the app asks for another."""
        asked = all("x-consumer-timeout" in {**q.arguments, **q.consumer_arguments} for q in self._declared)
        return None if asked else OWN_SECONDS

    def queue_of(self, labels: Mapping[str, Any]) -> str:
        """The queue of the label, where there is more than one."""
        first, *others = map(_key, self._declared)
        label = self._broker._label_for_routing  # noqa: SLF001 - as above
        return _named(labels.get(label), first) if others else DEFAULT_QUEUE

    def route(self, queue: str, labels: Mapping[str, Any]) -> dict[str, Any]:
        """The label that the broker routes by, which it needs for its first queue, too."""
        label = self._broker._label_for_routing  # noqa: SLF001 - as above
        wanted = _key(self._queue(queue))
        if labels.get(label) == wanted or not self._declared[1:]:
            return {}
        return {label: wanted}

    async def prepare(self, queues: Collection[str]) -> None:
        """Its start has declared them."""

    async def depths(self) -> dict[str, int]:
        """How many messages of each queue wait for a worker."""
        return {queue: await self._waiting(queue) for queue in self.queues}

    async def lost_after(self, queue: str) -> timedelta | None:
        """Like our own broker: while something waits nothing is lost, else what is some minutes old.

        So it is in a queue that the app has no more: what was sent there is sent again, and refused.
        """
        with suppress(NoSuchQueue):
            if await self._waiting(queue):
                return None
        return LOST_AFTER

    @property
    def _declared(self) -> list[Queue]:
        return self._broker._task_queues or [Queue()]  # noqa: SLF001 - as above; it adds the default one as it starts

    def _queue(self, name: str) -> Queue:
        for queue, known in zip(self._declared, self.queues, strict=True):
            if name in (known, _key(queue)):
                return queue
        raise NoSuchQueue(f"the app's broker has no queue {name!r}; it has {', '.join(self.queues)}")

    async def _waiting(self, queue: str) -> int:
        connection = self._broker.write_conn
        if connection is None:
            raise Unavailable("broker")
        return sum(await _within(ASK_SECONDS, _count(connection, [self._queue(queue).name])))


def _key(queue: Queue) -> str:
    return queue.routing_key or queue.name
