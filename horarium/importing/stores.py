"""Reading what other programs keep in a database or in Redis: read-only, with a deadline on everything.

A source that cannot be read is a ConfigurationError, as its address came from the command line; no message holds the
address, which may have a password in it.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import anyio
import asyncpg
from anyio import to_thread
from redis.exceptions import RedisError

from horarium.errors import ConfigurationError
from horarium.keyspace.pool import connect
from horarium.sql.queries import Queries

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from redis.asyncio import Redis

    from horarium.sql.queries import Query

__all__ = ["FOREIGN_QUERIES", "open_redis", "raw", "rows_of", "scheme_of"]

FOREIGN_QUERIES = Queries(Path(__file__).parent / "queries")
"""Statements about other people's tables, which Postgres and SQLite both understand."""

CONNECT_SECONDS = 5.0
READ_SECONDS = 60.0
READ_ONLY = {"application_name": "horarium import", "default_transaction_read_only": "on", "timezone": "UTC"}


def raw(value: bytes | str) -> bytes:
    """What Redis holds; the clients here never decode, which redis-py's types cannot say."""
    return value.encode() if isinstance(value, str) else value


def scheme_of(url: str) -> str:
    """What kind of server a URL is of: SQLAlchemy's `postgresql+psycopg2` is `postgresql`."""
    return urlsplit(url).scheme.partition("+")[0].lower()


async def rows_of(url: str, query: Query) -> list[dict[str, Any]]:
    """Every row that a statement without parameters answers, on Postgres or SQLite."""
    scheme = scheme_of(url)
    if scheme in ("postgres", "postgresql"):
        return await _postgres_rows(re.sub(r"^[^:]+", "postgresql", url), query)
    if scheme == "sqlite":
        return await to_thread.run_sync(_sqlite_rows, _sqlite_path(url), query)
    raise ConfigurationError(
        f"cannot read a {scheme or 'nameless'} database: give the URL of a Postgres (postgresql://...) or a file of "
        "SQLite (sqlite:///path)"
    )


async def _postgres_rows(url: str, query: Query) -> list[dict[str, Any]]:
    try:
        with anyio.fail_after(READ_SECONDS):
            connection = await asyncpg.connect(url, timeout=CONNECT_SECONDS, server_settings=READ_ONLY)
            try:
                return [dict(row) for row in await query.rows(connection)]
            finally:
                connection.terminate()  # nothing was written, so there is nothing to say goodbye for
    except asyncpg.UndefinedTableError as error:
        raise ConfigurationError(f"the database has no such tables: {error}") from error
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise ConfigurationError(f"the database cannot be read: {str(error) or type(error).__name__}") from error


def _sqlite_path(url: str) -> Path:
    """SQLAlchemy's form: three slashes before a relative path, four before an absolute one."""
    return Path(urlsplit(url).path.removeprefix("/"))


def _sqlite_rows(path: Path, query: Query) -> list[dict[str, Any]]:
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=CONNECT_SECONDS)) as file:
            file.row_factory = sqlite3.Row
            return [dict(row) for row in file.execute(query.sql)]
    except sqlite3.Error as error:
        raise ConfigurationError(f"{path} cannot be read: {error}") from error


@asynccontextmanager
async def open_redis(url: str) -> AsyncIterator[Redis]:
    """A Redis to read from; what goes wrong while the block lasts is a ConfigurationError."""
    try:
        redis = connect(url)
    except ValueError as error:
        raise ConfigurationError("that is no URL of a Redis; give redis://host:port/db") from error
    try:
        with anyio.fail_after(READ_SECONDS):
            yield redis
    except (RedisError, TimeoutError) as error:
        raise ConfigurationError(f"the Redis cannot be read: {str(error) or type(error).__name__}") from error
    finally:
        await redis.aclose()
