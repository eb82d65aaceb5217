"""Whatever is in a stream, it is dropped with one line that says nothing of it, and the queue goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson
import pytest
import structlog
from uuid_utils.compat import uuid7

from horarium.keyspace.keys import Keys
from horarium.tasks.stream_broker import GROUP, StreamBroker
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from tests.support.workbench import Workbench

pytestmark = pytest.mark.anyio

CONTENT = "swordfish"
SOUND: dict[str, Any] = {"task_id": str(uuid7()), "task_name": "echo", "labels": {"attempt": 1}, "args": []}


def message(**fields: object) -> dict[str, bytes]:
    return {"data": orjson.dumps(SOUND | {"kwargs": {"message": CONTENT}} | fields)}


def attempt(number: str) -> dict[str, bytes]:
    """A message with this attempt, written as JSON."""
    return {"data": message()["data"].replace(b'"attempt":1', b'"attempt":' + number.encode())}


POISON: dict[str, dict[str, bytes]] = {
    "no data": {"something": CONTENT.encode()},
    "nothing": {"data": b""},
    "no JSON": {"data": CONTENT.encode()},
    "no text": {"data": b"\xff\x00" + CONTENT.encode()},
    "no object": {"data": orjson.dumps([CONTENT])},
    "a number": {"data": b"7"},
    "deep": {"data": b"[" * 100_000},
    "deep within": {"data": message()["data"].replace(b'"swordfish"', b"[" * 5_000 + b"]" * 5_000)},
    "ten megabytes": {"data": CONTENT.encode() * 1_200_000},
    "ten megabytes of JSON": message(task_id=CONTENT * 1_200_000),
    "an id that is no UUID": message(task_id=CONTENT),
    "an id that is no text": message(task_id=7),
    "labels that are no object": message(labels=[CONTENT]),
    "labels of no type": message(labels={"attempt": 1, "a": CONTENT}, labels_types={"a": 99}),
    "labels of another type": message(labels={"attempt": 1, "a": CONTENT}, labels_types={"a": 2}),
    "labels of bytes": message(labels={"attempt": 1, "a": [CONTENT]}, labels_types={"a": 6}),
    "types of labels that are no object": message(labels_types=CONTENT),
    "parameters that are no object": message(kwargs=[CONTENT]),
    "arguments that are no list": message(args=CONTENT),
    "an attempt in words": attempt('"first"'),
    "an attempt as text": attempt('"1"'),
    "a list of attempts": attempt("[1]"),
    "no attempt": attempt("null"),
    "half an attempt": attempt("1.5"),
    "a true attempt": attempt("true"),
    "an attempt past all numbers": attempt("1e999"),
    "an attempt that is no number": attempt("NaN"),
    "an attempt past a smallint": attempt("32768"),
    "an attempt past 64 bits": attempt("9" * 40),
    "an attempt below nothing": attempt("-1"),
}


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
