"""A Redis that answers, and takes no writes: it is waited for like one that is away, by scripts and readers as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from horarium.embedded import DataDir, EmbeddedRedis
from horarium.errors import Unavailable
from horarium.keyspace.pool import connect
from tests.support.private_servers import private_server
from tests.support.servers import temporary_data_dir
from tests.support.streams import id_of, listening, message, ours, take
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from anyio.from_thread import BlockingPortal
    from redis.asyncio import Redis

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]

NOWHERE = ("REPLICAOF", "127.0.0.1", "1")
REFUSING = {
    "its memory is full": [("CONFIG", "SET", "maxmemory", "1")],
    "it has too few replicas": [("CONFIG", "SET", "min-replicas-to-write", "1")],
    "it is a replica": [NOWHERE],
    "it is a replica that is behind": [("CONFIG", "SET", "replica-serve-stale-data", "no"), NOWHERE],
}


@pytest.fixture
def own_redis(server_portal: BlockingPortal) -> Iterator[str]:
    with temporary_data_dir() as path, DataDir(path), private_server(server_portal, EmbeddedRedis, path) as server:
        yield server.server.url


@pytest.fixture
async def redis(own_redis: str) -> AsyncIterator[Redis]:
    client = connect(own_redis)
    yield client
    await client.aclose()


@pytest.mark.parametrize("trouble", REFUSING)
async def test_what_it_does_not_take_of_a_script_is_an_absence(own_redis: str, redis: Redis, trouble: str) -> None:
    async with ours(own_redis) as broker:
        for command in REFUSING[trouble]:
            await redis.execute_command(*command)

        with pytest.raises(Unavailable):
            await broker.publish([message()])


async def test_a_worker_that_waits_for_messages_waits_on_while_it_fails_over(own_redis: str, redis: Redis) -> None:
    """It would end otherwise, and give back what it runs."""
    sent = message()

    async def waits() -> bool:
        return bool((await redis.info("clients"))["blocked_clients"])

    async with ours(own_redis) as broker, listening(broker) as messages, anyio.create_task_group() as group:

        async def is_taken() -> None:
            assert id_of(await take(messages)) == str(sent.execution_id)

        group.start_soon(is_taken)
        await eventually(waits)
        await redis.execute_command(*NOWHERE)
        await redis.execute_command("REPLICAOF", "NO", "ONE")
        await broker.publish([sent])
