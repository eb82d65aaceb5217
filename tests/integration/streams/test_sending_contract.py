"""What the dispatcher and the publisher rely on, of the real sending side and of the fake that stands in for it."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

import pytest
from taskiq_redis import RedisStreamBroker

from horarium.adopting.broker import AdoptedBroker
from horarium.errors import Unavailable
from horarium.keyspace.keys import Keys
from horarium.tasks.message import TaskMessage
from horarium.tasks.stream_broker import PUBLISH_ROWS, StreamBroker
from tests.support.brokers import RecordingBroker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from horarium.tasks.broker import Publisher

pytestmark = pytest.mark.anyio


def message(queue: str = "default") -> TaskMessage:
    return TaskMessage(uuid4(), 1, 7, "echo", "cron", None, {"message": "hello"}, queue, 5)


@asynccontextmanager
async def over_streams(url: str) -> AsyncIterator[StreamBroker]:
    made = StreamBroker(url, Keys(), queues=("default", "reports"))
    try:
        yield made
    finally:
        await made.shutdown()


@asynccontextmanager
async def adopted(url: str) -> AsyncIterator[AdoptedBroker]:
    app = RedisStreamBroker(url, queue_name="letters", additional_streams={"reports": ">"})
    made = AdoptedBroker(app, works=False, sends=True)
    try:
        yield made
    finally:
        await made.close()


REAL = {"streams": over_streams, "adopted": adopted}


@pytest.fixture(params=[*REAL, "fake"])
async def broker(request: pytest.FixtureRequest, redis_db: str) -> AsyncIterator[Publisher]:
    if request.param == "fake":
        yield RecordingBroker()
        return
    async with REAL[request.param](redis_db) as made:
        yield made


@pytest.fixture(params=[*REAL, "fake"])
async def away(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Publisher]:
    """A broker that nobody answers for."""
    if request.param == "fake":
        fake = RecordingBroker()
        fake.away = True
        yield fake
        return
    async with REAL[request.param](f"unix://{tmp_path}/redis.sock") as made:
        yield made


async def test_nothing_is_held_before_anything_is_sent(broker: Publisher) -> None:
    await broker.publish([])

    assert (await broker.depths())["default"] == 0


async def test_what_was_sent_is_held_by_its_queue(broker: Publisher) -> None:
    await broker.publish([message(), message("reports"), message()])
    await broker.publish([message()])

    depths = await broker.depths()
    assert (depths["default"], depths["reports"]) == (3, 1)


async def test_a_large_batch_is_held_whole(broker: Publisher) -> None:
    await broker.publish([message() for _ in range(2 * PUBLISH_ROWS + 1)])

    assert (await broker.depths())["default"] == 2 * PUBLISH_ROWS + 1


async def test_of_an_empty_queue_everything_sent_a_while_ago_is_lost(broker: Publisher) -> None:
    age = await broker.lost_after("default")

    assert age is not None
    assert age <= timedelta(seconds=6)


async def test_a_message_that_is_held_is_never_called_lost(broker: Publisher) -> None:
    await broker.publish([message()])
    sent = datetime.now(UTC)
    await broker.publish([message()])

    age = await broker.lost_after("default")

    assert age is not None
    assert age >= datetime.now(UTC) - sent


async def test_each_queue_is_judged_by_its_own_messages(broker: Publisher) -> None:
    await broker.publish([message("reports")])

    held, empty = await broker.lost_after("reports"), await broker.lost_after("default")

    assert held is not None
    assert empty is not None
    assert held >= empty


async def test_a_broker_that_is_away_says_so_to_every_question(away: Publisher) -> None:
    with pytest.raises(Unavailable):
        await away.publish([message()])
    with pytest.raises(Unavailable):
        await away.depths()
    with pytest.raises(Unavailable):
        await away.lost_after("default")
