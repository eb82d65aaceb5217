"""What a worker has read and does not begin goes to others at once, and not when it is found to be orphaned."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, cast
from uuid import uuid4

import anyio
import orjson
import pytest

from horarium.tasks import stream_broker
from horarium.tasks.message import TaskMessage
from tests.support.streams import ours
from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from horarium.tasks.delivery import Delivery
    from horarium.tasks.stream_broker import StreamBroker

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def late_orphans(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing becomes an orphan by itself while a test lasts."""
    monkeypatch.setattr(stream_broker, "ORPHAN_SECONDS", 600.0)
    monkeypatch.setattr(stream_broker, "BLOCK_MS", 50)


async def send(broker: StreamBroker, times: int) -> list[str]:
    sent = [TaskMessage(uuid4(), 1, 7, "echo", "cron", None, {}, "default", 5) for _ in range(times)]
    await broker.publish(sent)
    return [str(each.execution_id) for each in sent]


@asynccontextmanager
async def listening(broker: StreamBroker) -> AsyncIterator[AsyncGenerator[Delivery, None]]:
    async with aclosing(cast("AsyncGenerator[Delivery, None]", broker.listen())) as deliveries:
        yield deliveries


async def take(deliveries: AsyncGenerator[Delivery, None]) -> tuple[str, Delivery]:
    with anyio.fail_after(WAIT_SECONDS):
        delivery = await anext(deliveries)
    return str(orjson.loads(delivery.data)["task_id"]), delivery


async def test_what_was_read_and_not_handed_on_is_delivered_elsewhere_at_once(redis_db: str) -> None:
    async with ours(redis_db, "a") as a, ours(redis_db, "b") as b:
        first, second, third = await send(a, 3)
        async with listening(a) as at_a:
            taken, _ = await take(at_a)
        async with listening(b) as at_b:
            elsewhere = [(await take(at_b))[0] for _ in range(2)]

    assert taken == first
    assert elsewhere == [second, third]


async def test_a_delivery_that_is_released_is_delivered_elsewhere_at_once(redis_db: str) -> None:
    async with ours(redis_db, "a") as a, ours(redis_db, "b") as b, listening(a) as at_a:
        (sent,) = await send(a, 1)
        _, delivery = await take(at_a)
        await delivery.release()
        async with listening(b) as at_b:
            elsewhere, _ = await take(at_b)

    assert elsewhere == sent


async def test_a_delivery_can_be_released_though_the_stream_is_gone(redis_db: str) -> None:
    async with ours(redis_db, "a") as a, listening(a) as at_a:
        await send(a, 1)
        _, delivery = await take(at_a)
        await a._redis.flushdb()

        await delivery.release()

        (sent,) = await send(a, 1)
        assert (await take(at_a))[0] == sent
