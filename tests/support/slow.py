"""Clients that take a connection and then take their time: a crowd of them, and how long each was borne."""

from __future__ import annotations

import select
import socket
import time
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ANSWER", "BODY", "HEAD", "Crowd", "crowd"]

HEAD = b"GET /livez HTTP/1.1\r\nX-Slow: "
"""A head that is never done, however many letters follow."""
BODY = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
"""A body that is never done."""
ANSWER = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 64
"""More answers than the kernel's buffers hold, for a client that reads none."""

SMALLEST_BUFFER = 4096
DRIP_SECONDS = 1.0


@dataclass
class Crowd:
    """Sockets by their descriptor, those that drip, and for how many seconds each was held that has been cut."""

    sockets: dict[int, socket.socket]
    dripping: list[socket.socket]
    began: dict[int, float] = field(default_factory=dict)
    held: dict[int, float] = field(default_factory=dict)

    def last(self, patience: float) -> None:
        """Send a byte a second where one is to be sent, until everybody is cut or that many seconds have passed."""
        poll, ends = select.poll(), time.monotonic() + patience
        for one in self.sockets:
            poll.register(one, select.POLLRDHUP)  # errors and hang-ups are told in any case
        drips = time.monotonic()
        while len(self.held) < len(self.sockets) and (now := time.monotonic()) < ends:
            if now >= drips:
                self._drip()
                drips = now + DRIP_SECONDS
            for one, _ in poll.poll((drips - now) * 1000):
                self.held[one] = time.monotonic() - self.began[one]
                poll.unregister(one)

    def _drip(self) -> None:
        for one in self.dripping:
            with suppress(OSError):  # it has been cut
                one.send(b"x")


@contextmanager
def crowd(address: tuple[str, int], size: int) -> Iterator[Crowd]:
    """So many clients, a third of each kind, all of them connected and begun."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(_slow_client(address)) for _ in range(size)]
        made = Crowd({each.fileno(): each for each in sockets}, sockets[::3])
        for number, each in enumerate(sockets):
            made.began[each.fileno()] = time.monotonic()
            with suppress(BlockingIOError):  # of the last kind, all that goes in is enough
                each.send((HEAD, BODY, ANSWER)[number % 3])
        yield made


def _slow_client(address: tuple[str, int]) -> socket.socket:
    client = socket.socket()
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALLEST_BUFFER)
    client.settimeout(10)
    client.connect(address)
    client.setblocking(False)
    return client
