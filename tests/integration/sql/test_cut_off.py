"""A connection by which nothing comes any more is found out long before its statement's deadline."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import anyio
import asyncpg
import pytest

from horarium.errors import Unavailable
from horarium.sql import cut_off
from horarium.sql.database import COMMAND_SECONDS, Database
from tests.support.faulty_proxy import FaultyProxy, Mode, PostgresAnswers

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from anyio.from_thread import BlockingPortal

pytestmark = pytest.mark.anyio

SUSPECT_SECONDS = 0.3
SOON_SECONDS = COMMAND_SECONDS / 2
"""Long before a statement's own deadline."""


@pytest.fixture
def proxy(server_portal: BlockingPortal, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultyProxy]:
    monkeypatch.setattr(cut_off, "SUSPECT_SECONDS", SUSPECT_SECONDS)
    monkeypatch.setattr(cut_off, "LOOK_SECONDS", 0.1)
    (folder,) = parse_qs(urlsplit(database_url).query)["host"]
    with FaultyProxy(Path(folder) / ".s.PGSQL.5432", PostgresAnswers).running(server_portal) as made:
        yield made


@pytest.fixture
async def database(proxy: FaultyProxy, database_url: str) -> AsyncIterator[Database]:
    path = urlsplit(database_url).path
    async with Database(f"postgresql://postgres@127.0.0.1:{proxy.port}{path}?sslmode=disable") as made:
        yield made


async def forget(proxy: FaultyProxy) -> None:
    """Let every connection of now be silent for ever, and new ones fare well."""
    await anyio.to_thread.run_sync(proxy.switch, Mode(silent=True, forgets=True))
    await anyio.to_thread.run_sync(proxy.switch, Mode())


async def test_a_statement_whose_connection_was_cut_off_in_silence_ends_as_unavailable(
    proxy: FaultyProxy, database: Database
) -> None:
    async def is_cut_off_in_the_middle() -> None:
        async with database.transaction() as connection:
            await connection.execute("SELECT 1")
            await forget(proxy)
            await connection.execute("SELECT 1")

    with anyio.fail_after(SOON_SECONDS), pytest.raises(Unavailable):
        await is_cut_off_in_the_middle()


async def test_what_rested_in_the_pool_meanwhile_is_made_anew(
    proxy: FaultyProxy, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to find out once more that it is cut off."""
    async with database.connection() as one, database.connection() as other:
        await one.execute("SELECT 1")
        await other.execute("SELECT 1")
    await forget(proxy)
    with anyio.fail_after(SOON_SECONDS), pytest.raises(Unavailable):
        async with database.connection() as connection:
            await connection.execute("SELECT 1")

    monkeypatch.setattr(cut_off, "SUSPECT_SECONDS", 2 * COMMAND_SECONDS)
    with anyio.fail_after(SOON_SECONDS):
        async with database.connection() as connection:
            assert await connection.fetchval("SELECT 1") == 1


async def test_a_statement_that_takes_long_is_left_alone(database: Database) -> None:
    async with database.connection() as connection:
        assert await connection.fetchval("SELECT 'done' FROM pg_sleep($1)", SUSPECT_SECONDS * 5) == "done"


async def test_a_statement_that_waits_for_a_lock_is_left_alone(database: Database, database_url: str) -> None:
    holder = await asyncpg.connect(database_url)  # which nobody watches
    await holder.execute("SELECT pg_advisory_lock(1)")

    async with anyio.create_task_group() as group, database.connection() as connection:
        group.start_soon(unlock_in_a_while, holder)
        await connection.execute("SELECT pg_advisory_lock(1)")

    await holder.close()


async def unlock_in_a_while(holder: asyncpg.Connection[asyncpg.Record]) -> None:
    await holder.execute("SELECT pg_advisory_unlock(1) FROM pg_sleep($1)", SUSPECT_SECONDS * 3)


async def test_nothing_is_told_from_a_postgres_that_answers_nobody(proxy: FaultyProxy, database: Database) -> None:
    """It comes back, and with it the answer."""
    async with database.connection() as connection, anyio.create_task_group() as group:
        await connection.execute("SELECT 1")
        await anyio.to_thread.run_sync(proxy.switch, Mode(silent=True))

        async def comes_back() -> None:
            await anyio.sleep(SUSPECT_SECONDS * 4)
            await anyio.to_thread.run_sync(proxy.switch, Mode())

        group.start_soon(comes_back)
        assert await connection.fetchval("SELECT 'answered' FROM pg_sleep($1)", 0.2) == "answered"
