"""Redis is flushed, stands still or is killed: the stream says so, comes back, and hides no gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from anyio.to_thread import run_sync

from horarium.embedded import DataDir, EmbeddedRedis
from tests.support.listening import Listener, listening
from tests.support.private_servers import private_server
from tests.support.servers import temporary_data_dir
from tests.support.tree import a_tree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio.from_thread import BlockingPortal

    from tests.support.private_servers import PrivateServer
    from tests.support.tree import House

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


@pytest.fixture
def own_redis(server_portal: BlockingPortal) -> Iterator[PrivateServer]:
    with temporary_data_dir() as path, DataDir(path), private_server(server_portal, EmbeddedRedis, path) as server:
        yield server


async def goes_on(house: House, heard: Listener) -> None:
    """A new event is heard."""
    config = await house.config()
    await heard.hears("config", config_id=config, action="created")


async def test_a_flush_is_told_as_a_reset_and_the_stream_goes_on(
    emptied_ledger: str, redis_db: str, redis_prefix: str
) -> None:
    async with a_tree(emptied_ledger, redis_db, redis_prefix) as house, listening(house) as heard:
        await goes_on(house, heard)

        await house.resources.redis.flushdb()
        await heard.hears("reset")

        await goes_on(house, heard)


async def test_who_resumes_from_before_a_flush_is_told_to_begin_anew(
    emptied_ledger: str, redis_db: str, redis_prefix: str
) -> None:
    async with a_tree(emptied_ledger, redis_db, redis_prefix) as house:
        async with listening(house) as before:
            await goes_on(house, before)
        async with listening(house) as witness:
            await house.resources.redis.flushdb()
            await witness.hears("reset")
        async with listening(house, last_id=before.last_id) as after:
            await after.hears("reset")
            await goes_on(house, after)


async def test_a_redis_that_stands_still_is_told_as_away_and_nothing_is_missing_afterwards(
    emptied_ledger: str, own_redis: PrivateServer, redis_prefix: str
) -> None:
    async with a_tree(emptied_ledger, own_redis.server.url, redis_prefix) as house, listening(house) as heard:
        await goes_on(house, heard)
        with own_redis.frozen():
            await heard.hears("away")
        await heard.hears("back")
        await goes_on(house, heard)

    assert not heard.of("reset")
    assert [each.id for each in heard.events if each.event in ("away", "back")] == [None, None]


async def test_a_redis_that_is_killed_and_started_again_is_told_and_the_stream_goes_on(
    emptied_ledger: str, own_redis: PrivateServer, redis_prefix: str
) -> None:
    """Its last second may be gone: then a reset says so; what is told afterwards is heard in any case."""
    async with a_tree(emptied_ledger, own_redis.server.url, redis_prefix) as house, listening(house) as heard:
        await goes_on(house, heard)
        await run_sync(own_redis.kill)
        await heard.hears("away")
        await run_sync(own_redis.start)
        await heard.hears("back")
        await goes_on(house, heard)
