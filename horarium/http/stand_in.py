"""Answers in the API's place while the event loop is blocked: 503 to everybody, from a thread.

A blocked loop accepts no connection, so whoever asks whether the process lives waits until it gives up, and learns
nothing. The stand-in holds duplicates of the API's listening sockets. It touches them only once liveness is lost, and
looks again right before it accepts: a healthy loop keeps its clients. When the loop is back, the stand-in finishes
the answers it has begun and is idle again. Connections that the loop had already accepted wait for the loop.

Clients are taken by a fixed number of hosts, each for a bounded time, so a client that says nothing holds up nobody.
Nothing here writes to the log: what blocks the loop may hold the log's lock. That is also why the thread's own event
loop is made before it is needed, since asyncio says on the log that it has made one.
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from contextlib import ExitStack, suppress
from functools import partial
from typing import TYPE_CHECKING

import anyio
from anyio import TASK_STATUS_IGNORED, CapacityLimiter, from_thread, to_thread

from horarium.errors import Stalled
from horarium.http.headers import raw_problem
from horarium.http.problems import BUSY_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from _typeshed import HasFileno
    from anyio.abc import TaskStatus

    from horarium.http.liveness import Liveness

__all__ = ["StandIn"]

LOOK_SECONDS = 0.2
HEAD_SECONDS = 1.0
"""How long a client may take to send its request's head; then it is answered without."""
HEAD_BYTES = 16 * 1024
FAREWELL_SECONDS = 1.0
"""How long a client may take to read its answer and to hang up."""
HOSTS = 16
"""Clients that are attended to at once, for each socket."""


class StandIn:
    """One stand-in, for the sockets that an API listens on."""

    def __init__(self, liveness: Liveness, listening: Iterable[HasFileno]) -> None:
        self._liveness = liveness
        self._listening = tuple(listening)
        self._ending = threading.Event()

    async def run(self, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Stand by until cancelled, ready once the thread is; the sockets must be open until this has returned."""
        with ExitStack() as stack:
            listeners = [stack.enter_context(_duplicate(each)) for each in self._listening]
            async with anyio.create_task_group() as group:
                ready = anyio.Event()
                stand_by = partial(self._stand_by, listeners, partial(from_thread.run_sync, ready.set))
                group.start_soon(partial(to_thread.run_sync, stand_by, limiter=CapacityLimiter(1)))
                try:
                    await ready.wait()
                    task_status.started()
                    await anyio.sleep_forever()
                finally:
                    self._ending.set()

    def _stand_by(self, listeners: Sequence[socket.socket], ready: Callable[[], None]) -> None:
        """The thread, from its start to its end."""
        with asyncio.Runner() as runner:
            ready()
            while not self._ending.wait(LOOK_SECONDS):
                if self._liveness.is_lost:
                    runner.run(self._stand_in(listeners))

    async def _stand_in(self, listeners: Sequence[socket.socket]) -> None:
        """Answer everybody until the loop is back."""
        async with anyio.create_task_group() as group:
            for listener in listeners:
                door = anyio.Lock()
                for _ in range(HOSTS):
                    group.start_soon(self._attend, listener, door)

    async def _attend(self, listener: socket.socket, door: anyio.Lock) -> None:
        """One host: a client after the other."""
        while True:
            async with door:
                client = await self._next(listener)
            if client is None:
                return
            with client:
                await self._answer(client)

    async def _next(self, listener: socket.socket) -> socket.socket | None:
        """The next client; None once the loop is back, whose clients they are then."""
        while self._is_needed():
            with anyio.move_on_after(LOOK_SECONDS):
                await anyio.wait_readable(listener)
            if self._is_needed() and (client := await _accept(listener)) is not None:
                return client
        return None

    def _is_needed(self) -> bool:
        return self._liveness.is_lost and not self._ending.is_set()

    async def _answer(self, client: socket.socket) -> None:
        """Hear the client out, answer, wait until it hangs up: closing on unread data would take the answer back."""
        loop, stalled = asyncio.get_running_loop(), Stalled(self._liveness.stalled_for())
        with suppress(OSError):  # it has left, so there is nobody to answer
            head = await _read_head(client)
            with anyio.move_on_after(FAREWELL_SECONDS):
                await loop.sock_sendall(client, _response(stalled, head))
                client.shutdown(socket.SHUT_WR)
                while await loop.sock_recv(client, HEAD_BYTES):
                    pass


def _duplicate(listening: HasFileno) -> socket.socket:
    """The socket, with a descriptor of its own. The mode is shared: it must stay non-blocking for the loop's sake."""
    return socket.socket(fileno=os.dup(listening.fileno()))


async def _accept(listener: socket.socket) -> socket.socket | None:
    try:
        client, _ = listener.accept()
    except BlockingIOError:  # nobody has come, or the loop was faster
        return None
    except OSError:  # the client is gone already, or no descriptor is free: both may be otherwise in a moment
        await anyio.sleep(LOOK_SECONDS)
        return None
    client.setblocking(False)
    return client


async def _read_head(client: socket.socket) -> bytes:
    """The head of the request, or what has come of it within its bounds."""
    loop = asyncio.get_running_loop()
    head = b""
    with anyio.move_on_after(HEAD_SECONDS):
        while b"\r\n\r\n" not in head and len(head) < HEAD_BYTES:
            received = await loop.sock_recv(client, HEAD_BYTES)
            if not received:
                break
            head += received
    return head


def _response(stalled: Stalled, head: bytes) -> bytes:
    more = {"Retry-After": str(BUSY_SECONDS)}
    return raw_problem(503, "unavailable", str(stalled), more, with_body=not head.startswith(b"HEAD "))
