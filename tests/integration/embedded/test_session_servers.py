from __future__ import annotations

import asyncpg
import pytest
import redis.asyncio

from tests.support.servers import NOT_DURABLE

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.mark.parametrize("turn", [1, 2])
async def test_every_test_gets_a_database_without_a_row(database_url: str, turn: int) -> None:
    connection = await asyncpg.connect(database_url)

    assert await connection.fetchval("SELECT count(*) FROM users") == 0
    await connection.execute("INSERT INTO users (username, role, password_hash) VALUES ($1, 'viewer', '!')", str(turn))

    await connection.close()


@pytest.mark.parametrize("turn", [1, 2])
async def test_a_test_can_have_an_empty_database(empty_url: str, turn: int) -> None:
    connection = await asyncpg.connect(empty_url)

    assert await connection.fetchval("SELECT to_regclass('users')") is None
    await connection.execute(f"CREATE TABLE users AS SELECT {turn} AS turn")

    await connection.close()


async def test_the_sessions_postgres_does_not_wait_for_the_disk(database_url: str) -> None:
    connection = await asyncpg.connect(database_url)

    assert [await connection.fetchval(f"SHOW {setting}") for setting in NOT_DURABLE] == ["off", "off", "off"]

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
