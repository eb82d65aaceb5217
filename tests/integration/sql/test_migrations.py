"""A database is brought to the schema of this code, once, whoever starts; and any other schema stops the start."""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

from horarium.errors import ConfigurationError
from horarium.sql.database import Database
from horarium.sql.migrator import Migration, migrate, migrations, pending

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

SECOND = Migration(len(migrations()) + 1, "second", "CREATE TABLE second_thing (id integer)")
RULES = """
INSERT INTO notification_rules (name, events, repeat, errors, recipients, enabled)
VALUES ('all', $1, 'first', 'kind', '{a@example.org}', true), ('some', $2, 'first', 'kind', '{a@example.org}', true)
"""
BROKEN = Migration(len(migrations()) + 1, "broken", "CREATE TABLE half_a_thing (id integer); SELECT no_such_column")


@pytest.fixture
async def database(empty_url: str) -> AsyncIterator[Database]:
    """An empty one."""
    async with Database(empty_url) as made:
        yield made


async def value(database: Database, statement: str) -> object:
    async with database.connection() as connection:
        return await connection.fetchval(statement)


async def has_table(database: Database, name: str) -> bool:
    return bool(await value(database, f"SELECT to_regclass('{name}') IS NOT NULL"))


async def applied(database: Database) -> object:
    return await value(database, "SELECT array_agg(version ORDER BY version) FROM schema_migrations")


async def test_all_migrations_replay_onto_an_empty_database_in_order(database: Database) -> None:
    done = await migrate(database)

    assert done == list(migrations())
    assert await applied(database) == [migration.version for migration in migrations()]
    assert await has_table(database, "executions")


async def test_a_second_run_finds_nothing_left_to_do(database: Database) -> None:
    await migrate(database)

    assert await migrate(database) == []
    assert await pending(database) == []


async def test_what_is_pending_is_told_without_touching_the_database(database: Database) -> None:
    assert await pending(database) == list(migrations())
    assert not await has_table(database, "schema_migrations")


async def test_a_later_migration_is_applied_to_the_schema_before_it(database: Database) -> None:
    await migrate(database)

    assert await migrate(database, (*migrations(), SECOND)) == [SECOND]
    assert await has_table(database, "second_thing")


async def test_a_rule_that_told_of_everything_tells_of_configs_in_error_as_well(database: Database) -> None:
    await migrate(database, tuple(takewhile(lambda each: each.name != "config_errors_are_told", migrations())))
    everything, some = ["failed", "timeout", "lost", "missed", "recovered"], ["failed", "recovered"]
    async with database.connection() as connection:
        await connection.execute(RULES, everything, some)

    await migrate(database)

    async with database.connection() as connection:
        rules = await connection.fetch("SELECT events, version FROM notification_rules ORDER BY id")
    assert [tuple(rule) for rule in rules] == [([*everything, "config_error"], 2), (some, 1)]


async def test_of_several_that_start_at_once_one_migrates_and_all_find_it_done(
    database: Database, empty_url: str
) -> None:
    done: list[list[Migration]] = []

    async def start() -> None:
        async with Database(empty_url) as another:
            done.append(await migrate(another))

    async with anyio.create_task_group() as group:
        for _ in range(6):
            group.start_soon(start)

    assert sorted(done, key=len) == [[], [], [], [], [], list(migrations())]
    assert await applied(database) == [migration.version for migration in migrations()]


async def test_a_newer_database_is_refused(database: Database) -> None:
    await migrate(database, (*migrations(), SECOND))

    with pytest.raises(ConfigurationError, match="run the newer horarium"):
        await migrate(database)
    with pytest.raises(ConfigurationError, match="run the newer horarium"):
        await pending(database)


async def test_a_migration_that_was_edited_after_it_landed_is_refused(database: Database) -> None:
    await migrate(database)
    first, *rest = migrations()
    edited = replace(first, sql=first.sql + "-- a harmless remark")

    with pytest.raises(ConfigurationError, match="0001 was applied with another text"):
        await migrate(database, (edited, *rest))


async def test_a_migration_that_fails_leaves_nothing_behind_and_can_be_tried_again(database: Database) -> None:
    await migrate(database)

    with pytest.raises(asyncpg.UndefinedColumnError):
        await migrate(database, (*migrations(), BROKEN))

    assert not await has_table(database, "half_a_thing")
    assert await migrate(database, (*migrations(), SECOND)) == [SECOND]


@pytest.mark.parametrize("names", [("0002_b",), ("0001_a", "0003_c"), ("0001_a", "0001_b")])
def test_migrations_that_are_not_numbered_one_by_one_are_refused(tmp_path: Path, names: tuple[str, ...]) -> None:
    for name in names:
        (tmp_path / f"{name}.sql").write_text("SELECT 1")

    with pytest.raises(ConfigurationError, match="numbered"):
        migrations(tmp_path)
