"""An existing taskiq app's broker as Horarium sends and receives through it.

Sending is what taskiq's own kicker does, with the execution's id: the app's middlewares see the message, its formatter
writes it, its labels are on it beside ours, and its broker takes it. One after the other would be slow and all at once
too much, so as many are on their way as `CONCURRENCY`, and a batch has one deadline. What was sent by then is sent.

An app has one broker object, and a process may both send and receive through it. So it is started once, whoever asks
first, as what the process is: the events of a worker run where there is one, those of a client where Horarium sends,
and a handler of both runs once. A worker that begins again after it has ended begins with new connections.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self

import anyio
import structlog
from aio_pika.exceptions import AMQPError
from redis.exceptions import BusyLoadingError, OutOfMemoryError, ReadOnlyError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from taskiq import TaskiqEvents, TaskiqMessage, TaskiqMiddleware
from taskiq.labels import prepare_label
from taskiq.utils import maybe_awaitable
from taskiq_aio_pika.exceptions import IncorrectRoutingKeyError

from horarium.adopting.carriers import WRONG_TYPE, NoSuchQueue, carrier_of
from horarium.errors import Unavailable
from horarium.tasks.amqp_broker import AmqpBroker
from horarium.tasks.stream_broker import StreamBroker
from horarium.tasks.unsent import Unsent
from horarium.tracing.within import within
from horarium.troubles import reason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Mapping, Sequence
    from datetime import timedelta
    from uuid import UUID

    from taskiq import AsyncBroker, BrokerMessage

    from horarium.tasks.message import TaskMessage

__all__ = ["AdoptedBroker"]

log = structlog.get_logger(__name__)

START_SECONDS = 25.0
"""How long the app's start may take, its own handlers included."""

STOP_SECONDS = 5.0
PUBLISH_SECONDS = 10.0
CONCURRENCY = 32

DEFAULT_PRIORITY = 5
"""The priority of a config that names none; it leaves the app's own label alone."""

NOT_SENT = ("schedule", "types_of_exceptions")
"""Labels that taskiq reads where the task is declared."""

AWAY = (
    Unavailable,
    OSError,  # a TimeoutError is one
    AMQPError,
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    OutOfMemoryError,
    ReadOnlyError,
)


@dataclass(slots=True)
class _Batch:
    """What has become of a batch so far."""

    sent: set[UUID] = field(default_factory=set)
    refused: dict[UUID, str] = field(default_factory=dict)
    away: bool = False


class AdoptedBroker:
    """`app` is the broker; the process works through it, or sends through it, or both (`works`, `sends`)."""

    def __init__(self, app: AsyncBroker, *, works: bool, sends: bool) -> None:
        self.app = app
        app.is_worker_process = works
        self._is_client_too = works and sends
        self._carrier = carrier_of(app)
        self._own = app if isinstance(app, StreamBroker | AmqpBroker) else None
        self._lock = asyncio.Lock()
        self._seats = asyncio.Semaphore(CONCURRENCY)
        self._started = False
        self._used_up = False
        self._is_hosted = False

    @classmethod
    def hosted(cls, app: AsyncBroker) -> Self:
        """The broker of taskiq's own worker, which starts it and shuts it down."""
        made = cls(app, works=True, sends=False)
        made._is_hosted = made._started = True
        return made

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that a worker of this app reads."""
        return self._carrier.queues

    @property
    def redelivers_after(self) -> float | None:
        """After how many seconds a message that is being worked on is delivered again; None: never, or not known."""
        return self._carrier.redelivers_after

    def queue_of(self, labels: Mapping[str, Any]) -> str:
        """The queue that the labels of a task lead to: what `@task(queue=...)` says, or the app's own label."""
        return str(labels["queue"]) if "queue" in labels else self._carrier.queue_of(labels)

    async def startup(self) -> None:
        """Start the app's broker, if it is not; anew, where a worker has ended with it. Raises Unavailable."""
        async with self._lock:
            if self._used_up:
                await self._stop()
            await self._start()

    async def shutdown(self) -> None:
        """A worker is done with it; others may still send, so it is stopped by `close`, or before the next start."""
        self._used_up = not self._is_hosted

    async def close(self) -> None:
        """Stop the app's broker, if it is ours to stop."""
        if not self._is_hosted:
            async with self._lock:
                await self._stop()

    async def publish(self, messages: Sequence[TaskMessage]) -> None:
        """Send messages; raises Unsent, unless the broker holds them all within the deadline."""
        if not messages:
            return
        await self._ready()
        if self._own is not None:
            await self._own.publish(messages)
            return
        batch = _Batch()
        try:
            with anyio.fail_after(PUBLISH_SECONDS):
                await self._carrier.prepare({message.queue for message in messages})
                await asyncio.gather(*(self._send(message, batch) for message in messages))
        except AWAY as error:
            kind, published = type(error).__name__, len(batch.sent)
            log.warning("broker.publish_cut_short", messages=len(messages), published=published, error=kind)
            raise Unsent(batch.sent, batch.refused, away=True) from error
        if batch.away or batch.refused:
            raise Unsent(batch.sent, batch.refused, away=batch.away)

    async def depths(self) -> dict[str, int]:
        """How many messages of each queue wait or run, as far as the broker can say; raises Unavailable."""
        await self._ready()
        return await self._carrier.depths()

    async def lost_after(self, queue: str) -> timedelta | None:
        """How long ago what is lost was sent, at least; None: nothing is. Raises Unavailable."""
        await self._ready()
        return await self._carrier.lost_after(queue)

    async def _ready(self) -> None:
        if not self._started:
            async with self._lock:
                await self._start()

    async def _start(self) -> None:
        """Start, whole or not at all: what has begun of a start that failed is stopped again."""
        if self._started:
            return
        try:
            with anyio.fail_after(START_SECONDS):
                await _apart(self.app.startup())
                await self._tell_client(TaskiqEvents.CLIENT_STARTUP, TaskiqEvents.WORKER_STARTUP)
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await self._shut_down()
            if isinstance(error, AWAY):
                log.warning("broker.not_started", error=reason(error))
                raise Unavailable("broker") from error
            raise
        self._started, self._used_up = True, False

    async def _stop(self) -> None:
        if self._started:
            self._started = False
            with anyio.CancelScope(shield=True):
                await self._shut_down()

    async def _shut_down(self) -> None:
        """Shut the app's broker down; a stop that fails, or takes too long, is logged: there is no more to be done."""
        try:
            with anyio.fail_after(STOP_SECONDS):
                await self._tell_client(TaskiqEvents.CLIENT_SHUTDOWN, TaskiqEvents.WORKER_SHUTDOWN)
                await _apart(self.app.shutdown())
        except AWAY as error:
            log.warning("broker.stop_cut_short", error=type(error).__name__)
        except Exception:
            log.exception("broker.stop_failed")

    async def _tell_client(self, client: TaskiqEvents, worker: TaskiqEvents) -> None:
        """Run the client's handlers in a process that is a worker for taskiq, less those that this has run already."""
        if self._is_client_too:
            for handler in self.app.event_handlers[client]:
                if handler not in self.app.event_handlers[worker]:
                    await maybe_awaitable(handler(self.app.state))

    async def _send(self, message: TaskMessage, batch: _Batch) -> None:
        """Send one message, and note what became of it."""
        async with self._seats:
            with within(message.trace.headers if message.trace else None):  # which the app's own middlewares take up
                await self._send_made(message, batch)

    async def _send_made(self, message: TaskMessage, batch: _Batch) -> None:
        try:
            made = await self._made(message)
            ready = self.app.formatter.dumps(made)
            if message.kicked is not None:  # it has waited already; in the message itself the label stays
                ready.labels = {name: value for name, value in ready.labels.items() if name != "delay"}
            await self._kick(ready)
        except AWAY as error:
            log.warning("message.not_sent", task_id=str(message.task_id), error=type(error).__name__)
            batch.away = True
        except Exception as error:  # noqa: BLE001 - not swallowed: the execution fails of it
            kind = type(error).__name__
            log.error("message.refused", task_id=str(message.task_id), error=kind)  # noqa: TRY400 - not its words, which may quote parameters: whoever may read the execution finds them there
            batch.refused[message.execution_id] = f"cannot be sent: {kind}: {error}"
        else:
            batch.sent.add(message.execution_id)
            await self._told_of(made)

    async def _kick(self, message: BrokerMessage) -> None:
        """Hand a message to the app's broker; whatever is not said of the message itself is its server being away.

        Every client has errors of its own for that, and only what is told apart here can fail for good.
        """
        try:
            await _apart(self.app.kick(message))
        except (*AWAY, IncorrectRoutingKeyError, TypeError, ValueError):
            raise
        except Exception as error:
            if str(error).startswith(WRONG_TYPE):
                raise NoSuchQueue("what is in Redis under the name of its queue is no stream") from error
            raise Unavailable("broker") from error

    async def _made(self, message: TaskMessage) -> TaskiqMessage:
        """The message, as the app's middlewares have it; what the app has kicked by itself goes as it wrote it."""
        fields = message.fields()
        if message.kicked is None:
            labels, types = self._labels(message)
            fields |= {"task_id": str(message.execution_id), "labels": labels, "labels_types": types}
        made = TaskiqMessage(**fields)
        for middleware in self.app.middlewares:
            if type(middleware).pre_send is not TaskiqMiddleware.pre_send:
                made = await maybe_awaitable(middleware.pre_send(made))
        made.task_id = fields["task_id"]  # which a worker claims, whatever a middleware calls it
        return made

    async def _told_of(self, made: TaskiqMessage) -> None:
        """Let the middlewares know; the message is sent, whatever they make of it."""
        try:
            for middleware in reversed(self.app.middlewares):
                if type(middleware).post_send is not TaskiqMiddleware.post_send:
                    await maybe_awaitable(middleware.post_send(made))
        except Exception as error:  # noqa: BLE001 - as above, and there is nothing left to fail
            kind = type(error).__name__
            log.error("post_send.failed", task_id=made.task_id, task_type=made.task_name, error=kind)  # noqa: TRY400 - nor its words here, which are the app's

    def _labels(self, message: TaskMessage) -> tuple[dict[str, Any], dict[str, int]]:
        """The task's own labels, as taskiq's kicker writes them, what leads to the queue, and what Horarium says."""
        task = self.app.find_task(message.task_type)
        own = {} if task is None else {name: each for name, each in task.labels.items() if name not in NOT_SENT}
        own |= self._carrier.route(message.queue, own)
        priority = self._carrier.priority_label
        if priority is not None and message.priority != DEFAULT_PRIORITY:
            own[priority] = message.priority
        prepared = {name: prepare_label(value) for name, value in own.items()}
        ours = message.labels()
        if message.tick_at is not None:
            ours["tick_at"] = message.tick_at.isoformat().replace("+00:00", "Z")
        # ours are JSON already, and need no types to be read again
        types = {name: kind for name, (_, kind) in prepared.items() if name not in ours}
        return {name: text for name, (text, _) in prepared.items()} | ours, types


async def _apart(work: Awaitable[Any]) -> None:
    """Await `work` in a task of its own; raises what it raises, and Unavailable where it was cancelled from inside.

    aiormq cancels what waits on a connection that it closes. That is a lost connection, and not the caller's end.
    """
    answers: list[object] = await asyncio.gather(work, return_exceptions=True)
    [answer] = answers
    if isinstance(answer, asyncio.CancelledError):
        raise Unavailable("broker") from answer
    if isinstance(answer, BaseException):
        raise answer
