"""`horarium migrate --from-legacy`: what an older system has is here afterwards, or is named with the reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import bcrypt
import pytest
from argon2 import PasswordHasher

from horarium.identity.passwords import Passwords, Verdict
from tests.support.commands import Run, run
from tests.support.pseudo_terminal import in_terminal

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.anyio

SCRIPT = (Path(__file__).parents[2] / "support" / "legacy.sql").read_text()
PASSWORD = "correct horse"
HASHES = {
    "bcrypt": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode(),
    "argon2": PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD),
}


async def sql(url: str, statement: str, *values: object) -> Any:
    connection = await asyncpg.connect(url)
    try:
        return await (
            connection.fetch(statement, *values) if statement.startswith("SELECT") else connection.execute(statement)
        )
    finally:
        await connection.close()


async def fill(url: str, schema: str = "public") -> None:
    await sql(url, f'CREATE SCHEMA IF NOT EXISTS "{schema}"; SET search_path TO "{schema}"; {SCRIPT.format(**HASHES)}')


async def rows(url: str, table: str) -> dict[str, Mapping[str, Any]]:
    """Every row of a table of ours, by its name."""
    found = await sql(url, f"SELECT * FROM {table} ORDER BY id")  # noqa: S608 - ours
    return {row["username" if table == "users" else "name"]: row for row in found}


async def take_over(database_url: str, legacy_url: str, *arguments: str) -> Run:
    return await run("migrate", "--from-legacy", legacy_url, *arguments, database_url=database_url)


async def test_users_are_taken_over_with_ids_roles_and_passwords(empty_url: str, legacy_url: str) -> None:
    await fill(legacy_url)

    done = await take_over(empty_url, legacy_url)

    users = await rows(empty_url, "users")
    assert done.code == 1, done.err
    assert [(name, user["id"], user["role"], user["is_active"]) for name, user in users.items()] == [
        ("root", 3, "admin", True),
        ("Bob", 5, "operator", True),
        ("eve", 9, "viewer", False),
    ]
    assert (users["root"]["email"], users["Bob"]["email"]) == ("root@example.org", None)
    assert users["root"]["created_at"].isoformat() == "2021-03-04T05:06:07+00:00"
    assert await Passwords().verify(users["root"]["password_hash"], PASSWORD) is Verdict.RIGHT_BUT_OUTDATED
    assert await Passwords().verify(users["eve"]["password_hash"], PASSWORD) is Verdict.RIGHT_BUT_OUTDATED
    assert users["Bob"]["password_hash"] == "!"


async def test_configs_are_taken_over_as_the_api_would_have_them(empty_url: str, legacy_url: str) -> None:
    await fill(legacy_url)

    await take_over(empty_url, legacy_url)

    configs = await rows(empty_url, "task_configs")
    assert [(name, config["id"], config["status"], config["created_by"]) for name, config in configs.items()] == [
        ("nightly", 11, "active", 3),
        ("every hour", 12, "active", None),
        ("fired", 16, "inactive", 3),
        ("paused", 18, "paused", 5),
        ("failing", 19, "inactive", 3),
    ]
    assert json.loads(configs["nightly"]["schedule_config"]) == {
        "cron_expression": "0 3 * * *",
        "timezone": "Europe/Paris",
    }
    assert json.loads(configs["every hour"]["schedule_config"]).keys() == {"hours", "anchor"}
    assert (configs["every hour"]["priority"], configs["every hour"]["timeout_seconds"]) == (9, 300)
    assert (configs["nightly"]["max_retries"], configs["nightly"]["queue"]) == (3, "default")


async def test_whatever_is_not_as_it_was_has_its_line(empty_url: str, legacy_url: str) -> None:
    await fill(legacy_url)

    done = await take_over(empty_url, legacy_url)

    said = [line for line in done.out.splitlines() if line.startswith(("Not carried over: ", "Not as it was: "))]
    begins = (
        "Not as it was: user Bob (id 5): email 'no address' is not one here",
        "Not as it was: user Bob (id 5): its password is hashed in a way that cannot be checked here",
        "Not as it was: user eve (id 9): role 'intern' is unknown here, viewer instead",
        "Not as it was: task config every hour (id 12): priority 50 is out of range: 9",
        "Not as it was: task config every hour (id 12): timeout_seconds 0 is none here: the default instead",
        "Not as it was: task config fired (id 16): its date has passed: inactive",
        "Not as it was: task config failing (id 19): status 'error': inactive",
        "Not as it was: users.avatar_url: there is nothing like it here",
        "Not as it was: task_configs.result_ttl: there is nothing like it here",
        "Not carried over: user bob (id 7): user Bob (id 5) has that name already",
        "Not carried over: user without a name (id 8): has no name",
        "Not carried over: task config broken (id 13): schedule_config.cron_expression: hour '33' is not understood",
        "Not carried over: task config unknown (id 14): task_type 'billing.run' is not registered here",
        "Not carried over: task config misfit (id 15): parameters.message: Field required",
        "Not carried over: task config nightly (id 17): task config nightly (id 11) has that name already",
        "Not carried over: task config without a name (id 20): name: Field required",
    )
    assert [begin for begin in begins if not any(line.startswith(begin) for line in said)] == [], done.out
    assert len(said) == len(begins)
    assert [secret for secret in HASHES.values() if secret in done.out + done.err] == []
    assert done.out.splitlines()[-1] == "8 taken over, 0 here already, 7 not carried over."


async def test_a_second_run_finds_all_of_it_there(empty_url: str, legacy_url: str) -> None:
    await fill(legacy_url)
    await take_over(empty_url, legacy_url)
    before = await rows(empty_url, "users"), await rows(empty_url, "task_configs")

    again = await take_over(empty_url, legacy_url)

    assert again.out.splitlines()[-1] == "0 taken over, 8 here already, 7 not carried over."
    assert (await rows(empty_url, "users"), await rows(empty_url, "task_configs")) == before


async def test_a_row_that_was_mended_comes_with_the_next_run(empty_url: str, legacy_url: str) -> None:
    await fill(legacy_url)
    await take_over(empty_url, legacy_url)
    await sql(legacy_url, """UPDATE task_configs SET schedule_config = '{"minute": "3"}' WHERE name = 'broken'""")

    again = await take_over(empty_url, legacy_url)

    assert "Taken over: task config broken (id 13 there, 13 here)" in again.out
    assert again.out.splitlines()[-1] == "1 taken over, 8 here already, 6 not carried over."


async def test_a_dry_run_says_the_same_and_changes_nothing(empty_url: str, legacy_url: str) -> None:
    await fill(legacy_url)

    tried = await take_over(empty_url, legacy_url, "--dry-run", "--drop-legacy")

    assert "Would take over: task config nightly (id 11 there)" in tried.out
    assert "Would drop: refresh_tokens" in tried.out
    assert tried.out.splitlines()[-1] == "8 to take over, 0 here already, 7 not carried over."
    assert await sql(empty_url, "SELECT to_regclass('users') AS made") == [(None,)]
    assert await sql(legacy_url, "SELECT count(*) FROM refresh_tokens") == [(0,)]


async def test_tables_in_a_schema_beside_ours_are_told_from_ours(empty_url: str) -> None:
    await fill(empty_url, "Old Days")

    wrong = await take_over(empty_url, empty_url)
    right = await take_over(empty_url, empty_url, "--legacy-schema", "Old Days", "--json")

    assert (wrong.code, "there is no table users and no table task_configs" in wrong.err) == (2, True)
    assert len(json.loads(right.out)["taken_over"]) == 8


async def test_ours_may_be_the_ones_in_a_schema_beside(empty_url: str) -> None:
    await fill(empty_url)
    await sql(empty_url, "CREATE SCHEMA horarium")
    ours = f"{empty_url}&options=-csearch_path%3Dhorarium"

    done = await take_over(ours, empty_url)

    assert done.out.splitlines()[-1] == "8 taken over, 0 here already, 7 not carried over."
    assert await sql(empty_url, "SELECT count(*) FROM horarium.task_configs") == [(5,)]


async def test_our_own_tables_are_refused(database_url: str) -> None:
    refused = await take_over(database_url, database_url)

    assert refused.code == 2
    assert "leads to Horarium's own tables" in refused.err


async def test_an_id_or_a_name_that_is_taken_here_is_left_alone(database_url: str, legacy_url: str) -> None:
    await fill(legacy_url)
    await sql(
        database_url,
        "INSERT INTO users (id, username, role, password_hash) OVERRIDING SYSTEM VALUE"
        " VALUES (5, 'other', 'viewer', '!');"
        "INSERT INTO users (username, role, password_hash) VALUES ('ROOT', 'viewer', 'mine')",
    )

    done = await take_over(database_url, legacy_url)

    users = await rows(database_url, "users")
    assert "Here already: user root" in done.out
    assert (users["ROOT"]["password_hash"], users["other"]["id"]) == ("mine", 5)
    assert users["Bob"]["id"] > 9, "past every id that is to be kept"
    assert (await rows(database_url, "task_configs"))["nightly"]["created_by"] == users["ROOT"]["id"]


async def test_nothing_is_written_where_a_row_cannot_be(database_url: str, legacy_url: str) -> None:
    await fill(legacy_url)
    await sql(database_url, "ALTER TABLE task_configs ADD CONSTRAINT refusing CHECK (name <> 'failing')")

    refused = await take_over(database_url, legacy_url, "--drop-legacy", "--yes")

    assert refused.code == 1
    assert "Postgres refuses" in refused.err
    assert await rows(database_url, "users") == {}
    assert await sql(legacy_url, "SELECT to_regclass('refresh_tokens') IS NOT NULL AS there") == [(True,)]


async def test_the_leftovers_are_dropped_and_nothing_else(empty_url: str, legacy_url: str) -> None:
    await fill(legacy_url)

    done = await take_over(empty_url, legacy_url, "--drop-legacy", "--yes")

    assert "Dropped: refresh_tokens\nDropped: schedule_events\n" in done.out
    left = await sql(legacy_url, "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")
    assert left == [("task_configs",), ("task_executions",), ("users",)]
    again = await take_over(empty_url, legacy_url, "--drop-legacy", "--yes")
    assert "Dropped" not in again.out


async def test_dropping_is_asked_for_and_a_no_does_nothing(empty_url: str, legacy_url: str) -> None:
    await fill(legacy_url)
    arguments = ("migrate", "--from-legacy", legacy_url, "--drop-legacy")

    with in_terminal(*arguments, database_url=empty_url) as terminal:
        await terminal.shows("[y/N]: ")
        terminal.type("n")
        assert "Nothing was done." in await terminal.shows("Nothing was done.")
        assert await terminal.ended() == 1
    unasked = await run(*arguments, database_url=empty_url)

    assert unasked.code == 2
    assert await sql(empty_url, "SELECT to_regclass('users') AS made") == [(None,)]


@pytest.mark.parametrize("arguments", [["--drop-legacy"], ["--dry-run"], ["--legacy-schema", "x"]])
async def test_what_belongs_to_a_take_over_is_refused_without_one(empty_url: str, arguments: list[str]) -> None:
    assert (await run("migrate", *arguments, database_url=empty_url)).code == 2


async def test_a_take_over_is_in_the_audit_log(empty_url: str, legacy_url: str) -> None:
    await fill(legacy_url)

    await take_over(empty_url, legacy_url)

    told = await sql(empty_url, "SELECT action, count(*), min(actor_name) FROM audit_log GROUP BY 1 ORDER BY 1")
    assert told == [("task_config.taken_over", 5, "horarium"), ("user.taken_over", 3, "horarium")]
