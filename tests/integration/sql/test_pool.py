"""A connection goes back to the pool as it is, without a round trip; nobody leaves anything in it for the next one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from horarium.sql.database import Database
from horarium.sql.migrator import ADVISORY_LOCK, migrate
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

LAST_STATEMENT = "SELECT query FROM pg_stat_activity WHERE pid = $1"
LOCKS = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = $1 AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"  # noqa: E501 - one statement


@pytest.fixture
async def database(empty_url: str) -> AsyncIterator[Database]:
    async with Database(empty_url) as made:
        yield made


async def test_a_connection_that_is_given_back_costs_no_statement(database: Database) -> None:
    async with database.connection() as connection:
        pid = await connection.fetchval("SELECT pg_backend_pid()")

    async with database.listening("nothing", print) as another:
        assert await another.fetchval(LAST_STATEMENT, pid) == "SELECT pg_backend_pid()"


async def test_a_transaction_that_was_left_open_is_rolled_back(database: Database) -> None:
    async with database.connection() as connection:
        await connection.execute("CREATE TABLE left_open (id integer)")
        await connection.execute("BEGIN")
        await connection.execute("INSERT INTO left_open VALUES (1)")

    async with database.connection() as connection:
        assert not connection.is_in_transaction()
        assert await connection.fetchval("SELECT count(*) FROM left_open") == 0


async def test_a_migration_that_is_cancelled_keeps_no_lock(database: Database) -> None:
    async with database.listening("nothing", print) as holder:
        await holder.execute("CREATE TABLE schema_migrations (version integer)")
        await holder.execute("BEGIN; LOCK TABLE schema_migrations")
        async with anyio.create_task_group() as group:
            group.start_soon(migrate, database)
            await eventually(lambda: holder.fetchval(LOCKS, ADVISORY_LOCK))
            group.cancel_scope.cancel()

        assert await holder.fetchval(LOCKS, ADVISORY_LOCK) == 0
