"""One Postgres and one Redis for a whole test session, and a fresh database in each for every test.

They are the product's own embedded servers, run in a thread of their own so that every test may bring its own event
loop, or none. Nothing starts before the first test that asks. Postgres does not wait for the disk: what is in it has to
outlive no crash of the machine, and making and dropping databases is a good part of what it does. The product's own
settings are those of every other server: tests/integration/embedded, tests/acceptance.

    postgres_url       session   the server, database `postgres`: for administration only
    template_database  session   name of the database that every test's database is a copy of: today's schema, no row;
                                 to apply the migrations takes longer than to copy what comes of them
    database_url       function  a fresh database with that schema, dropped afterwards
    empty_url          function  one without it, for tests of how it gets there
    redis_url          session   the server, database 0: share it, under `redis_prefix`
    redis_prefix       function  a key prefix nobody else uses; its keys are deleted afterwards
    redis_db           function  URL of a database that is empty: for tests that flush, scan or count everything
"""

from __future__ import annotations

import shutil
import tempfile
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
import redis
from anyio.from_thread import BlockingPortal, start_blocking_portal

from horarium.embedded import DataDir, EmbeddedPostgres, EmbeddedRedis
from horarium.sql.database import Database
from horarium.sql.migrator import migrate
from horarium.supervisor import ChildContext

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = [
    "database_url",
    "empty_url",
    "fresh_database",
    "postgres_url",
    "redis_db",
    "redis_prefix",
    "redis_url",
    "server_portal",
    "server_root",
    "template_database",
    "temporary_data_dir",
]

TEMPLATE = "horarium_template"
EMPTY_TEMPLATE = "template1"
NOT_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")
FLUSHED_DB = 1
SQL_SECONDS = 30.0


@contextmanager
def temporary_data_dir() -> Iterator[Path]:
    """A data directory that goes when the block ends. Not pytest's tmp_path: that is closed to Postgres's account."""
    root = Path(tempfile.mkdtemp(prefix="horarium-test-"))
    try:
        yield root / "data"
    finally:
        shutil.rmtree(root)


@contextmanager
def running(portal: BlockingPortal, server: EmbeddedPostgres | EmbeddedRedis) -> Iterator[str]:
    """Run `server` in the portal's loop while the block lasts; gives its URL."""
    future, _ = portal.start_task(server.run, ChildContext("a server", 1))
    try:
        yield server.url
    finally:
        if not future.cancel():
            future.result()  # it ended during the session: that is the error to show, not what followed from it


@pytest.fixture(scope="session")
def server_root() -> Iterator[Path]:
    with temporary_data_dir() as path, DataDir(path):
        yield path


@pytest.fixture(scope="session")
def server_portal(server_root: Path) -> Iterator[BlockingPortal]:  # noqa: ARG001  # outlives every server in it
    with start_blocking_portal("asyncio", name="test servers") as portal:
        yield portal


@pytest.fixture(scope="session")
def postgres_url(server_portal: BlockingPortal, server_root: Path) -> Iterator[str]:
    with running(server_portal, EmbeddedPostgres(server_root)) as url:
        for setting in NOT_DURABLE:
            server_portal.call(_execute, url, f"ALTER SYSTEM SET {setting} = off")
        server_portal.call(_execute, url, "SELECT pg_reload_conf()")
        yield url


@pytest.fixture(scope="session")
def redis_url(server_portal: BlockingPortal, server_root: Path) -> Iterator[str]:
    with running(server_portal, EmbeddedRedis(server_root)) as url:
        yield url


@pytest.fixture(scope="session")
def template_database(server_portal: BlockingPortal, postgres_url: str) -> str:
    server_portal.call(_execute, postgres_url, f'CREATE DATABASE "{TEMPLATE}"')
    server_portal.call(_migrate, postgres_url.replace("/postgres?", f"/{TEMPLATE}?"))
    return TEMPLATE


@contextmanager
def fresh_database(portal: BlockingPortal, postgres_url: str, template: str = EMPTY_TEMPLATE) -> Iterator[str]:
    """A database that goes when the block ends, empty or a copy, for fixtures of a wider scope than `database_url`."""
    name = f"test_{uuid.uuid4().hex}"
    portal.call(_execute, postgres_url, f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    try:
        yield postgres_url.replace("/postgres?", f"/{name}?")
    finally:
        portal.call(_execute, postgres_url, f'DROP DATABASE "{name}" WITH (FORCE)')


@pytest.fixture
def database_url(server_portal: BlockingPortal, postgres_url: str, template_database: str) -> Iterator[str]:
    with fresh_database(server_portal, postgres_url, template_database) as url:
        yield url


@pytest.fixture
def empty_url(server_portal: BlockingPortal, postgres_url: str) -> Iterator[str]:
    with fresh_database(server_portal, postgres_url) as url:
        yield url


@pytest.fixture
def redis_prefix(redis_url: str) -> Iterator[str]:
    prefix = f"test-{uuid.uuid4().hex}:"
    yield prefix
    with redis.Redis.from_url(redis_url) as client:
        for key in client.scan_iter(f"{prefix}*"):
            client.delete(key)


@pytest.fixture
def redis_db(redis_url: str) -> str:
    url = f"{redis_url}?db={FLUSHED_DB}"
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


async def _execute(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url, timeout=SQL_SECONDS)
    try:
        await connection.execute(statement, timeout=SQL_SECONDS)
    finally:
        await connection.close(timeout=SQL_SECONDS)


async def _migrate(url: str) -> None:
    async with Database(url) as database:
        await migrate(database)
