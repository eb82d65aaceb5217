"""Reads that are gathered: everybody gets what is theirs, as of when they asked, whoever is cancelled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import pytest

from horarium.errors import Unavailable
from horarium.keyspace.gathered import GatheredReads
from horarium.keyspace.pool import connect

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

pytestmark = pytest.mark.anyio


@pytest.fixture
async def redis(redis_db: str) -> AsyncIterator[Redis]:
    client = connect(redis_db)
    yield client
    await client.aclose()
    await client.connection_pool.disconnect()


class Counted:
    """Stands before a Redis: notes the keys of each call, and holds answers back until it is told to go on."""

    def __init__(self, redis: Redis, *, go_on: bool = True) -> None:
        self._redis = redis
        self.calls: list[list[str]] = []
        self.answered = anyio.Event()
        self.go_on = anyio.Event()
        if go_on:
            self.go_on.set()

    async def mget(self, keys: list[str]) -> Any:
        self.calls.append(list(keys))
        values = await self._redis.mget(keys)
        self.answered.set()
        await self.go_on.wait()
        return values


async def test_readers_of_one_turn_are_one_call_and_each_gets_its_own(redis: Redis) -> None:
    await redis.mset({f"key {number}": f"value {number}" for number in range(50)})
    counted = Counted(redis)
    reads = GatheredReads(counted)  # type: ignore[arg-type]  # the one command that it sends
    found: dict[int, bytes | None] = {}

    async def read(number: int) -> None:
        found[number] = await reads.get(f"key {number}")

    async with anyio.create_task_group() as readers:
        for number in range(60):
            readers.start_soon(read, number)

    assert len(counted.calls) == 1
    assert found == {number: f"value {number}".encode() if number < 50 else None for number in range(60)}


async def test_a_reader_who_comes_while_a_call_is_under_way_gets_what_is_there_by_then(redis: Redis) -> None:
    """Else a logout that has returned could be overlooked by the request after it."""
    await redis.set("user", "before")
    held = Counted(redis, go_on=False)
    reads = GatheredReads(held)  # type: ignore[arg-type]  # as above
    found: list[bytes | None] = []

    async def read() -> None:
        found.append(await reads.get("user"))

    async with anyio.create_task_group() as readers:
        readers.start_soon(read)
        await held.answered.wait()
        await redis.set("user", "after")
        readers.start_soon(read)
        await anyio.wait_all_tasks_blocked()
        held.go_on.set()

    assert sorted(found, key=str) == [b"after", b"before"]
    assert held.calls == [["user"], ["user"]]


@pytest.mark.parametrize("during", ["the turn", "the call"])
async def test_when_the_first_reader_is_cancelled_the_others_are_answered_all_the_same(
    redis: Redis, during: str
) -> None:
    await redis.set("user", "there")
    held = Counted(redis, go_on=False)
    reads = GatheredReads(held)  # type: ignore[arg-type]  # as above
    found: list[bytes | None] = []
    first = anyio.CancelScope()

    async def read(scope: anyio.CancelScope) -> None:
        with scope:
            found.append(await reads.get("user"))

    async with anyio.create_task_group() as readers:
        for scope in (first, anyio.CancelScope(), anyio.CancelScope()):
            readers.start_soon(read, scope)
        if during == "the call":
            await held.answered.wait()
        first.cancel()
        held.go_on.set()

    assert found == [b"there", b"there"]


async def test_with_redis_away_all_of_them_learn_it_and_the_next_one_asks_anew(redis: Redis) -> None:
    reads = GatheredReads(connect("redis://127.0.0.1:1/0"))
    refused: list[Unavailable] = []

    async def read() -> None:
        with pytest.raises(Unavailable) as away:
            await reads.get("user")
        refused.append(away.value)

    async with anyio.create_task_group() as readers:
        for _ in range(5):
            readers.start_soon(read)

    assert len({id(error) for error in refused}) == 5
    reads._redis = redis
    assert await reads.get("user") is None
