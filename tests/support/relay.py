"""A Redis that is a network away: between a command and its answer the event loop always turns a few times.

A Redis on this machine has often answered by the time its client comes to read, and then nothing waits for the answer
and nothing can be cancelled there. The relay passes everything on as it comes, in the test's own event loop.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

__all__ = ["relayed"]

READ_BYTES = 65_536


@asynccontextmanager
async def relayed(redis_url: str) -> AsyncIterator[str]:
    """The URL of the same database of the same Redis, through the relay; `redis_url` is that of a Unix socket."""
    there = urlsplit(redis_url)
    (db,) = parse_qs(there.query).get("db", ["0"])
    serving: dict[asyncio.Task[None], asyncio.StreamWriter] = {}

    async def serve(from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        # asyncio's streams: anyio's over a Unix socket set a future that has just been cancelled, an error of the loop
        from_redis, to_redis = await asyncio.open_unix_connection(unquote(there.path))
        serving[asyncio.current_task()] = to_client
        await asyncio.gather(_pass_on(from_client, to_redis), _pass_on(from_redis, to_client))
        del serving[asyncio.current_task()]

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/{db}"
    finally:
        server.close()
        for client in serving.values():
            client.close()
        await asyncio.gather(*serving)


async def _pass_on(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    """Pass on what comes until one of the two is closed, and close the other."""
    with suppress(ConnectionError):
        while data := await source.read(READ_BYTES):
            sink.write(data)
            await sink.drain()
    sink.close()
