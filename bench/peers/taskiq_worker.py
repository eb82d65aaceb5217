"""What `taskiq worker` runs in `bench/worker.py`: taskiq's own broker and result backend, as its users set them up.

BENCH_BROKER is the URL of a Redis or a RabbitMQ, BENCH_RESULTS that of the Redis database which gets the results. Set
up with care: JSON results, a consumer group that reads what was sent before it, and on RabbitMQ as many unacknowledged
messages as tasks may run at once, where 10 is the default.
"""

from __future__ import annotations

import asyncio
import os
import sys

from taskiq.serializers import JSONSerializer
from taskiq_aio_pika import AioPikaBroker
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

CONCURRENCY = int(os.environ.get("BENCH_CONCURRENCY", "100"))
PAGE = 40
URL = os.environ["BENCH_BROKER"]

results: RedisAsyncResultBackend[None] = RedisAsyncResultBackend(
    os.environ["BENCH_RESULTS"], result_ex_time=3600, serializer=JSONSerializer()
)
broker = (
    AioPikaBroker(URL, qos=CONCURRENCY) if URL.startswith("amqp") else RedisStreamBroker(URL, consumer_id="0")
).with_result_backend(results)


@broker.task(task_name="noop")
async def noop() -> None:
    """Do nothing."""


async def fill(tasks: int) -> None:
    """Kick so many tasks."""
    await broker.startup()
    for first in range(0, tasks, PAGE):
        await asyncio.gather(*(noop.kiq() for _ in range(min(PAGE, tasks - first))))
    await broker.shutdown()


if __name__ == "__main__":  # `python taskiq_worker.py TASKS`
    asyncio.run(fill(int(sys.argv[1])))
