"""Connections, and how long a client may keep one without using it.

aiohttp's server limits the size of a line and the time between two requests. It waits for ever for the rest of a
request's head, for an answer to be read, and takes every client that comes. Here a watch looks at each connection once
a second, and ends it after several looks in a row at

- a head that is not complete: no byte yet on a new connection, or a byte now and then;
- an answer that is not read, or more slowly than any line is;
- nothing at all, once more than half of all connections are in use. Otherwise an idle one is kept for longer.

Looks are counted, and not seconds, so that a blocked event loop is not held against clients whose bytes wait in the
kernel. A body has its deadline where it is read (`routing.py`), since that is where a client can be told.

One client too many is answered 503 and let go; no connection is ended for another's sake. `_waiter` and
`_request_count` are aiohttp's own names; its keep-alive timer tells an idle connection by the first, and so do we.
"""

from __future__ import annotations

import asyncio
import resource
import socket
import struct
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Literal, cast

import anyio
import structlog
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from horarium.http.headers import complete, raw_problem
from horarium.http.problems import BUSY_SECONDS, http_problem, problem, unexpected

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Never

__all__ = ["Connection", "Door", "Looked", "connection_limit"]

log = structlog.get_logger(__name__)

MAX_CONNECTIONS = 1000
"""Far more than the clients of a scheduler; each may hold a body of `BODY_LIMIT_BYTES` while it comes in."""
RESERVED_FILES = 256
"""File descriptors that are not the API's: pools, processes, logs."""
MAX_REFUSALS = 100
"""Clients too many that are heard out before they are answered; those beyond are answered at once."""
REFUSAL_SECONDS = 1.0
"""How long one client too many may take to begin its request: closing on unread data would take the answer back."""

LOOK_SECONDS = 1.0
PATIENCE_LOOKS = 8
"""Looks in a row at the same head, or at an answer that is not read, after which a connection ends."""
PACE_BYTES = 2048
"""What a client must read of its answer between two looks; 16 kbit/s, less than any line has."""

SEND_BUFFER_BYTES = 128 * 1024
"""What the kernel keeps of answers for one client (it doubles the figure). Left to itself it takes megabytes, and we
would be busy making answers for clients that ask for many and read none."""

KEEPALIVE_SECONDS = 75.0
"""How long an idle connection is kept: longer than proxies keep theirs (60 s), so that the end is their doing."""
LINGERING_SECONDS = 2.0
"""How long the rest of a body that nobody needed is read and thrown away, so that its sender sees the answer."""
HEAD_BYTES = 32 * 1024
"""A request's head in all; nothing that is sent here needs a tenth of it."""
LINE_BYTES = 8190
"""The request line, and one header field: aiohttp's own default, room for the longest token."""
MAX_FIELDS = 64
"""Header fields of one request; browsers behind proxies send about 30."""

BROKEN_BODY = (web.RequestPayloadError, HttpProcessingError)
"""A body that is not what its head says: chunks that are none, no gzip where gzip is named."""

RESET = struct.pack(
    "ii", 1, 0
)  # SO_LINGER of no seconds: closing throws away what is not sent, and says so to the peer

Slow = Literal["head", "answer"]


def connection_limit() -> int:
    """How many connections there may be at once: all that can be, or what the limit of open files leaves."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(1, min(MAX_CONNECTIONS, files - RESERVED_FILES - MAX_REFUSALS))


@dataclass(frozen=True, slots=True)
class Looked:
    """What one look at all connections came to: those ended, by what they were slow at, and those refused since."""

    heads: int
    answers: int
    refused: int


class Connection(web.RequestHandler):
    """aiohttp's protocol for one connection, with what it takes to tell a slow client."""

    __slots__ = (
        "_answer_looks", "_door", "_handed", "_head_bytes", "_head_looks",
        "_on_lost", "_seen_requests", "_unread", "_wire",
    )  # fmt: skip

    def __init__(self, door: Door, server: web.Server) -> None:
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            access_log=None,  # type: ignore[arg-type]  # None is how aiohttp's own is switched off
            keepalive_timeout=KEEPALIVE_SECONDS,
            lingering_time=LINGERING_SECONDS,
            max_line_size=LINE_BYTES,
            max_field_size=LINE_BYTES,
            max_headers=MAX_FIELDS,
        )
        self._door = door
        self._wire: asyncio.Transport | None = None
        self._head_bytes = 0
        self._head_looks = self._answer_looks = 0
        self._seen_requests = 0
        self._unread = 0
        self._handed = 0
        self._on_lost: Callable[[], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the client in, or let another protocol turn it away."""
        wire = cast("asyncio.Transport", transport)
        if self._door.is_full:
            self._door.turn_away(wire)
            return
        wire.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        self._wire = wire  # for as long as it is there: aiohttp forgets it once it has begun to close
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is over."""
        self._wire = None
        if self._on_lost is not None:
            self._on_lost()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Count what comes of a head that is not complete; aiohttp limits its lines and not their sum."""
        waits, parsed = self._waits, self._request_count
        super().data_received(data)
        if self._request_count != parsed:
            self._head_bytes = 0
        elif waits:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES and self.transport is not None:
                self.transport.write(raw_problem(431, "head_too_large", f"the head is over {HEAD_BYTES} bytes", {}))
                self.force_close()

    def handed_over(self, count: int) -> None:
        """Note that an answer which goes on has come to so many bytes more: what is not read yet may have grown."""
        self._handed += count

    @contextmanager
    def until_lost(self, call: Callable[[], None]) -> Iterator[None]:
        """Call this, should the connection be lost while the block lasts: nothing else says so to who only writes."""
        self._on_lost = call
        try:
            yield
        finally:
            self._on_lost = None

    def look(self, *, crowded: bool) -> Slow | None:
        """One look of the watch. Ends the connection after too many in a row, and says what it was slow at."""
        wire = self._wire
        if wire is None:
            return None
        unread = wire.get_write_buffer_size()
        slow_answer = unread > 0 and unread > self._unread + self._handed - PACE_BYTES
        slow_head = self._owes_a_head(crowded=crowded) and self._request_count == self._seen_requests
        self._unread, self._seen_requests, self._handed = unread, self._request_count, 0
        self._answer_looks = self._answer_looks + 1 if slow_answer else 0
        self._head_looks = self._head_looks + 1 if slow_head else 0
        if self._answer_looks >= PATIENCE_LOOKS:
            wire.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            wire.abort()
            return "answer"
        if self._head_looks >= PATIENCE_LOOKS:
            self.force_close()
            return "head"
        return None

    @property
    def _waits(self) -> bool:
        """Whether nothing is under way: what comes next is a head."""
        return self._waiter is not None and not self._waiter.done()

    def _owes_a_head(self, *, crowded: bool) -> bool:
        return self._waits and (self._head_bytes > 0 or self._request_count == 0 or crowded)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - aiohttp's signature; it quotes the request, which may be a secret
    ) -> web.StreamResponse:
        """Answer what no handler has. The bytes of what is no HTTP go neither into the answer nor into the log."""
        if request.writer.output_size > 0:
            raise ConnectionError("the answer has begun, and cannot become another")
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
            response = unexpected(request, exc)
        elif isinstance(exc, LineTooLong):
            response = problem(431, "head_too_large", f"a line of the head is over {LINE_BYTES} bytes")
        else:
            response = problem(400, "malformed", "this is not an HTTP request")
        response.force_close()
        complete(request, response)
        return response

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer; a refusal from before the application's middleware (an odd `Expect`) gets its shape here."""
        if isinstance(resp, web.HTTPException):
            resp = http_problem(resp)
        if _is_dear_to_throw_away(request):
            resp.force_close()
            self._lingering_time = 0.0
        if resp.status == HTTPStatus.REQUEST_TIMEOUT:
            self._lingering_time = 0.0  # the rest of this body has been waited for
        return await super().finish_response(request, resp, start_time)

    def log_exception(self, *args: Any, **kw: Any) -> None:
        """Log what ended the connection, unless it is a body that breaks while its rest is thrown away."""
        if not isinstance(kw.get("exc_info"), BROKEN_BODY):
            super().log_exception(*args, **kw)


def _is_dear_to_throw_away(request: web.BaseRequest) -> bool:
    """Whether the rest of a body cannot be read, or grows as it is: a packed one, to a thousand times what is sent."""
    rest = request.content
    return rest.exception() is not None or (not rest.is_eof() and "Content-Encoding" in request.headers)


class Door:
    """Makes the protocol of every client that is accepted, and watches over their connections."""

    def __init__(self, server: web.Server, limit: int) -> None:
        self._server = server
        self._limit = limit
        self._waiting: set[_Refusal] = set()
        self._refused = 0

    def __call__(self) -> Connection:
        """The protocol for a new client."""
        return Connection(self, self._server)

    @property
    def is_full(self) -> bool:
        """Whether there are as many connections as there may be."""
        return len(self._server.connections) >= self._limit

    def turn_away(self, wire: asyncio.Transport) -> None:
        """Tell one client too many to come back."""
        self._refused += 1
        refusal = _Refusal(wire, self._waiting)
        wire.set_protocol(refusal)
        refusal.begin(REFUSAL_SECONDS if len(self._waiting) < MAX_REFUSALS else 0.0)

    async def watch(self) -> Never:
        """Look once a second, for ever, and log what came of it."""
        while True:
            await anyio.sleep(LOOK_SECONDS)
            looked = self.look()
            if looked.refused:
                log.warning("api.full", refused=looked.refused, connections=self._limit)
            if looked.heads or looked.answers:
                log.info("api.slow_clients_cut", heads=looked.heads, answers=looked.answers)

    def look(self) -> Looked:
        """One look at every connection."""
        connections = cast("list[Connection]", self._server.connections)
        crowded = len(connections) > self._limit // 2
        slow = Counter(connection.look(crowded=crowded) for connection in connections)
        refused, self._refused = self._refused, 0
        return Looked(slow["head"], slow["answer"], refused)


class _Refusal(asyncio.Protocol):
    """Answers 503 once the client has begun to speak, or has had its time to, and ends the connection."""

    def __init__(self, wire: asyncio.Transport, waiting: set[_Refusal]) -> None:
        self._wire = wire
        self._waiting = waiting
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, patience: float) -> None:
        """Wait so many seconds at most."""
        self._waiting.add(self)
        self._timer = asyncio.get_running_loop().call_later(patience, self._answer)

    def data_received(self, data: bytes) -> None:  # noqa: ARG002 - whatever it is
        """It speaks."""
        self._answer()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        """It is gone."""
        self._waiting.discard(self)
        if self._timer is not None:
            self._timer.cancel()

    def _answer(self) -> None:
        if not self._wire.is_closing():
            detail = "there are too many connections; try again in a moment"
            self._wire.write(raw_problem(503, "unavailable", detail, {"Retry-After": str(BUSY_SECONDS)}))
            self._wire.close()
