"""Finds connections at whose other end Postgres waits for us, while we wait for Postgres: they are cut off.

A router has lost its table, or a proxy has swallowed what was under way, and neither side was told. Nothing will ever
come by such a connection, and the deadline of a statement is long, because the slowest one has to fit in. So what is
held for a while is looked at from another connection: Postgres says what each of its backends is at. One that has been
idle for as long is closed, which is an ordinary lost connection to whoever holds it; and all that rest in the pool are
made anew, since they went by the same way.

One that is at work, or waits for a lock, is left alone. So is one that Postgres does not know by its number, as behind
pgbouncer, and all of them while Postgres answers nobody: these have the deadline of their statement.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import asyncpg
import structlog

from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Sequence

    from horarium.sql.queries import Connection

__all__ = ["CutOffWatch"]

LOOK_SECONDS = 1.0
SUSPECT_SECONDS = 3.0
"""How long a connection must be held, and be idle by Postgres' account, to be cut off. Ours are held for milliseconds,
or are at work."""

ASK_SECONDS = 2.0

NO_ANSWER = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

log = structlog.get_logger(__name__)


class CutOffWatch:
    """Watches what is held; `ask` makes a new connection, `renew` has those that rest in the pool made anew."""

    def __init__(
        self,
        ask: Callable[[float], Awaitable[asyncpg.Connection[asyncpg.Record]]],
        renew: Callable[[], Awaitable[None]],
    ) -> None:
        self._ask = ask
        self._renew = renew
        self._held: dict[Connection, float] = {}

    @contextmanager
    def holding(self, connection: Connection) -> Iterator[None]:
        """Watch this connection while the block lasts."""
        self._held[connection] = time.monotonic()
        try:
            yield
        finally:
            del self._held[connection]

    async def run(self) -> None:
        """Look every second, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            await self.step()

    async def step(self) -> int:
        """Close what is cut off; returns how many that were."""
        now = time.monotonic()
        suspects = {c.get_server_pid(): c for c, since in self._held.items() if now - since >= SUSPECT_SECONDS}
        if not suspects:
            return 0
        try:
            idle = await self._idle(list(suspects))
        except NO_ANSWER:
            return 0  # Postgres is away: its users say so, and nothing can be told from here
        # what was given back meanwhile is not held any more, and was not cut off
        cut_off = [suspects[pid] for pid in idle if suspects[pid] in self._held]
        if cut_off:
            log.warning("postgres.cut_off", connections=len(cut_off))
            await self._renew()
        for connection in cut_off:
            connection.terminate()
        return len(cut_off)

    async def _idle(self, pids: Sequence[int]) -> list[int]:
        connection = await self._ask(ASK_SECONDS)
        try:
            rows = await QUERIES.connection_idle.rows(connection, pids=pids)
        finally:
            connection.terminate()
        return [row["pid"] for row in rows if row["seconds"] >= SUSPECT_SECONDS]
