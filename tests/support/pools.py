"""Whether the pools are sound: every connection is there to be had, and each answers what it is asked.

A connection that was handed back in the middle of a command has that command's answer still to come, and gives it to
whoever asks next. So each one is asked for a text that nobody else can know, and must answer that.
"""

from __future__ import annotations

import uuid
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import anyio

from tests.support.waiting import WAIT_SECONDS, eventually

if TYPE_CHECKING:
    from redis.asyncio import ConnectionPool

    from horarium.sql.database import Database

__all__ = ["postgres_is_sound", "redis_is_sound"]


async def postgres_is_sound(database: Database, *, within: float = WAIT_SECONDS) -> None:
    """Have all connections of the pool at once, and ask each.

    What was cancelled may go on behind a shield for a moment; a connection that is lost does not come back at all.
    """
    assert database._pool is not None
    with anyio.fail_after(within):  # around the connections, which take a TimeoutError for a server away
        async with AsyncExitStack() as stack:
            every = range(database._pool.get_max_size())
            for connection in [await stack.enter_async_context(database.connection()) for _ in every]:
                asked = uuid.uuid4().hex
                answer = await connection.fetchval("SELECT $1::text", asked)
                assert answer == asked, f"asked for {asked}, answered {answer}"


async def redis_is_sound(pool: ConnectionPool, *, within: float = WAIT_SECONDS) -> None:
    """Wait until no connection is in use, and ask each.

    Not through the pool: it throws away a connection that has something to read, if that has come in already.
    """

    async def none_in_use() -> bool:
        return not pool._in_use_connections

    await eventually(none_in_use, within=within)
    for connection in pool._available_connections:
        asked = uuid.uuid4().hex
        await connection.send_command("ECHO", asked, check_health=False)
        answer = await connection.read_response()
        assert answer == asked.encode(), f"asked for {asked}, answered {answer}"
