"""How Postgres means to answer a query beside a past: in an empty ledger all indexes cost the same."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from horarium.sql.database import Database
    from horarium.sql.queries import Connection, Query

__all__ = ["give_past", "planned"]

ENDED = """
INSERT INTO executions (
    id, config_id, task_type, trigger, status, queue, priority, timeout_seconds, max_retries, retry_backoff_seconds,
    scheduler_type, completed_at
)
SELECT gen_random_uuid(), $1, 'echo', 'manual', 'success', 'default', 5, 60, 0, 0, 'manual', now()
FROM generate_series(1, 2000)
"""


async def give_past(connection: Connection, config: int) -> None:
    """Two thousand ended executions of this config, of which the planner knows."""
    await connection.execute(ENDED, config)
    await connection.execute("ANALYZE executions")


async def planned(database: Database, query: Query, config: int, **values: object) -> str:
    """The plan of a query, were there two thousand ended executions of this config."""
    async with _undone(database) as connection:
        await give_past(connection, config)
        lines = await connection.fetch("EXPLAIN " + query.sql, *query._ordered(values))
    return "\n".join(line[0] for line in lines)


@asynccontextmanager
async def _undone(database: Database) -> AsyncIterator[Connection]:
    """A connection whose deeds, and what Postgres learns of them, are taken back."""
    async with database.connection() as connection:
        begun = connection.transaction()
        await begun.start()
        try:
            yield connection
        finally:
            await begun.rollback()
