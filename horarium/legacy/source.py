"""Reading the older system's database: one snapshot of it, which changes nothing there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson

from horarium.errors import ConfigurationError
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Legacy", "drop_leftovers", "read_legacy"]

CONNECT_SECONDS = 10.0
READ_SECONDS = 300.0
DROPPED = ("refresh_tokens", "schedule_events")


@dataclass(frozen=True)
class Legacy:
    """What is there: the tables with their columns, and every row of the two that are taken over."""

    tables: Mapping[str, tuple[str, ...]]
    users: tuple[Mapping[str, Any], ...]
    configs: tuple[Mapping[str, Any], ...]

    @property
    def leftovers(self) -> tuple[str, ...]:
        """Tables whose work Redis does here."""
        return tuple(name for name in DROPPED if name in self.tables)


async def read_legacy(url: str, schema: str | None) -> Legacy:
    """What is at this URL, in this schema, or in the first of its search_path.

    Raises ConfigurationError where such tables are not there, or are our own.
    """
    connection = await _connect(url, schema)
    try:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            tables = await _tables(connection)
            _refuse_others(tables)
            users = await QUERIES.legacy_users.rows(connection)
            configs = await QUERIES.legacy_task_configs.rows(connection)
    finally:
        connection.terminate()
    return Legacy(tables, tuple(row["row"] for row in users), tuple(row["row"] for row in configs))


async def drop_leftovers(url: str, schema: str | None) -> None:
    """Drop the tables whose work Redis does here; what else refers to them stops it."""
    connection = await _connect(url, schema)
    try:
        await QUERIES.legacy_drop.run(connection)
    finally:
        connection.terminate()


async def _connect(url: str, schema: str | None) -> asyncpg.Connection[asyncpg.Record]:
    quoted = None if schema is None else '"{}"'.format(schema.replace('"', '""'))
    connection = await asyncpg.connect(
        url,
        timeout=CONNECT_SECONDS,
        command_timeout=READ_SECONDS,
        server_settings={"application_name": "horarium", **({} if quoted is None else {"search_path": quoted})},
    )
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: orjson.dumps(value).decode(),
        decoder=orjson.loads,
        format="text",
    )
    return connection


async def _tables(connection: asyncpg.Connection[asyncpg.Record]) -> dict[str, tuple[str, ...]]:
    tables: dict[str, tuple[str, ...]] = {}
    for row in await QUERIES.legacy_columns.rows(connection):
        tables[row["table"]] = (*tables.get(row["table"], ()), row["column"])
    return tables


def _refuse_others(tables: Mapping[str, tuple[str, ...]]) -> None:
    if "schema_migrations" in tables:
        raise ConfigurationError(
            "--from-legacy leads to Horarium's own tables; name the older system's database, or its schema with "
            "--legacy-schema"
        )
    missing = [name for name in ("users", "task_configs") if name not in tables]
    if missing:
        raise ConfigurationError(
            f"--from-legacy: there is no table {' and no table '.join(missing)}; if it is in another schema, name it "
            "with --legacy-schema"
        )
