"""Clients that take a connection and then take their time: a crowd of them, and how long each was borne."""

from __future__ import annotations

import select
import socket
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import cycle, islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["KINDS", "Crowd", "crowd"]

KINDS = {
    "head": b"GET /livez HTTP/1.1\r\nX-Slow: ",
    "body": b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{",
    "answer": b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 64,
}
"""What each kind says at first: a head that is never done, whatever drips; a body that never comes; and many more
answers asked for than buffers hold, of which none is read."""

SMALLEST_BUFFER = 4096
DRIP_SECONDS = 1.0
TURN_SECONDS = 0.02
COME_AT_ONCE = 8
"""How many come in a turn, which makes 400 a second: all in one instant would be a flood, which is another attack."""


@dataclass
class Client:
    """One of the crowd; `held` is for how many seconds, once it has been cut."""

    kind: str
    socket: socket.socket
    began: float
    held: float | None = None


@dataclass
class Crowd:
    """All clients by their socket's descriptor, and those still to come."""

    address: tuple[str, int]
    to_come: list[str]
    stack: ExitStack
    clients: dict[int, Client] = field(default_factory=dict)
    _poll: select.poll = field(default_factory=select.poll)

    @property
    def held(self) -> list[float]:
        """For how long each was held that has been cut."""
        return [client.held for client in self.clients.values() if client.held is not None]

    def last(self, patience: float) -> None:
        """Come, and drip where it is to be dripped, until all are cut or that many seconds have passed."""
        ends = time.monotonic() + patience
        drips = time.monotonic()
        while (self.to_come or len(self.held) < len(self.clients)) and (now := time.monotonic()) < ends:
            self._come()
            if now >= drips:
                self._drip()
                drips = now + DRIP_SECONDS
            for one, _ in self._poll.poll(TURN_SECONDS * 1000):
                self.clients[one].held = time.monotonic() - self.clients[one].began
                self._poll.unregister(one)

    def _come(self) -> None:
        for kind in self.to_come[:COME_AT_ONCE]:
            client = Client(kind, self.stack.enter_context(_connected(self.address)), time.monotonic())
            with suppress(BlockingIOError):  # of answers asked for, as many as go in are enough
                client.socket.send(KINDS[kind])
            self.clients[client.socket.fileno()] = client
            self._poll.register(client.socket, select.POLLRDHUP)  # errors and hang-ups are told in any case
        del self.to_come[:COME_AT_ONCE]

    def _drip(self) -> None:
        for client in self.clients.values():
            if client.kind == "head" and client.held is None:
                with suppress(OSError):  # it is being cut
                    client.socket.send(b"x")


@contextmanager
def crowd(address: tuple[str, int], size: int) -> Iterator[Crowd]:
    """So many clients, a third of each kind."""
    with ExitStack() as stack:
        yield Crowd(address, list(islice(cycle(KINDS), size)), stack)


def _connected(address: tuple[str, int]) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALLEST_BUFFER)
    client.settimeout(30)
    client.connect(address)
    client.setblocking(False)
    return client
