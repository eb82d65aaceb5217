"""Every named query is understood by a real Postgres, and a file that is not in order is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from aiosql import SQLLoadException, SQLParseException

import horarium
from horarium.sql.queries import QUERIES, QUERY_DIR, Queries, Query, QueryError
from tests.support.plans import planned

if TYPE_CHECKING:
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio

AGAIN = """
INSERT INTO executions (
    id, config_id, task_type, trigger, tick_at, status, queue, priority, timeout_seconds, max_retries,
    retry_backoff_seconds, scheduler_type
)
SELECT
    gen_random_uuid(), config_id, task_type, trigger, tick_at, status, queue, priority, timeout_seconds, max_retries,
    retry_backoff_seconds, scheduler_type
FROM executions WHERE config_id = $1
"""
"""The rows of a config once more, under ids of their own."""
SELECT = "-- name: {name}({parameters})\n-- Why.\nSELECT 1{more};\n"


def written(folder: Path, **files: str) -> Queries:
    for name, text in files.items():
        (folder / f"{name}.sql").write_text(text)
    return Queries(folder)


@pytest.mark.parametrize("query", QUERIES.all(), ids=lambda query: query.name)
async def test_it_prepares_and_takes_the_parameters_it_names(rig: Rig, query: Query) -> None:
    async with rig.database.connection() as connection:
        prepared = await connection.prepare(query.sql)

        assert len(prepared.get_parameters()) == len(query.parameters)


@pytest.mark.parametrize(
    ("name", "indexes"),
    [
        ("task_config_due_to_resume", {"task_configs_paused"}),
        ("execution_running", {"executions_occupied"}),
        ("execution_holders", {"executions_occupied"}),
        ("execution_any_open", {"executions_occupied"}),
        ("execution_next_retry", {"executions_occupied"}),
        ("execution_queues_waiting", {"executions_occupied"}),
        ("execution_awaiting_turn", {"executions_buffered", "executions_occupied", "task_configs_pkey"}),
    ],
)
async def test_what_is_asked_every_second_reads_indexes_of_nothing_else(rig: Rig, name: str, indexes: set[str]) -> None:
    """Its cost is that of what is paused or in flight, whatever else there is."""
    query = {query.name: query for query in QUERIES.all()}[name]

    plan = await planned(rig.database, query, await rig.config(), **dict.fromkeys(query.parameters, 1000))

    assert set(re.findall(r"(?:using|on) (task_configs_\w+|executions_\w+|\w+_pkey)", plan)) == indexes, plan


def test_the_files_say_why_of_every_query() -> None:
    text = "".join(path.read_text() for path in QUERY_DIR.glob("*.sql"))

    explained = re.findall(r"^-- name: (\w+)\(.*\n-- \w", text, re.MULTILINE)

    assert sorted(explained) == sorted(query.name for query in QUERIES.all())


def test_a_name_that_no_file_defines_is_an_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="no query is named execution_klaim"):
        _ = QUERIES.execution_klaim


def test_a_name_defined_twice_is_refused(tmp_path: Path) -> None:
    text = SELECT.format(name="thing_get", parameters="", more="")

    with pytest.raises(QueryError, match="thing_get is defined twice"):
        written(tmp_path, first=text, second=text)


@pytest.mark.parametrize(
    "text",
    [
        "-- name: 1_bad()\nSELECT 1;\n",
        "-- name: bad name()\nSELECT 1;\n",
        "-- name: nothing()\n",
        "-- name: unknown_parameter(one)\nSELECT :other;\n",
    ],
)
def test_a_misshapen_query_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises((SQLParseException, SQLLoadException)):
        written(tmp_path, misshapen=text)


async def test_missing_and_surplus_arguments_are_refused_before_anything_is_sent(rig: Rig) -> None:
    async with rig.database.connection() as connection:
        with pytest.raises(TypeError, match=r"task_config_get takes \['id'\], not \[\]"):
            await QUERIES.task_config_get.row(connection)
        with pytest.raises(TypeError, match="takes"):
            await QUERIES.task_config_get.row(connection, id=1, version=2)


async def test_a_query_runs_with_its_parameters_by_name(rig: Rig, tmp_path: Path) -> None:
    queries = written(tmp_path, math="-- name: minus(less, more)$\nSELECT :more::int - :less::int;\n")

    async with rig.database.connection() as connection:
        assert await queries.minus.value(connection, more=5, less=3) == 2


async def test_the_ledger_refuses_a_second_row_for_a_tick_whoever_writes_it(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire(after=1)

    with pytest.raises(asyncpg.UniqueViolationError, match="executions_one_row_per_tick"):
        await rig.sql(AGAIN, config)


@pytest.mark.parametrize(
    "change", ["status = 'success'", "completed_at = now()", "status = 'asleep'", "tick_count = 0"]
)
async def test_the_ledger_refuses_a_row_that_contradicts_itself(rig: Rig, change: str) -> None:
    await rig.config()
    await rig.fire(after=1)

    with pytest.raises(asyncpg.CheckViolationError):
        await rig.sql(f"UPDATE executions SET {change}")  # noqa: S608 - ours


def test_every_query_is_asked_somewhere() -> None:
    source = "".join(path.read_text() for path in Path(horarium.__file__).parent.rglob("*.py"))

    unused = [query.name for query in QUERIES.all() if f"QUERIES.{query.name}." not in source]

    assert unused == []
