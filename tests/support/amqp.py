"""What tests of the RabbitMQ brokers share: ours started and stopped, taskiq-aio-pika's beside it, and messages."""

from __future__ import annotations

import uuid
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import orjson
from taskiq import AckableMessage
from taskiq_aio_pika import AioPikaBroker, Queue, QueueType

from horarium.errors import Unavailable
from horarium.tasks.message import TaskMessage
from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable

__all__ = ["acknowledge", "eventually_sent", "id_of", "kick", "message", "started", "stock", "take"]

STOCK = "stock"

B = TypeVar("B", bound=AioPikaBroker)
M = TypeVar("M", bound=AckableMessage)


@asynccontextmanager
async def started(broker: B) -> AsyncIterator[B]:
    """The broker, started; shut down in any case."""
    await broker.startup()
    try:
        yield broker
    finally:
        with anyio.CancelScope(shield=True):
            await broker.shutdown()


def stock(url: str, **options: Any) -> AioPikaBroker:
    """taskiq-aio-pika's own, as a worker has it, with queues and an exchange of its own."""
    name = f"{STOCK}-{uuid.uuid4().hex[:8]}"
    queues = {"task_queues": [Queue(name=name, type=QueueType.CLASSIC)]}
    dead = {"dead_letter_queue": Queue(name=f"{name}.dead", type=QueueType.CLASSIC)}
    broker = AioPikaBroker(url, reconnect_interval=1.0, **queues, **dead, **options)
    broker.is_worker_process = True
    return broker


def message(queue: str = "default", *, priority: int = 0, parameters: dict[str, Any] | None = None) -> TaskMessage:
    """A task message like any other."""
    return TaskMessage(uuid.uuid4(), 1, 7, "echo", "cron", None, parameters or {}, queue, priority)


async def kick(broker: AioPikaBroker, **labels: Any) -> str:
    """Send a task as an application does; its id."""
    task = broker.find_task("kicked") or broker.register_task(lambda: None, task_name="kicked")
    return (await task.kicker().with_labels(**labels).kiq()).task_id


async def take(messages: AsyncGenerator[M, None], seconds: float = WAIT_SECONDS) -> M:
    """The next message, which must come soon."""
    with anyio.fail_after(seconds):
        return await anext(messages)


async def acknowledge(taken: AckableMessage) -> None:
    """As a worker does once the task is done."""
    done: Any = taken.ack()
    await done


def id_of(taken: AckableMessage) -> str:
    """The task's id."""
    return str(orjson.loads(taken.data)["task_id"])


async def eventually_sent(send: Callable[[], Awaitable[object]], seconds: float = WAIT_SECONDS) -> None:
    """Return once something could be sent; Unavailable counts as not yet."""
    with anyio.fail_after(seconds):
        while True:
            try:
                await send()
            except Unavailable:
                await anyio.sleep(0.1)
            else:
                return
