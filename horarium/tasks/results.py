"""Where the result of a task that was kicked is found: `await my_task.kiq(...)`, then `wait_result()`.

taskiq-redis' own result backend, with three differences: JSON instead of pickle, the results of tasks that end at the
same moment written in one round trip, and a value that JSON lacks kept by its repr, as the ledger keeps it.

Postgres has the truth: a result here is for whoever holds the handle that `kiq` returned, and runs out after an hour.
Nobody holds one of a run that a config has made. Its result is in the ledger, and a copy of it would fill Redis with
what nobody reads, at 500 ticks a second with a gigabyte. It is passed over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from redis.asyncio import Redis
from taskiq.serializers import JSONSerializer
from taskiq_redis import RedisAsyncResultBackend

from horarium.errors import Unavailable
from horarium.keyspace.packing import pack_quickly
from horarium.keyspace.pool import ACQUIRE_SECONDS, connection_options, redis_errors
from horarium.keyspace.scripts import script
from horarium.sql.executions import described
from horarium.tasks.batching import Batcher

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from taskiq import TaskiqResult

    from horarium.keyspace.keys import Keys

__all__ = ["Results"]

RESULT_SECONDS = 3600
"""How long a result is kept for whoever has kicked the task."""

MAX_CONNECTIONS = 8
MOST_WAITING = 2000
"""Results that wait for a Redis that hangs; those who have given up waiting for theirs included. More are refused."""


class Results(RedisAsyncResultBackend[Any]):
    """The result backend of Horarium's own brokers; nothing connects before the first result."""

    def __init__(self, url: str, keys: Keys) -> None:
        super().__init__(
            url,
            result_ex_time=RESULT_SECONDS,
            max_connection_pool_size=MAX_CONNECTIONS,
            serializer=JSONSerializer(),
            prefix_str=keys.results,
            timeout=ACQUIRE_SECONDS,
            **cast("dict[str, Any]", connection_options()),
        )
        pack_quickly(self.redis_pool)
        self._store = script(Redis(connection_pool=self.redis_pool), "result_store")
        self._writes: Batcher[tuple[str, str], None] = Batcher(self._write_all)

    @staticmethod
    def keeps(labels: Mapping[str, Any]) -> bool:
        """Whether the result of a message with these labels is kept."""
        return labels.get("config_id") is None

    async def set_result(self, task_id: str, result: TaskiqResult[Any]) -> None:
        """Keep the result of a task that was kicked; raises Unavailable when Redis is away, or far behind."""
        if self.keeps(result.labels):
            if self._writes.waiting >= MOST_WAITING:
                raise Unavailable("Redis")
            await self._writes.submit((self._task_name(task_id), result.model_dump_json(fallback=described)))

    async def _write_all(self, results: Sequence[tuple[str, str]]) -> list[None]:
        names, texts = zip(*results, strict=True)
        with redis_errors():
            await self._store(keys=names, args=[RESULT_SECONDS, *texts])
        return [None] * len(results)
