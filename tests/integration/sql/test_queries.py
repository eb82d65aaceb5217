"""Every named query is understood by a real Postgres, and a file that is not in order is refused."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from aiosql import SQLLoadException, SQLParseException

import horarium
from horarium.sql.queries import QUERIES, QUERY_DIR, Queries, Query, QueryError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from horarium.sql.queries import Connection
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio

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
    ("name", "index"),
    [
        ("task_config_due_to_resume", "task_configs_paused"),
        ("execution_running", "executions_occupied"),
        ("execution_holders", "executions_occupied"),
        ("execution_next_retry", "executions_occupied"),
        ("execution_queues_waiting", "executions_occupied"),
        ("execution_awaiting_turn", "executions_buffered"),
    ],
)
async def test_what_is_asked_every_second_reads_an_index_of_nothing_else(rig: Rig, name: str, index: str) -> None:
    """Its cost is that of what is paused or in flight, whatever else there is."""
    query = {query.name: query for query in QUERIES.all()}[name]
    values = [1000] * len(query.parameters)
    async with rig.database.connection() as connection:
        plan = "\n".join(line[0] for line in await connection.fetch("EXPLAIN " + query.sql, *values))

    assert re.findall(r"(?:using|on) (task_configs_\w+|executions_\w+|\w+_pkey)", plan) == [index], plan


CONFIGS = 40
MANY_EXECUTIONS = """
INSERT INTO executions (
    id, config_id, task_type, trigger, status, queue, priority, timeout_seconds, max_retries, retry_backoff_seconds,
    scheduler_type, created_at, completed_at
)
SELECT
    format('01a2%s-0000-7000-8000-%s', lpad(to_hex(n), 4, '0'), lpad(to_hex(c.id), 12, '0'))::uuid, c.id, 'echo',
    'manual', 'success', 'default', 5, 60, 0, 0, 'manual', now(), now()
FROM task_configs AS c, generate_series(1, 250) AS n;
ANALYZE executions
"""
"""Of an empty table the planner has no statistics, or bad ones, and may take one index as well as another."""

LATELY = {"made_since": "'01a20000-0000-7000-8000-000000000000'", "config_ids": "'{1,2}'", "ids": "'{1,2}'"}
INSTANTS = {"since": "'2026-01-07T11:00:00Z'", "until": "'2026-01-07T13:00:00Z'"}
PLACES = {"after": LATELY["made_since"], "made_before": LATELY["made_since"], "ticks": "'{2026-01-07T11:00:00Z}'"}
PLACES |= {"borders": "'{2026-01-07T00:00:00Z,2026-01-08T00:00:00Z}'"}
OTHERWISE = {"execution_days_of_rows": {"until": "'ffffffff-ffff-ffff-ffff-ffffffffffff'"}}
"""Parameters that mean something else in a query of theirs."""


@pytest.mark.parametrize(
    ("name", "indexes"),
    [
        ("overview_bins", {"executions_pkey"}),
        ("overview_marks", {"executions_by_config"}),
        ("overview_in_flight", {"executions_occupied", "task_configs_pkey"}),
        ("execution_in_flight", {"executions_occupied"}),
        ("overview_failures", {"executions_with_errors", "task_configs_pkey"}),
        ("execution_outcomes", {"executions_by_config"}),
        ("execution_durations", {"executions_by_config"}),
        ("execution_days_of_rows", {"executions_by_config"}),
        ("execution_days_kept", {"execution_days_pkey"}),
        ("execution_days_marks", {"execution_day_marks_pkey"}),
        ("execution_days_uncounted", {"executions_by_config", "execution_day_marks_pkey"}),
    ],
)
async def test_what_a_dashboard_asks_reads_no_more_than_it_shows(rig: Rig, name: str, indexes: set[str]) -> None:
    """The plan is that of a large ledger: no table is read whole, and no row is sorted that an index has in order."""
    async with rig.database.connection() as connection:
        plan = await plan_of(connection, name)

    assert indexes_of(plan) == indexes, plan
    assert "Seq Scan" not in plan


OF_ONE_CONFIG = {
    "execution_days_countable": {"executions_by_config", "executions_occupied"},
    "execution_count_backfill": {"executions_one_row_per_tick", "executions_for_tick"},
}
"""What is asked of one config among many; of an empty ledger another index would do as well."""


async def test_the_newest_rows_are_read_from_the_end_of_their_index_and_those_of_a_config_from_its_own(
    rig: Rig,
) -> None:
    for _ in range(CONFIGS):
        await rig.config(scheduler_type="manual", schedule_config={})

    async with rig.database.connection() as connection, rolled_back(connection):
        await connection.execute(MANY_EXECUTIONS)
        plan = await plan_of(connection, "overview_recent_configs")
        others = {name: await plan_of(connection, name) for name in OF_ONE_CONFIG}

    assert indexes_of(plan) == {"executions_pkey"}, plan
    assert "Backward" in plan
    assert {name: indexes_of(plan) for name, plan in others.items()} == OF_ONE_CONFIG, others


async def plan_of(connection: Connection, name: str) -> str:
    """How Postgres would answer, with values for the parameters."""
    query = {query.name: query for query in QUERIES.all()}[name]
    values = LATELY | INSTANTS | PLACES | OTHERWISE.get(name, {})
    given = [values.get(parameter, "10") for parameter in query.parameters]
    sql = query.sql
    for place, value in reversed(list(enumerate(given, start=1))):
        sql = sql.replace(f"${place}", value)
    return "\n".join(line[0] for line in await connection.fetch(f"EXPLAIN {sql}"))


def indexes_of(plan: str) -> set[str]:
    return {*re.findall(r"(?:using|on) (task_configs_\w+|executions_\w+|\w+_pkey)", plan)}


@asynccontextmanager
async def rolled_back(connection: Connection) -> AsyncIterator[None]:
    """What is done in the block leaves nothing behind."""
    begun = connection.transaction()
    await begun.start()
    try:
        yield
    finally:
        await begun.rollback()


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
        await rig.sql(
            "INSERT INTO executions SELECT (jsonb_populate_record(e, jsonb_build_object('id', gen_random_uuid()))).*"
            " FROM executions AS e WHERE config_id = $1",
            config,
        )


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
