"""Whatever is in a stream, it is dropped with one line that says nothing of it, and the queue goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import structlog
from taskiq import AckableMessage

from horarium.errors import Unavailable
from horarium.keyspace.keys import Keys
from horarium.tasks.stream_broker import GROUP, StreamBroker
from tests.support.poison import CONTENT, POISON, message
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from taskiq import TaskiqMessage

    from tests.support.workbench import Workbench

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("name", POISON)
async def test_a_poisoned_message_is_dropped_once_and_the_queue_goes_on(bench: Workbench, name: str) -> None:
    stream = bench.broker._keys.queue("default")

    with structlog.testing.capture_logs() as lines:
        await bench.broker._redis.xadd(stream, POISON[name])
        assert (await bench.run("echo", {"message": "still here"}))["status"] == "success"
        await eventually(bench.all_acknowledged)

    said = [line for line in lines if line["event"] == "message.unreadable"]
    assert len(said) == 1, lines
    assert CONTENT not in str(lines)
    assert await bench.broker._redis.xlen(stream) == 0


async def test_what_an_apps_own_formatter_breaks_over_is_dropped_once_and_the_queue_goes_on(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever it raises: each library has an error of its own, and unpickling has many."""

    class NotOfOurs(Exception):
        pass

    loads = bench.broker.formatter.loads

    def fastidious(message: bytes) -> TaskiqMessage:
        if message == CONTENT.encode():
            raise NotOfOurs
        return loads(message)

    monkeypatch.setattr(bench.broker.formatter, "loads", fastidious)
    with structlog.testing.capture_logs() as lines:
        await bench.broker._redis.xadd(bench.broker._keys.queue("default"), POISON["no JSON"])
        assert (await bench.run("echo", {"message": "still here"}))["status"] == "success"
        await eventually(bench.all_acknowledged)

    assert [line["error"] for line in lines if line["event"] == "message.unreadable"] == ["NotOfOurs"]


async def test_what_is_dropped_while_its_broker_is_away_is_left_to_come_again(bench: Workbench) -> None:
    async def away() -> None:
        raise Unavailable("broker")

    with structlog.testing.capture_logs() as lines:
        await bench.receiver.callback(AckableMessage(data=CONTENT.encode(), ack=away))

    assert [line["event"] for line in lines] == ["message.unreadable", "message.not_dropped"]


async def test_poison_that_another_worker_left_unacknowledged_is_read_as_nothing(redis_db: str) -> None:
    """An orphan is had by another command than what is new."""
    broker = StreamBroker(redis_db, Keys(), consumer="one")
    stream = Keys().queue("default")
    await broker.startup()
    try:
        await broker._redis.xadd(stream, POISON["no data"])
        await broker._new()
        await broker._redis.xclaim(stream, GROUP, "one", 0, [(await broker._redis.xrange(stream))[0][0]], idle=60_000)

        assert [data for _, _, data in await broker._orphans(stream)] == [b""]
    finally:
        await broker.shutdown()


async def test_a_message_that_names_no_row_is_dropped(bench: Workbench) -> None:
    await bench.broker._redis.xadd(bench.broker._keys.queue("default"), message())

    await eventually(bench.all_acknowledged)
