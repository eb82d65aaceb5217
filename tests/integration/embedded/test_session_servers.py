from __future__ import annotations

import asyncpg
import pytest
import redis.asyncio

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("turn", [1, 2])
async def test_every_test_gets_an_empty_database(database_url: str, turn: int) -> None:
    connection = await asyncpg.connect(database_url)

    await connection.execute(f"CREATE TABLE mark AS SELECT {turn} AS turn")  # fails where another turn left its table

    await connection.close()


@pytest.mark.parametrize("turn", [1, 2])
async def test_every_test_gets_an_empty_redis(redis_db: str, turn: int) -> None:
    async with redis.asyncio.Redis.from_url(redis_db) as client:
        assert await client.dbsize() == 0

        await client.set("mark", turn)


@pytest.mark.parametrize("turn", [1, 2])
async def test_every_test_gets_a_prefix_of_its_own(redis_url: str, redis_prefix: str, turn: int) -> None:
    async with redis.asyncio.Redis.from_url(redis_url) as client:
        assert await client.set(f"{redis_prefix}mark", turn, nx=True)
