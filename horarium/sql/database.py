"""The one Postgres pool of a process, with a deadline on everything.

asyncpg's `acquire()` waits for ever without a timeout and a half-open socket wedges a pool without
`command_timeout`, so nobody else touches the pool: a connection is had through `connection()` or `transaction()`,
which turn "Postgres is away" into Unavailable and let every other error through untouched. No connection is made
before the first is asked for, so the pool may exist before its server does. What is held is watched (`cut_off.py`).
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, Self

import anyio
import asyncpg
import orjson

from horarium.errors import Unavailable
from horarium.pools import PoolUse
from horarium.sql.cut_off import CutOffWatch

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from types import TracebackType

    from horarium.sql.queries import Connection

__all__ = ["COMMAND_SECONDS", "Database", "transaction"]

MAX_CONNECTIONS = 16
CONNECT_SECONDS = 5.0
ACQUIRE_SECONDS = 5.0
ROLLBACK_SECONDS = 2.0
COMMAND_SECONDS = 30.0
"""The slowest statement we own is a page of retention; nothing may take longer than this."""

SERVER_SETTINGS = {
    "application_name": "horarium",
    "timezone": "UTC",
    # A ledger that was empty when its statistics were taken is planned with full scans until they are taken again,
    # and a burst of ten thousand ticks then reads it ten thousand times. Every hot statement has its index.
    "enable_seqscan": "off",
    # Compiling a plan costs more than running any statement of ours.
    "jit": "off",
}

AWAY_CLASSES = ("08", "25006", "28", "40", "53", "57", "58")
"""SQLSTATEs, or beginnings of them, of a server that will take the same statement later: no connection, read-only after
a failover, a password being changed, a deadlock, no room, an operator's intervention, a broken disk."""


class _Pooled(asyncpg.Connection):
    """A connection that goes back to the pool as it is, which saves a round trip each time.

    asyncpg would have the server drop listeners, advisory locks, cursors and settings. Nobody leaves any: what listens
    has a connection of its own, and locks and settings end with their transaction. One left open is rolled back.
    """

    def get_reset_query(self) -> str:
        """Nothing to undo."""
        return ""


class Database:
    """A pool of connections to `url`; an async context manager that closes it."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._watch = CutOffWatch(self._connect_alone, self._renew)
        self._watching: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=MAX_CONNECTIONS,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            init=_use_json,
            connection_class=_Pooled,
            server_settings=SERVER_SETTINGS,
        )
        self._watching = asyncio.create_task(self._watch.run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._watching is not None:
            self._watching.cancel()
        # terminate, not close: by now every user of the pool has ended, and close() would wait for one that hangs
        if self._pool is not None:
            self._pool.terminate()

    @property
    def pool_use(self) -> PoolUse:
        """How much of the pool is in use now."""
        size, idle = (self._pool.get_size(), self._pool.get_idle_size()) if self._pool is not None else (0, 0)
        return PoolUse(size, size - idle, MAX_CONNECTIONS)

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """A connection for a few statements; raises Unavailable when Postgres is away."""
        if self._pool is None or self._watching is None:
            raise Unavailable("Postgres")
        if self._watching.done() and not self._watching.cancelled():
            self._watching.result()  # whatever ended it is a fault, and is raised where somebody sees it
        with _postgres_errors():
            async with self._pool.acquire(timeout=ACQUIRE_SECONDS) as connection:
                with self._watch.holding(connection):
                    yield connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """A connection inside a transaction, committed when the block ends without an error."""
        async with self.connection() as connection, transaction(connection):
            yield connection

    @asynccontextmanager
    async def snapshot(self) -> AsyncIterator[Connection]:
        """A connection whose statements all see the database as it is when the first of them begins, and only read."""
        async with self.connection() as connection, transaction(connection, isolation="repeatable_read", readonly=True):
            yield connection

    @asynccontextmanager
    async def listening(self, channel: str, heard: Any) -> AsyncIterator[Connection]:
        """A connection of its own that calls `heard(connection, pid, channel, payload)` for each notification."""
        with _postgres_errors():
            connection = await self._connect_alone(CONNECT_SECONDS)
            try:
                await connection.add_listener(channel, heard)
                yield connection
            finally:
                connection.terminate()

    async def _connect_alone(self, seconds: float) -> asyncpg.Connection[asyncpg.Record]:
        """A connection beside the pool, with this deadline on everything."""
        return await asyncpg.connect(
            self._url, timeout=seconds, command_timeout=seconds, server_settings=SERVER_SETTINGS
        )

    async def _renew(self) -> None:
        if self._pool is not None:
            await self._pool.expire_connections()


@asynccontextmanager
async def transaction(connection: Connection, **kind: Any) -> AsyncIterator[None]:
    """A transaction on `connection`, committed when the block ends without an error; its `kind` as asyncpg has it.

    A block that is cancelled has its rollback shielded. asyncpg's own would be cancelled as well, and leave the open
    transaction to the pool, which rolls it back too, but takes it for a fault and logs it as an error.
    """
    begun = connection.transaction(**kind)
    await begun.__aenter__()
    try:
        yield
    except BaseException as error:
        with anyio.move_on_after(ROLLBACK_SECONDS, shield=True):
            await begun.__aexit__(type(error), error, error.__traceback__)
        raise
    await begun.__aexit__(None, None, None)


@contextmanager
def _postgres_errors() -> Iterator[None]:
    """Turn "Postgres is away" into Unavailable; every other error passes through."""
    try:
        yield
    except (OSError, TimeoutError, asyncpg.InternalClientError) as error:
        # asyncpg says the last of a connection that broke in the middle of a statement
        raise Unavailable("Postgres") from error
    except asyncpg.InterfaceError as error:
        # and this of one that is closed, or of a pool that is being closed
        if "closed" in str(error) or "closing" in str(error):
            raise Unavailable("Postgres") from error
        raise
    except asyncpg.PostgresError as error:
        if (error.sqlstate or "").startswith(AWAY_CLASSES):
            raise Unavailable("Postgres") from error
        raise


async def _use_json(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(
            kind, schema="pg_catalog", encoder=_dump_json, decoder=orjson.loads, format="text"
        )


def _dump_json(value: object) -> str:
    return orjson.dumps(value).decode()
