"""An application behind the door of the API, and clients that sit at its sockets as they please."""

from __future__ import annotations

import asyncio
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

import anyio
from aiohttp import web

from horarium.http.connections import Door
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import SocketStream

    from horarium.http.connections import Connection, Looked

__all__ = ["Server", "a_door"]


class Server:
    """A door with a listening socket, and clients for it."""

    def __init__(self, door: Door, server: web.Server, address: tuple[str, int]) -> None:
        self.door = door
        self.server = server
        self.address = address

    async def connect(self, receive_buffer: int | None = None) -> SocketStream:
        """A client that the server knows of, or has turned away."""
        before = self._came
        made = socket.socket()
        if receive_buffer:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, self.address)
        client = await anyio.abc.SocketStream.from_socket(made)

        async def one_more() -> bool:
            return self._came > before

        await eventually(one_more)
        return client

    @property
    def _came(self) -> int:
        """How many clients are here, and how many were turned away since the last look."""
        return len(self.server.connections) + self.door._refused

    def look(self, times: int) -> list[Looked]:
        """Look so often at all connections."""
        return [self.door.look() for _ in range(times)]

    async def has_heard(self, count: int) -> bool:
        """Wait until so many bytes of its only client's head have come."""
        (connection,) = cast("list[Connection]", self.server.connections)

        async def so_many() -> bool:
            return connection._head_bytes == count

        return await eventually(so_many)

    async def is_busy(self) -> bool:
        """Wait until a request is under way."""

        async def busy() -> bool:
            return self.server.requests_count > 0

        return await eventually(busy)

    async def is_stuck(self) -> bool:
        """Wait until the connection of its only client takes no more."""
        (connection,) = cast("list[Connection]", self.server.connections)

        async def full() -> bool:
            return connection._paused

        return await eventually(full)

    async def holds(self, count: int) -> bool:
        """Wait until there are so many connections."""

        async def so_many() -> bool:
            return len(self.server.connections) == count

        return await eventually(so_many)


@asynccontextmanager
async def a_door(app: web.Application, limit: int) -> AsyncIterator[Server]:
    """The application, served to so many clients at once."""
    runner = web.AppRunner(app)
    await runner.setup()
    assert runner.server is not None
    door = Door(runner.server, limit)
    listener = await asyncio.get_running_loop().create_server(door, "127.0.0.1", 0)
    try:
        yield Server(door, runner.server, listener.sockets[0].getsockname())
    finally:
        listener.close()
        await runner.cleanup()
