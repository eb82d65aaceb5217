"""Serves HTTP: the last to start, since it answers for all others, and the first to stop.

aiohttp's own runner does the serving; `run_app` would take the signals, which are the supervisor's. Who may hold a
connection, and for how long, is for the door to say (`http/connections.py`). The API asks itself now and then whether
it still answers. While the event loop is blocked, a stand-in does.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING

import anyio
import structlog
from aiohttp import web

from horarium.asking import keep_asking
from horarium.errors import ConfigurationError
from horarium.http.connections import Door, connection_limit
from horarium.http.stand_in import StandIn

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncIterator, Callable, Sequence

    from anyio.abc import TaskStatus

    from horarium.http.liveness import Liveness
    from horarium.supervisor import ChildContext

__all__ = ["Api", "cannot_listen"]

log = structlog.get_logger(__name__)

SHUTDOWN_SECONDS = 2.0
"""How long requests under way may take once the API stops."""

BACKLOG = 1024
"""Clients that the kernel lets wait for us, all at once after a hiccup; past that they try again after a second."""

EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - not bound to here: where such an API is reached
NO_ANSWER = (OSError, anyio.EndOfStream, anyio.BrokenResourceError)


class Api:
    """The actor; `listening` is told the port once it is bound."""

    def __init__(
        self,
        make_app: Callable[[], web.Application],
        host: str,
        port: int,
        listening: Callable[[int], None],
        liveness: Liveness,
    ) -> None:
        self._make_app = make_app
        self._host = host
        self._port = port
        self._listening = listening
        self._liveness = liveness

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Serve until asked to stop."""
        runner = web.AppRunner(self._make_app(), handle_signals=False, shutdown_timeout=SHUTDOWN_SECONDS)
        await runner.setup()
        assert runner.server is not None, "made by setup"  # noqa: S101 - aiohttp's own promise
        door = Door(runner.server, connection_limit())
        try:
            async with self._bound(door) as sockets, anyio.create_task_group() as group:
                group.start_soon(door.watch)
                await group.start(StandIn(self._liveness, sockets).run)
                group.start_soon(keep_asking, context, partial(_ask, *sockets[0].getsockname()[:2]), NO_ANSWER)
                task_status.started()
                await context.stopping.wait()
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await runner.cleanup()

    @asynccontextmanager
    async def _bound(self, door: Door) -> AsyncIterator[Sequence[socket.socket]]:
        """Listen; the sockets. Without a site of aiohttp's, which would keep them to itself."""
        try:
            server = await asyncio.get_running_loop().create_server(door, self._host, self._port, backlog=BACKLOG)
        except OSError as error:
            raise cannot_listen(self._host, self._port, error) from error
        try:
            self._port = server.sockets[0].getsockname()[1]  # a free port was asked for: keep it over restarts
            log.info("api.listening", host=self._host, port=self._port)
            self._listening(self._port)
            yield server.sockets
        finally:
            server.close()


async def _ask(host: str, port: int) -> None:
    """Get an answer from the API, whatever it is, as a client on this machine does."""
    async with await anyio.connect_tcp(EVERYWHERE.get(host, host), port) as stream:
        await stream.send(b"GET /livez HTTP/1.1\r\nHost: horarium\r\nConnection: close\r\n\r\n")
        await stream.receive()


def cannot_listen(host: str, port: int, error: OSError) -> ConfigurationError:
    """The refusal of an address; in the system's own words, which `socket` and asyncio each wrap in theirs."""
    number = error.errno or 0  # a name that does not resolve has a number below zero, of another kind
    why = os.strerror(number) if number > 0 else error.strerror or str(error)
    return ConfigurationError(f"cannot listen on {host}:{port}: {why}; choose another with --port")
