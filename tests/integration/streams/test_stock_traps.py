"""The traps of taskiq-redis beside its broker: what its schedule source and its result backend do by default.

Ours have no counterpart here. Schedules are configs in Postgres, and what is due is read from one sorted set, at a cost
that grows with what is due (bench/burst.py); results are JSON in the ledger. What is on our wire is JSON, as shown.
"""

from __future__ import annotations

import pickletools
from typing import TYPE_CHECKING
from uuid import uuid4

import orjson
import pytest
from taskiq import TaskiqResult
from taskiq_redis import RedisAsyncResultBackend, RedisScheduleSource

from horarium.keyspace.keys import Keys
from horarium.tasks.message import TaskMessage
from horarium.tasks.stream_broker import StreamBroker

if TYPE_CHECKING:
    from redis.asyncio import Redis

pytestmark = pytest.mark.anyio


async def test_the_stock_schedule_source_walks_over_every_key_at_every_poll(redis_db: str, redis: Redis) -> None:
    await redis.mset({f"of somebody else:{n}": n for n in range(2000)})
    with pytest.warns(DeprecationWarning, match="deprecated"):
        source = RedisScheduleSource(redis_db)
    await redis.config_resetstat()

    assert await source.get_schedules() == []

    assert (await redis.info("commandstats"))["cmdstat_scan"]["calls"] > 100
    await source.shutdown()


async def test_the_stock_result_backend_writes_pickles(redis_db: str, redis: Redis) -> None:
    backend: RedisAsyncResultBackend[int] = RedisAsyncResultBackend(redis_db)
    await backend.set_result("x", TaskiqResult(is_err=False, return_value=1, execution_time=0.1))
    await backend.shutdown()

    stored = await redis.get("x")

    assert next(pickletools.genops(stored))[0].name == "PROTO"


async def test_what_we_write_is_json(redis_db: str, redis: Redis) -> None:
    broker = StreamBroker(redis_db, Keys())
    sent = TaskMessage(uuid4(), 1, 7, "echo", "cron", None, {"message": "hello"}, "default", 5)
    await broker.publish([sent])
    await broker.register_task(lambda: None, task_name="kicked").kicker().with_labels(delay=60).kiq()
    await broker.shutdown()

    [(_, entry)] = await redis.xrange(Keys().queue("default"))
    [delayed] = await redis.zrange(Keys().delayed("default"), 0, -1)

    assert orjson.loads(entry[b"data"])["kwargs"] == {"message": "hello"}
    assert orjson.loads(delayed[32:])["task_name"] == "kicked"
