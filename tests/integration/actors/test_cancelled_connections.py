"""The pools that all actors share, cut off while a connection is made, waited for and handed on; and what sees a fault.

A check that never goes red proves nothing: the last tests break the pools on purpose.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg
import pytest
from redis.asyncio.connection import AbstractConnection

from horarium.errors import Unavailable
from horarium.keyspace import pool as redis_pool
from horarium.sql import database as postgres_pool
from tests.support.pools import postgres_is_sound, redis_is_sound
from tests.support.scenes import OnARig, checkpoints_of

if TYPE_CHECKING:
    from tests.support.rig import Rig

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("in_silence")]

FEW = 2
USERS = 4  # of either pool at once: some wait for what others hold


@pytest.fixture(autouse=True)
def few_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that actors wait for what others hold."""
    monkeypatch.setattr(postgres_pool, "MAX_CONNECTIONS", FEW)
    monkeypatch.setattr(redis_pool, "MAX_CONNECTIONS", FEW)


@pytest.fixture
def rig(relayed_rig: Rig) -> Rig:
    return relayed_rig


@dataclass
class ConnectionsAreMade(OnARig):
    """One question to either server, over a connection that is not there yet."""

    async def prepare(self) -> None:
        assert self.rig.database._pool is not None
        await self.rig.database._pool.expire_connections()
        await self.rig.redis.connection_pool.disconnect()

    async def step(self) -> None:
        await ask_postgres(self.rig)
        await ask_redis(self.rig)

    async def then(self) -> None:
        await self.step()


@dataclass
class ConnectionsAreShared(OnARig):
    """More users than connections, each of which must be told what it asked for."""

    async def prepare(self) -> None:
        pass

    async def step(self) -> None:
        async with anyio.create_task_group() as users:
            for _ in range(USERS):
                users.start_soon(ask_postgres, self.rig)
                users.start_soon(ask_redis, self.rig)

    async def then(self) -> None:
        await self.step()


async def ask_postgres(rig: Rig) -> None:
    asked = uuid.uuid4().hex
    async with rig.database.transaction() as connection:
        assert await connection.fetchval("SELECT $1::text", asked) == asked


async def ask_redis(rig: Rig) -> None:
    asked = uuid.uuid4().hex
    async with rig.redis.pipeline(transaction=True) as pipe:
        pipe.echo(asked)
        pipe.get(asked)
        assert await pipe.execute() == [asked.encode(), None]


async def test_a_connection_whose_making_is_cancelled_anywhere_is_made_by_the_next(rig: Rig) -> None:
    assert await checkpoints_of(ConnectionsAreMade(rig)) > 14


async def test_users_of_few_connections_cancelled_anywhere_get_their_own_answers(rig: Rig) -> None:
    assert await checkpoints_of(ConnectionsAreShared(rig)) > 25


# What sees a fault


async def test_a_connection_to_postgres_that_is_not_handed_back_is_missed(rig: Rig) -> None:
    async with rig.database.connection():
        with pytest.raises(TimeoutError):
            await postgres_is_sound(rig.database, within=1)


async def test_a_connection_to_redis_that_is_not_handed_back_is_missed(rig: Rig) -> None:
    connection = await rig.redis.connection_pool.get_connection()

    with pytest.raises(AssertionError, match="after 1 s"):
        await redis_is_sound(rig.redis.connection_pool, within=1)
    await rig.redis.connection_pool.release(connection)


async def test_an_answer_that_nobody_read_is_noticed(rig: Rig) -> None:
    connection = await rig.redis.connection_pool.get_connection()
    await connection.send_command("ECHO", "for somebody else")
    await rig.redis.connection_pool.release(connection)

    with pytest.raises(AssertionError, match="for somebody else"):
        await redis_is_sound(rig.redis.connection_pool)
    await rig.redis.connection_pool.disconnect()


async def test_a_client_that_keeps_a_cancelled_connection_is_caught(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def goes_on(*_: Any, **__: Any) -> None:
        """Keep the connection, as redis-py once did."""

    scene = ConnectionsAreShared(rig)
    with monkeypatch.context() as broken:
        broken.setattr(AbstractConnection, "disconnect", goes_on)
        with pytest.raises((AssertionError, ExceptionGroup)):
            await checkpoints_of(scene)
    await rig.redis.connection_pool.disconnect()


async def test_a_pool_that_gives_up_a_cancelled_release_is_caught(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    async def unshielded(_: asyncpg.Pool[Any], connection: Any, *, timeout: float | None = None) -> None:
        await anyio.lowlevel.checkpoint()
        await connection._holder.release(timeout)

    scene = ConnectionsAreShared(rig)
    with monkeypatch.context() as broken:
        broken.setattr(asyncpg.Pool, "release", unshielded)
        with pytest.raises((TimeoutError, Unavailable)):  # nobody lets go, or somebody lets go twice
            await checkpoints_of(scene)
