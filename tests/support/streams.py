"""What tests of the broker over Redis streams share: ours started and stopped, taskiq-redis' beside it, and messages.

redis          function   a connection to the database that is empty
quick_orphans  function   an orphan is one after half a second, and a quiet stream is waited on for 50 ms at a time
"""

from __future__ import annotations

import inspect
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, cast
from uuid import uuid4

import anyio
import orjson
import pytest
from taskiq_redis import RedisStreamBroker

from horarium.keyspace.keys import Keys
from horarium.keyspace.pool import connect
from horarium.tasks import stream_broker, stream_upkeep
from horarium.tasks.message import TaskMessage
from horarium.tasks.stream_broker import GROUP, StreamBroker
from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from redis.asyncio import Redis
    from taskiq import AckableMessage

__all__ = [
    "KEYS",
    "STREAM",
    "acknowledge",
    "comes",
    "id_of",
    "listening",
    "message",
    "nothing_comes",
    "ours",
    "quick_orphans",
    "redis",
    "stock",
    "take",
]

KEYS = Keys()
STREAM = KEYS.queue("default")
ORPHAN_SECONDS = 0.5
"""Long enough for a worker to say in time that it lives, twenty times over, where many others run beside it."""

QUIET_SECONDS = 3 * ORPHAN_SECONDS


@pytest.fixture
async def redis(redis_db: str) -> AsyncIterator[Redis]:
    client = connect(redis_db)
    yield client
    await client.aclose()


@pytest.fixture
def quick_orphans(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_broker, "ORPHAN_SECONDS", ORPHAN_SECONDS)
    monkeypatch.setattr(stream_broker, "BLOCK_MS", 50)
    monkeypatch.setattr(stream_upkeep, "KEEP_SECONDS", ORPHAN_SECONDS / 20)


@asynccontextmanager
async def ours(url: str, consumer: str = "a", *queues: str, concurrency: int = 100) -> AsyncIterator[StreamBroker]:
    """Our broker, for these queues or the default one."""
    broker = StreamBroker(url, KEYS, queues=queues or ("default",), consumer=consumer, concurrency=concurrency)
    await broker.startup()
    try:
        yield broker
    finally:
        await broker.shutdown()


@asynccontextmanager
async def stock(url: str, consumer: str = "a") -> AsyncIterator[RedisStreamBroker]:
    """taskiq-redis' own, on the same stream and group."""
    broker = RedisStreamBroker(
        url, queue_name=STREAM, consumer_group_name=GROUP, consumer_name=consumer, xread_block=50, idle_timeout=50
    )
    await broker.startup()
    try:
        yield broker
    finally:
        await broker.shutdown()


@asynccontextmanager
async def listening(broker: RedisStreamBroker) -> AsyncIterator[AsyncGenerator[AckableMessage, None]]:
    """The messages that it is given while the block lasts."""
    async with aclosing(cast("AsyncGenerator[AckableMessage, None]", broker.listen())) as messages:
        yield messages


def message(queue: str = "default") -> TaskMessage:
    """A task message like any other."""
    return TaskMessage(uuid4(), 1, 7, "echo", "cron", None, {"message": "hello"}, queue, 5)


async def take(messages: AsyncGenerator[AckableMessage, None]) -> AckableMessage:
    """The next message, which must come soon."""
    with anyio.fail_after(WAIT_SECONDS):
        return await anext(messages)


async def nothing_comes(messages: AsyncGenerator[AckableMessage, None]) -> bool:
    """Whether none comes for several times as long as an orphan is waited for."""
    with anyio.move_on_after(QUIET_SECONDS):
        await anext(messages)
        return False
    return True


async def acknowledge(taken: AckableMessage) -> None:
    """As a worker does once the task is done."""
    done = taken.ack()
    assert inspect.isawaitable(done)
    await done


def id_of(taken: AckableMessage) -> str:
    """The task's id."""
    return str(orjson.loads(taken.data)["task_id"])


async def comes(messages: AsyncGenerator[AckableMessage, None], wanted: str) -> bool:
    """Whether this message comes, among whatever others; a time in which none comes at all is an error."""
    while id_of(await take(messages)) != wanted:
        pass
    return True
