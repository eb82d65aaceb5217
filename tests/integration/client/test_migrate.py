"""`horarium migrate` as whoever deploys has it: a process, what it prints, and its exit code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import anyio
import asyncpg
import pytest

from horarium.embedded import DataDir
from horarium.sql.database import Database
from horarium.sql.migrator import ADVISORY_LOCK, migrations
from tests.support.commands import Run, run
from tests.support.pseudo_terminal import in_terminal
from tests.support.servers import temporary_data_dir

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

KNOWN = len(migrations())
UP_TO_DATE = f"The database is at migration {KNOWN}, as this horarium wants it."


async def migrate(database_url: str, *arguments: str) -> Run:
    return await run("migrate", *arguments, database_url=database_url)


async def test_what_is_missing_is_told_then_applied_then_there(empty_url: str) -> None:
    before = await migrate(empty_url, "--check")
    applied = await migrate(empty_url)
    again = await migrate(empty_url)
    after = await migrate(empty_url, "--check")

    assert (before.code, before.out.splitlines()[0]) == (1, "Missing: 0001 initial")
    assert before.err == "horarium: run `horarium migrate` with this release before it starts\n"
    assert (applied.code, applied.out.splitlines()[0]) == (0, "Applied 0001 initial.")
    assert (again.code, again.out, again.err) == (0, f"{UP_TO_DATE}\n", "")
    assert (after.code, after.out, after.err) == (0, f"{UP_TO_DATE}\n", "")


async def test_json_names_what_was_applied(empty_url: str) -> None:
    first, second = [json.loads((await migrate(empty_url, "--json")).out) for _ in range(2)]

    assert first["applied"][0] == "0001 initial"
    assert second == {"known": KNOWN, "applied": []}


async def test_another_that_migrates_is_waited_for(empty_url: str) -> None:
    holder = await asyncpg.connect(empty_url)
    try:
        await holder.execute("SELECT pg_advisory_lock($1)", ADVISORY_LOCK)
        with in_terminal("migrate", database_url=empty_url) as terminal:
            await terminal.shows("Another process migrates this database; waiting for it.")
            made_meanwhile = await holder.fetchval("SELECT to_regclass('schema_migrations')")
            await holder.execute("SELECT pg_advisory_unlock($1)", ADVISORY_LOCK)
            code = await terminal.ended()
    finally:
        holder.terminate()

    assert (made_meanwhile, code) == (None, 0)


@pytest.mark.parametrize("arguments", [[], ["--check"]])
async def test_a_database_newer_than_this_code_is_refused(database_url: str, arguments: list[str]) -> None:
    async with Database(database_url) as database, database.connection() as connection:
        await connection.execute("INSERT INTO schema_migrations VALUES ($1, 'of tomorrow', '')", KNOWN + 1)

    refused = await migrate(database_url, *arguments)

    assert (refused.code, refused.out) == (2, "")
    assert refused.err.endswith("run the newer horarium\n")


@pytest.mark.parametrize(
    ("url", "code", "said"),
    [
        ("postgresql://me:hunter2@127.0.0.1:1/x", 6, "horarium: HORARIUM_DATABASE_URL: Postgres is away: connection"),
        ("mysql://me:hunter2@127.0.0.1/x", 2, "horarium: HORARIUM_DATABASE_URL: "),
    ],
)
async def test_a_database_that_cannot_be_reached_is_told_in_a_line_without_its_password(
    url: str, code: int, said: str
) -> None:
    refused = await migrate(url)

    assert refused.code == code
    assert refused.err.startswith(said)
    assert refused.err.count("\n") == 1
    assert "hunter2" not in refused.err


async def test_a_database_that_does_not_exist_is_named(database_url: str) -> None:
    refused = await migrate(database_url.replace("/test_", "/no_such_"))

    assert refused.code == 1
    assert 'Postgres refuses: database "no_such_' in refused.err


async def test_the_private_postgres_is_started_migrated_and_stopped() -> None:
    with temporary_data_dir() as data_dir:
        nothing_yet = await run("migrate", "--check", data_dir=data_dir)
        made = data_dir.exists()
        applied = await run("migrate", data_dir=data_dir)
        after = await run("migrate", "--check", data_dir=data_dir)
        with DataDir(data_dir):
            in_use = await run("migrate", data_dir=data_dir)

    assert (nothing_yet.code, made) == (1, False)
    assert (applied.code, after.code) == (0, 0), applied.err
    assert in_use.code == 2
    assert "is in use by process" in in_use.err


def test_the_data_dir_flag_wins(tmp_path: Path) -> None:
    done = anyio.run(lambda: run("migrate", "--check", "--data-dir", str(tmp_path / "empty")))

    assert done.code == 1
