"""A taskiq app that knows nothing of Horarium, over the stock brokers: `tests.support.taskiq_app:broker`.

Where its servers are it learns from the environment, as `taskiq worker` starts it; tests in a process have `an_app`.
"""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from taskiq import Context, TaskiqDepends
from taskiq.kicker import AsyncKicker
from taskiq.middlewares import SimpleRetryMiddleware
from taskiq.serializers import JSONSerializer
from taskiq_aio_pika import AioPikaBroker
from taskiq_aio_pika.exchange import Exchange
from taskiq_aio_pika.queue import Queue
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

if TYPE_CHECKING:
    from taskiq import AsyncBroker

__all__ = ["App", "an_app", "broker", "broker_over", "environ_of", "keep_results"]


@dataclass(frozen=True)
class App:
    """The app over a broker."""

    broker: AsyncBroker

    def kicker(self, name: str, **labels: Any) -> AsyncKicker[..., Any]:
        """What kicks one of its tasks through this broker."""
        task = broker.local_task_registry[f"app.{name}"]
        return AsyncKicker(task.task_name, self.broker, {**task.labels, **labels})


def an_app(over: AsyncBroker) -> App:
    """The app, with its tasks, over another broker than its own."""
    over.local_task_registry.update(broker.local_task_registry)
    return App(over)


def broker_over(url: str, redis_url: str, name: str) -> AsyncBroker:
    """The stock broker for this address, with results in Redis as JSON; `name` is that of its queue."""
    if url.startswith("amqp"):
        made: AsyncBroker = AioPikaBroker(url, exchange=Exchange(name=name), task_queues=[Queue(name=name)])
    else:
        made = RedisStreamBroker(url, queue_name=name, consumer_group_name=name, consumer_id="0", xread_block=200)
    return keep_results(made, redis_url, name)


def keep_results(broker: AsyncBroker, redis_url: str, prefix: str) -> AsyncBroker:
    """The broker, with a backend for results."""
    results: RedisAsyncResultBackend[Any] = RedisAsyncResultBackend(
        redis_url, serializer=JSONSerializer(), prefix_str=prefix, result_ex_time=60
    )
    return broker.with_result_backend(results)


def environ_of(url: str, redis_url: str, name: str) -> dict[str, str]:
    """What tells another process which app it is."""
    return {"APP_BROKER_URL": url, "APP_REDIS_URL": redis_url, "APP_NAME": name}


broker = broker_over(
    os.environ.get("APP_BROKER_URL", "redis://127.0.0.1:1"),
    os.environ.get("APP_REDIS_URL", "redis://127.0.0.1:1"),
    os.environ.get("APP_NAME", "app"),
).with_middlewares(SimpleRetryMiddleware(default_retry_count=3))


def greeting() -> str:
    """A dependency."""
    return "hello"


@broker.task(task_name="app.greets")
async def greets(name: str, *, says: Annotated[str, TaskiqDepends(greeting)]) -> str:
    """Say something that was injected."""
    return f"{says} {name}"


@broker.task(task_name="app.notes")
async def notes(path: str, seconds: float = 0.0) -> str:
    """Leave a line in a file, now and when it is through."""
    with Path(path).open("a") as file:  # noqa: ASYNC230 - a line
        file.write(f"began {os.getpid()}\n")
    await asyncio.sleep(seconds)
    with Path(path).open("a") as file:  # noqa: ASYNC230 - a line
        file.write("ended\n")
    return "noted"


@broker.task(task_name="app.fails")
async def fails(message: str = "no") -> None:
    """Fail."""
    raise ValueError(message)


@broker.task(task_name="app.fails_until")
async def fails_until(path: str, times: int) -> int:
    """Fail so many times, as the lines of a file count them."""
    with Path(path).open("a") as file:  # noqa: ASYNC230 - a line
        file.write("tried\n")
    tried = len(Path(path).read_text().splitlines())  # noqa: ASYNC240 - a line or two
    if tried <= times:
        raise ValueError(f"failure {tried}")
    return tried


@broker.task(task_name="app.requeues_once")
async def requeues_once(context: Annotated[Context, TaskiqDepends()]) -> str:
    """Ask to be run again, the first time."""
    if "X-Taskiq-requeue" not in context.message.labels:
        await context.requeue()
    return "the second time"


@broker.task(task_name="app.rejects")
async def rejects(context: Annotated[Context, TaskiqDepends()]) -> None:
    """Reject the message."""
    context.reject()


@broker.task(task_name="app.plain")
def plain(seconds: float, context: Annotated[Context, TaskiqDepends()]) -> str:
    """Answer its own message's id, from a process of its own."""
    time.sleep(seconds)
    return context.message.task_id
