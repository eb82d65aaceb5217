"""A TCP proxy that stands before a server and lets its connections fare as networks do on their bad days.

What it does is one `Mode`, which a test may change at any time and which holds for connections that are there as well
as for new ones. A fault loses no byte in the middle of a stream, since TCP would not: bytes come late, slowly, not
before the fault is over, or the connection ends.

The worst of them is an answer that is cut off: the server has done what it was asked for, and the client will never
know. So the proxy reads along with what the server says. Of Postgres it knows which answers mean that something is
committed; of Redis every answer means that the command is done.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from pathlib import Path
    from typing import Self

    from anyio.from_thread import BlockingPortal

__all__ = ["Answers", "FaultyProxy", "Mode", "PostgresAnswers", "RedisAnswers"]

READ_BYTES = 65_536
DRIP_SECONDS = 0.02
HEADER_BYTES = 5


@dataclass(frozen=True, slots=True)
class Mode:
    """How connections fare; by default as if the proxy were not there.

    `latency` is in seconds and each way, `bytes_per_second` (0: no bound) for each connection and each way. A `silent`
    proxy accepts and passes nothing on until that is over; one that also `forgets` never passes on what came
    by a connection of that time, as when a router has lost its table. `cuts_every`: each such answer, counted over all
    connections, is thrown away, and its connection with it (0: none).
    """

    latency: float = 0.0
    bytes_per_second: float = 0.0
    silent: bool = False
    forgets: bool = False
    refuses: bool = False
    cuts_every: int = 0


class Answers(Protocol):
    """Reads along with what a server says on one connection."""

    def ended(self, data: bytes) -> str | None:
        """The kind of the answer that is complete with these bytes, if it says that something is done for good."""


class RedisAnswers:
    """Whatever Redis answers, the command is done."""

    def ended(self, data: bytes) -> str | None:
        """Every answer counts."""
        return "reply" if data else None


class PostgresAnswers:
    """A transaction is over, and committed, where the server is ready for the next and says that it is in none.

    https://www.postgresql.org/docs/current/protocol-message-formats.html
    """

    COMMITTED = frozenset({b"COMMIT", b"INSERT", b"UPDATE", b"DELETE"})

    def __init__(self) -> None:
        self._rest = b""
        self._tag = b""

    def ended(self, data: bytes) -> str | None:
        """The command that a commit ended with."""
        self._rest += data
        found = None
        while len(self._rest) >= HEADER_BYTES:
            size = 1 + int.from_bytes(self._rest[1:HEADER_BYTES])
            if len(self._rest) < size:
                break
            kind, body, self._rest = self._rest[:1], self._rest[HEADER_BYTES:size], self._rest[size:]
            if kind == b"C":  # CommandComplete, with a tag such as `UPDATE 3`
                self._tag = body.rstrip(b"\0").split(b" ")[0]
            elif kind == b"Z":  # ReadyForQuery, with I for idle
                found = self._tag.decode() if body == b"I" and self._tag in self.COMMITTED else found
                self._tag = b""
        return found


@dataclass(eq=False, slots=True)
class _Connection:
    """A client, and the server behind it once the proxy has got through."""

    client: asyncio.StreamWriter
    server: asyncio.StreamWriter | None = None
    forgotten: bool = False

    def abort(self) -> None:
        """End it at once, both ways."""
        for writer in (self.client, self.server):
            if writer is not None:
                writer.transport.abort()


@dataclass
class FaultyProxy:
    """Before the server on the Unix socket `target`; listens on 127.0.0.1 while `running`.

    `cut` counts the answers that were thrown away, by kind; `accepted` the connections.
    """

    target: Path
    answers: Callable[[], Answers]
    mode: Mode = field(default_factory=Mode)
    port: int = 0
    accepted: int = 0
    cut: Counter[str] = field(default_factory=Counter)
    _seen: int = 0
    _connections: dict[asyncio.Task[None], _Connection] = field(default_factory=dict)
    _switched: asyncio.Event = field(default_factory=asyncio.Event)
    _portal: BlockingPortal | None = None

    @contextmanager
    def running(self, portal: BlockingPortal) -> Iterator[Self]:
        """Serve in the portal's loop while the block lasts."""
        self._portal = portal
        with portal.wrap_async_context_manager(self._listening()):
            yield self

    def switch(self, mode: Mode) -> None:
        """From now on connections fare so; called from a test's thread."""
        assert self._portal is not None
        self._portal.call(self._switch, mode)

    @contextmanager
    def faring(self, mode: Mode) -> Iterator[None]:
        """They fare so while the block lasts, and well again afterwards."""
        self.switch(mode)
        try:
            yield
        finally:
            self.switch(Mode())

    def _switch(self, mode: Mode) -> None:
        self.mode = mode
        for connection in self._connections.values():
            connection.forgotten |= mode.forgets
            if mode.refuses:
                connection.abort()
        self._switched.set()
        self._switched = asyncio.Event()

    @asynccontextmanager
    async def _listening(self) -> AsyncIterator[None]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()
            serving = list(self._connections)
            for task in serving:
                task.cancel()
            await asyncio.gather(*serving)

    async def _serve(self, from_client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        task, connection = asyncio.current_task(), _Connection(to_client, forgotten=self.mode.forgets)
        assert task is not None
        self._connections[task] = connection
        self.accepted += 1
        try:
            # a server that is not there, or a client that has left, is an end like any other; and asyncio's streams
            # take a task of theirs that was cancelled for a fault
            with suppress(OSError, asyncio.CancelledError):
                await self._relay(from_client, connection)
        finally:
            connection.abort()
            del self._connections[task]

    async def _relay(self, from_client: asyncio.StreamReader, connection: _Connection) -> None:
        """Pass on what comes either way until one side is closed, or the proxy ends it."""
        await self._audible(connection)
        if self.mode.refuses:
            return
        from_server, connection.server = await asyncio.open_unix_connection(str(self.target))
        pumps = [
            asyncio.create_task(self._pass_on(from_client, connection.server, connection, None)),
            asyncio.create_task(self._pass_on(from_server, connection.client, connection, self.answers())),
        ]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for pump in pumps:
                pump.cancel()
            await asyncio.wait(pumps)
        for pump in pumps:
            if not pump.cancelled():
                pump.result()

    async def _pass_on(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, connection: _Connection, answers: Answers | None
    ) -> None:
        while True:
            data = await source.read(READ_BYTES)
            kind = answers.ended(data) if answers else None
            await self._audible(connection)
            if not data or (kind and self._is_cut(kind)):
                return
            await asyncio.sleep(self.mode.latency)
            await self._drip(data, sink, connection)

    def _is_cut(self, kind: str) -> bool:
        """Whether this answer is one to throw away; counts it."""
        if not self.mode.cuts_every:
            return False
        self._seen += 1
        if self._seen % self.mode.cuts_every:
            return False
        self.cut[kind] += 1
        return True

    async def _drip(self, data: bytes, sink: asyncio.StreamWriter, connection: _Connection) -> None:
        """Write, as slowly as the mode of the moment has it."""
        while data:
            rate = self.mode.bytes_per_second
            size = max(1, int(rate * DRIP_SECONDS)) if rate else len(data)
            sink.write(data[:size])
            await sink.drain()
            data = data[size:]
            if data:
                await asyncio.sleep(DRIP_SECONDS)
                await self._audible(connection)

    async def _audible(self, connection: _Connection) -> None:
        """Wait until bytes of this connection are passed on."""
        while self.mode.silent or connection.forgotten:
            await self._switched.wait()
