"""Answers that go on: how many there may be, what ends one, and what keeps it from being taken for dead or slow.

A stream ends when its caller may listen no more, when the client has gone, and at once when the API stops. While it
lasts it gives a sign of life every few seconds, so that proxies keep it open and clients can tell silence from death.
How slowly it may be read is for the connection's watch to say (`connections.py`), which is told of every byte.

Who listens was let in once, and is asked for again every few seconds, as every other request is: a logout, a disabled
user, another role, a key taken back, a token that has run out. Where that cannot be known for a while, it is over, too.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, cast

import anyio
import structlog
from aiohttp import web

from horarium.errors import Unauthorized, Unavailable
from horarium.http.connections import connection_limit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from horarium.http.connections import Connection

__all__ = ["STREAMS", "Source", "Streams", "TooManyStreams"]

log = structlog.get_logger(__name__)

SHARE = 4
"""Streams may take one connection in so many: the rest is for calls that end."""

RECHECK_SECONDS = 3.0
"""How often it is asked whether the caller may still listen."""

SHORTEST_SECONDS = 0.05
"""How soon it is asked again at the earliest: who is let in at the very end of a token has none of it left."""

UNSURE_SECONDS = 60.0
"""How long a stream goes on while that cannot be known, as Postgres or Redis is away."""

SIGN_SECONDS = 15.0
"""The longest silence: proxies end what has been silent for 30 or 60 seconds."""

TRY_AGAIN_SECONDS = 10.0
"""When one too many may ask again."""

FIELDS = {"Content-Type": "text/event-stream", "Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""The last keeps nginx from holding back what it is sent."""


Allowed = Callable[[], Awaitable[float]]
"""Says for how many seconds the caller may listen at most. Raises Unauthorized when that is over, and Unavailable."""


class TooManyStreams(Unavailable):
    """As many streams are open as there may be."""

    def __init__(self, limit: int) -> None:
        super().__init__("a stream", retry_after=TRY_AGAIN_SECONDS)
        self.args = (f"all {limit} streams that there may be are open; try again in {TRY_AGAIN_SECONDS:g} s",)


class Source(Protocol):
    """What a stream is fed from."""

    def take(self) -> bytes | None:
        """What is to be sent next; None when there is nothing new."""
        ...

    def whereabouts(self) -> bytes:
        """What is sent at first, and when there has been nothing else for long."""
        ...

    async def news(self) -> None:
        """Wait until there may be something to take."""
        ...


@dataclass(frozen=True, slots=True)
class _Wire:
    """An answer under way, and the connection that carries it."""

    response: web.StreamResponse
    connection: Connection

    async def send(self, text: bytes) -> None:
        """Send, and wait while the client has enough to read. Raises ConnectionError when it has left."""
        self.connection.handed_over(len(text))
        await self.response.write(text)


class Streams:
    """The streams of one API."""

    def __init__(self, limit: int | None = None) -> None:
        self._limit = max(1, connection_limit() // SHARE) if limit is None else limit
        self._open: set[anyio.CancelScope] = set()
        self._ended = False

    async def serve(
        self, request: web.Request, open_source: Callable[[], Awaitable[Source]], allowed: Allowed
    ) -> web.StreamResponse:
        """Answer with a stream, to its end. Raises TooManyStreams, before anything is answered."""
        response = web.StreamResponse(headers=FIELDS)
        connection = cast("Connection", request.protocol)
        with self._place() as scope, connection.until_lost(scope.cancel):
            source = await open_source()
            await response.prepare(request)
            try:
                async with anyio.create_task_group() as group:
                    group.start_soon(_end_when_refused, allowed, scope)
                    await _pass_on(_Wire(response, connection), source)
                    group.cancel_scope.cancel()
            except Exception:  # the answer has begun: no other can be given, and an abrupt end says enough
                log.exception("stream.failed")
                connection.force_close()
        return response

    async def end_all(self, _app: web.Application) -> None:
        """End every stream, and let none begin: the API stops."""
        self._ended = True
        for scope in self._open:
            scope.cancel()

    @contextmanager
    def _place(self) -> Iterator[anyio.CancelScope]:
        if self._ended or len(self._open) >= self._limit:
            raise TooManyStreams(self._limit)
        with anyio.CancelScope() as scope:
            self._open.add(scope)
            try:
                yield scope
            finally:
                self._open.discard(scope)


async def _pass_on(wire: _Wire, source: Source) -> None:
    """Send what comes until the client has left, and a sign of life where nothing does."""
    text: bytes | None = source.whereabouts()
    try:
        while True:
            await wire.send(source.whereabouts() if text is None else text)
            due = anyio.current_time() + SIGN_SECONDS
            while (text := source.take()) is None and anyio.current_time() < due:
                with anyio.move_on_at(due):
                    await source.news()
    except ConnectionError:
        return


async def _end_when_refused(allowed: Allowed, scope: anyio.CancelScope) -> None:
    """Ask again and again; end the stream when the answer is no, or has been missing for too long."""
    unsure_since = math.inf
    seconds = 0.0
    while True:
        await anyio.sleep(min(max(seconds, SHORTEST_SECONDS), RECHECK_SECONDS))
        try:
            seconds = await allowed()
        except Unauthorized:
            break
        except Unavailable as error:
            unsure_since = min(unsure_since, anyio.current_time())
            if anyio.current_time() > unsure_since + UNSURE_SECONDS:
                log.warning("stream.unsure", error=str(error))
                break
            seconds = RECHECK_SECONDS
        else:
            unsure_since = math.inf
    scope.cancel()


STREAMS: web.AppKey[Streams] = web.AppKey("streams", Streams)
