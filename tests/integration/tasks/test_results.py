"""The result of a kicked task, as `wait_result()` finds it; what `taskiq` itself reads is the oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import orjson
import pytest
from redis.asyncio import Redis
from taskiq import AsyncTaskiqTask, TaskiqResult
from taskiq.serializers import JSONSerializer
from taskiq_redis import RedisAsyncResultBackend

from horarium.errors import Unavailable
from horarium.keyspace.keys import Keys
from horarium.tasks import results as module
from horarium.tasks.results import RESULT_SECONDS, Results
from tests.support.tasks import ODD
from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio


@pytest.fixture
async def results(redis_url: str, redis_prefix: str) -> AsyncIterator[Results]:
    made = Results(redis_url, Keys(redis_prefix))
    yield made
    await made.shutdown()


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


async def test_who_kicked_a_task_gets_its_result(results: Results) -> None:
    task: AsyncTaskiqTask[Any] = AsyncTaskiqTask("one", results)

    await results.set_result("one", succeeded({"sent": 3}))
    found = await task.wait_result(timeout=WAIT_SECONDS)

    assert (found.is_err, found.return_value, found.labels) == (False, {"sent": 3}, {"queue": "default"})


async def test_stock_taskiq_reads_it(results: Results, redis_url: str, redis_prefix: str) -> None:
    stock: RedisAsyncResultBackend[Any] = RedisAsyncResultBackend(
        redis_url, serializer=JSONSerializer(), prefix_str=f"{redis_prefix}result"
    )
    failed = TaskiqResult[Any](is_err=True, return_value=None, execution_time=0.1, error=ValueError("no such report"))

    await results.set_result("one", failed)
    found = await stock.get_result("one")
    await stock.shutdown()

    assert (found.is_err, repr(found.error)) == (True, "ValueError('no such report')")


async def test_results_of_one_moment_are_written_together_and_run_out(
    results: Results, redis: Redis, redis_prefix: str
) -> None:
    names = [f"{redis_prefix}result:{n}" for n in range(3)]

    async with anyio.create_task_group() as group:
        for n in range(3):
            group.start_soon(results.set_result, str(n), succeeded(n))

    kept = [orjson.loads(text)["return_value"] for text in await redis.mget(names) if text]
    assert kept == [0, 1, 2]
    assert 0 < await redis.ttl(names[0]) <= RESULT_SECONDS


async def test_a_run_that_a_config_has_made_leaves_no_copy_in_redis(
    results: Results, redis: Redis, redis_prefix: str
) -> None:
    """Nobody can wait for it, and the ledger has its result."""
    await results.set_result("one", succeeded("done", config_id=7))
    await results.set_result("two", succeeded("done"))

    assert await redis.keys(f"{redis_prefix}result:*") == [f"{redis_prefix}result:two".encode()]


@pytest.mark.parametrize("kind", ["a set", "nothing one can say", "huge", "a large integer", "nothing"])
async def test_a_value_that_is_no_json_is_a_result_all_the_same(results: Results, kind: str) -> None:
    await results.set_result("one", succeeded(ODD[kind]))

    assert await results.is_result_ready("one")
    assert (await results.get_result("one")).is_err is False


async def test_a_redis_that_is_away_is_told_as_such() -> None:
    results = Results("redis://127.0.0.1:1/0", Keys())

    with pytest.raises(Unavailable):
        await results.set_result("one", succeeded("done"))

    await results.shutdown()


async def test_a_redis_that_hangs_has_a_bounded_number_of_results_wait(
    results: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each that is kept waits two seconds for it, and whoever is busy makes hundreds meanwhile."""
    monkeypatch.setattr(module, "MOST_WAITING", 2)

    async def hangs(**_: object) -> None:
        await anyio.sleep_forever()

    monkeypatch.setattr(results, "_store", hangs)
    async with anyio.create_task_group() as group:
        for number in range(3):
            group.start_soon(results.set_result, str(number), succeeded(number))
            await anyio.wait_all_tasks_blocked()

        with pytest.raises(Unavailable):
            await results.set_result("one too many", succeeded("done"))
        group.cancel_scope.cancel()


def succeeded(value: Any, **labels: Any) -> TaskiqResult[Any]:
    return TaskiqResult(is_err=False, return_value=value, execution_time=0.1, labels={"queue": "default", **labels})
