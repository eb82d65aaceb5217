"""What `taskiq worker` with Horarium's receiver needs around it: the ledger, the heartbeats, the app as a client."""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast
from uuid import UUID

from horarium.actors.timeout_sweeper import TimeoutSweeper
from horarium.clock import utc_now
from horarium.keyspace.keys import Keys
from horarium.keyspace.pool import connect
from horarium.keyspace.timeouts import TimeoutIndex
from horarium.keyspace.workers import Workers
from horarium.messages import Mailboxes
from horarium.sql.database import Database
from horarium.sql.migrator import migrate
from horarium.sql.queries import QUERIES
from tests.support.taskiq_app import an_app, broker_over, environ_of
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    import asyncpg

    from horarium.actors.timeout_sweeper import Swept
    from horarium.sql.queries import Row
    from tests.support.taskiq_app import App

__all__ = ["TaskiqHouse", "a_taskiq_house"]

START_SECONDS = 45.0


@dataclass
class TaskiqHouse:
    """The app as its client has it, and the ledger."""

    app: App
    database: Database
    sweeper: TimeoutSweeper
    environ: dict[str, str]

    async def rows(self) -> Sequence[asyncpg.Record]:
        """Every row, in the order in which they were made."""
        async with self.database.connection() as connection:
            return await connection.fetch("SELECT * FROM executions ORDER BY id")

    async def reaches(self, task_id: str, status: str) -> asyncpg.Record:
        """The row of what was kicked, once it has this status."""

        async def there() -> asyncpg.Record | None:
            async with self.database.connection() as connection:
                row = await QUERIES.execution_public.row(connection, task_id=UUID(task_id))
            return row if row is not None and row["status"] == status else None

        return cast("asyncpg.Record", await eventually(there, within=START_SECONDS))

    async def sweeps(self) -> Swept:
        """What the sweeper ends, once it has ended something."""

        async def ended() -> Swept | None:
            swept = await self.sweeper.step()
            return swept if swept.orphaned else None

        return cast("Swept", await eventually(ended))


@asynccontextmanager
async def a_taskiq_house(broker_url: str, database_url: str, redis_url: str, prefix: str) -> AsyncIterator[TaskiqHouse]:
    """A migrated ledger, and an app over a stock broker whose queue is named by `prefix`."""
    name = prefix.replace(":", "-")
    app = an_app(broker_over(broker_url, redis_url, name))
    redis, keys = connect(redis_url), Keys(prefix)
    environ = {
        **environ_of(broker_url, redis_url, name),
        "HORARIUM_DATABASE_URL": database_url,
        "HORARIUM_REDIS_URL": redis_url,
        "HORARIUM_KEY_PREFIX": prefix,
    }
    async with Database(database_url) as database:
        await migrate(database)
        await app.broker.startup()
        timeouts, workers, mailboxes = TimeoutIndex(redis, keys), Workers(redis, keys), Mailboxes()
        sweeper = TimeoutSweeper(database, timeouts, workers, mailboxes, clock=utc_now, end_pauses=_nobody)
        try:
            yield TaskiqHouse(app, database, sweeper, environ)
        finally:
            await app.broker.shutdown()
            await redis.aclose()
            await redis.connection_pool.disconnect()


async def _nobody(_seen: Sequence[Row]) -> int:
    """No config is paused here."""
    return 0
