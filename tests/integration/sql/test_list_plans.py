"""Every list of the API reads about what it shows, however much there is, and sorts nothing that an index has."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

import pytest

from horarium.audit_log import AuditFilter
from horarium.ids import least_id
from horarium.sql.database import Database
from horarium.sql.migrator import migrate
from horarium.sql.queries import QUERIES
from horarium.sql.task_configs import ConfigFilter
from horarium.views import ExecutionFilter
from tests.support.servers import fresh_database

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio.from_thread import BlockingPortal

pytestmark = pytest.mark.anyio

PAGE = 50
CONFIGS, EACH = 1000, 10
ROWS = CONFIGS * EACH
NOW = datetime(2026, 5, 8, 12, tzinfo=UTC)
FIRST = NOW - timedelta(minutes=ROWS)
"""Rows are a minute apart."""

FILL = """
INSERT INTO task_configs (
    name, task_type, scheduler_type, status, queue, priority, timeout_seconds, max_retries, retry_backoff_seconds,
    overlap, catchup, catchup_window_seconds, max_catchup_runs, tags, scheduled_from, created_at
)
SELECT
    'config ' || n, 'echo', 'cron', CASE WHEN n % 20 = 0 THEN 'paused' ELSE 'active' END, 'default', 5, 60, 0, 0,
    'skip', 'skip', 0, 0, ARRAY['team ' || n % 50], now(), now() - make_interval(mins => n)
FROM generate_series(1, $1) AS n;
"""
EXECUTIONS = """
INSERT INTO executions (
    id, config_id, task_type, trigger, tick_at, status, queue, priority, timeout_seconds, max_retries,
    retry_backoff_seconds, scheduler_type, worker, created_at, started_at, completed_at, error
)
SELECT
    (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7000a' || lpad(to_hex(n), 15, '0'))::uuid,
    1 + n % $2, 'echo', CASE WHEN n % 400 = 0 THEN 'manual' ELSE 'schedule' END, at, status, 'default', 5, 60, 0, 0,
    'cron', 'worker ' || n % 4, at, at,
    CASE WHEN status <> 'running' THEN at END, CASE WHEN status = 'failed' THEN 'no' END
FROM (
    SELECT
        n, $3::timestamptz + make_interval(mins => n) AS at,
        CASE WHEN n > $1 - 5 THEN 'running' WHEN n % 200 = 0 THEN 'failed' ELSE 'success' END AS status
    FROM generate_series(1, $1) AS n
) AS made
"""
OTHERS = """
INSERT INTO audit_log (at, actor_kind, actor_id, actor_name, action, target_kind, target_id)
SELECT
    now() - make_interval(mins => 5000 - n), 'user', n % 100, 'user ' || n % 100,
    CASE WHEN n % 100 = 0 THEN 'user.created' ELSE 'task_config.updated' END, 'task_config', (n % 500)::text
FROM generate_series(1, 5000) AS n;
INSERT INTO users (username, role, password_hash)
SELECT 'user ' || n, CASE WHEN n % 100 = 0 THEN 'admin' ELSE 'viewer' END, '!' FROM generate_series(1, 1000) AS n;
INSERT INTO api_keys (name, prefix, digest, role)
SELECT 'key ' || n, 'hk_', sha256(n::text::bytea), 'viewer' FROM generate_series(1, 1000) AS n;
INSERT INTO execution_reports (execution_id, attempt, version, progress)
SELECT id, 1, 1, 0.5 FROM executions;
INSERT INTO notification_rules (name, events, repeat, errors, recipients, enabled)
SELECT 'rule ' || n, ARRAY['failed'], 'every', 'kind', ARRAY['a@example.org'], true FROM generate_series(1, 5) AS n;
INSERT INTO notifications (
    id, rule_id, subject, event, config_id, config_name, content, status, created_at, give_up_at, ended_at
)
SELECT
    gen_random_uuid(), 1 + n % 5, gen_random_uuid(), 'failed', 1, 'config 1', '{}',
    CASE WHEN n % 200 = 0 THEN 'failed' ELSE 'suppressed' END, now(), now(), now()
FROM generate_series(1, 5000) AS n;
INSERT INTO limits (kind, name, max_running, updated_by)
SELECT 'queue', 'queue ' || n, 5, 'nobody' FROM generate_series(1, 500) AS n;
ANALYZE
"""


@pytest.fixture(scope="module")
def large_database(server_portal: BlockingPortal, postgres_url: str, template_database: str) -> Iterator[str]:
    """A house of a thousand configs and ten times as many executions, filled once for all tests here."""
    with fresh_database(server_portal, postgres_url, template_database) as url:
        server_portal.call(fill, url)
        yield url


async def fill(url: str) -> None:
    async with Database(url) as database:
        await migrate(database)
        async with database.connection() as connection:
            await connection.execute(FILL.replace("$1", str(CONFIGS)))
            await connection.execute(EXECUTIONS, ROWS, CONFIGS, FIRST)
            await connection.execute(OTHERS)


class Plan(NamedTuple):
    """How a list was read: by which indexes, what was sorted, and how many rows came from tables."""

    indexes: set[str]
    kinds: set[str]
    rows: float


async def plan_of(url: str, name: str, **given: object) -> Plan:
    """The plan of a named query with these parameters, and NULL for all others, as it was when it was run."""
    query = {query.name: query for query in QUERIES.all()}[name]
    values = [given.get(parameter) for parameter in query.parameters]
    async with Database(url) as database, database.connection() as connection:
        (plan,) = await connection.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) " + query.sql, *values)
    nodes = list(nodes_of(plan["Plan"]))
    return Plan(
        {node["Index Name"] for node in nodes if "Index Name" in node},
        {node["Node Type"] for node in nodes},
        sum(rows_of(node) for node in nodes),
    )


def nodes_of(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from nodes_of(child)


def rows_of(node: dict[str, Any]) -> float:
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float(node["Actual Loops"] * (node["Actual Rows"] + removed)) if node.get("Relation Name") else 0.0


def since(minutes: float) -> datetime:
    return NOW - timedelta(minutes=minutes)


CURSOR = least_id(since(ROWS / 2))
DAY = 24 * 60
"""`since` looks a day further back, for clocks that were set; so many rows."""

BORDERS = [since(2 * DAY), since(DAY), since(0)]

LAST_HOUR = {"made_since": least_id(since(60)), "since": since(60), "bin_seconds": 60.0, "late_seconds": 5.0}

EXECUTION_LISTS: dict[str, tuple[dict[str, Any], str, float]] = {
    "all": ({}, "executions_pkey", PAGE),
    "common status": ({"status": "success"}, "executions_pkey", PAGE + 10),
    "rare status": ({"status": "failed"}, "executions_by_outcome", PAGE),
    "in flight": ({"status": "running"}, "executions_occupied", 5),
    "config": ({"config_id": 7}, "executions_by_config", EACH),
    "config and status": ({"config_id": 7, "status": "success"}, "executions_by_config", EACH),
    "config and worker": ({"config_id": 7, "worker": "worker 1"}, "executions_by_config", EACH),
    "config and time": ({"config_id": 7, "since": since(900), "until": since(60)}, "executions_by_config", EACH),
    "trigger": ({"trigger": "manual"}, "executions_by_trigger", PAGE),
    "no such trigger": ({"trigger": "backfill"}, "executions_by_trigger", 0),
    "trigger and worker": ({"trigger": "manual", "worker": "worker 0"}, "executions_by_trigger", PAGE),
    "schedule": ({"trigger": "schedule"}, "executions_pkey", PAGE + 1),
    "since": ({"since": since(60)}, "executions_pkey", PAGE + 61),
    "since and status": ({"since": since(60), "status": "failed"}, "executions_by_outcome", DAY / 200 + 2),
    "since and worker": ({"since": since(60), "worker": "worker 9"}, "executions_pkey", DAY + 61),
    "until": ({"until": since(100)}, "executions_pkey", PAGE + 101),
    "worker": ({"worker": "worker 1"}, "executions_pkey", 4 * PAGE + 4),
    "worker and status": ({"worker": "worker 0", "status": "failed"}, "executions_by_outcome", PAGE),
}  # fmt: skip


@pytest.mark.parametrize("name", EXECUTION_LISTS)
async def test_a_page_of_executions_is_read_in_the_order_of_an_index(large_database: str, name: str) -> None:
    filters, index, most = EXECUTION_LISTS[name]
    values = ExecutionFilter(**filters).values()

    first = await plan_of(large_database, "execution_list", **values, max_rows=PAGE)
    later = await plan_of(large_database, "execution_list", **values, before=CURSOR, max_rows=PAGE)

    assert first.indexes == {index}, first
    assert max(first.rows, later.rows) <= most, (first, later)
    assert "Seq Scan" not in first.kinds | later.kinds


@pytest.mark.parametrize(
    ("filters", "index", "most"),
    [
        ({}, "executions_pkey", ROWS),
        ({"status": "failed"}, "executions_by_outcome", ROWS / 200),
        ({"status": "running"}, "executions_occupied", 5),
        ({"config_id": 7}, "executions_by_config", EACH),
        ({"config_id": 7, "status": "failed"}, "executions_by_config", EACH),
        ({"trigger": "manual"}, "executions_by_trigger", ROWS / 400),
        ({"since": since(60)}, "executions_pkey", DAY + 61),
    ],
    ids=str,
)
async def test_executions_are_counted_by_an_index(
    large_database: str, filters: dict[str, Any], index: str, most: float
) -> None:
    plan = await plan_of(large_database, "execution_count", **ExecutionFilter(**filters).values())

    assert index in plan.indexes or index == "executions_pkey", plan
    assert plan.rows <= most, plan
    assert "Seq Scan" not in plan.kinds


@pytest.mark.parametrize("name", ["execution_list", "execution_count"])
async def test_a_dear_filter_asked_for_again_and_again_leaves_a_cheap_one_its_own_plan(
    large_database: str, name: str
) -> None:
    """Postgres may come to plan a statement once for all its parameters, and then no filter has its index."""
    query = {query.name: query for query in QUERIES.all()}[name]
    values = ExecutionFilter(status="success", worker="nobody").values() | {"before": None, "max_rows": PAGE}
    given = {parameter: values[parameter] for parameter in query.parameters}
    asked = "SELECT generic_plans, custom_plans FROM pg_prepared_statements WHERE statement = $1"

    async with Database(large_database) as database, database.connection() as connection:
        plans = [await query.rows(connection, **given) for _ in range(12)]
        (counted,) = await connection.fetch(asked, query.sql)

    assert (counted["generic_plans"], counted["custom_plans"]) == (0, len(plans))


@pytest.mark.parametrize(
    ("sort", "index"),
    [
        ("id", "task_configs_pkey"), ("-id", "task_configs_pkey"),
        ("name", "task_configs_by_name"), ("-name", "task_configs_by_name"),
        ("created_at", "task_configs_by_age"), ("-created_at", "task_configs_by_age"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("filters", [{}, {"status": "active"}, {"q": "config 1"}], ids=str)
async def test_a_page_of_configs_is_read_in_the_order_of_an_index(
    large_database: str, sort: str, index: str, filters: dict[str, str]
) -> None:
    values = {**ConfigFilter(**filters).values(), "sort": sort, "max_rows": PAGE}
    cursor = {"after_id": CONFIGS // 2, "after_name": "config 500", "after_created_at": datetime.now(UTC)}

    first = await plan_of(large_database, "task_config_list", **values)
    later = await plan_of(large_database, "task_config_list", **values, **cursor)

    assert first.indexes == {index, "executions_by_config"}, first
    assert later.indexes <= {index, "executions_by_config"}, later
    assert max(first.rows, later.rows) <= 2.2 * PAGE + (CONFIGS if "q" in filters else 0), (first, later)
    assert not {"Seq Scan", "Sort", "Incremental Sort"} & first.kinds


async def test_configs_of_a_tag_are_found_by_it(large_database: str) -> None:
    values = ConfigFilter(tag="team 7").values()

    page = await plan_of(large_database, "task_config_list", **values, sort="name", max_rows=PAGE)
    total = await plan_of(large_database, "task_config_count", **values)

    assert "task_configs_tags" in page.indexes & total.indexes, (page, total)
    assert total.rows <= CONFIGS / 50 + 1


@pytest.mark.parametrize(
    ("filters", "index", "most"),
    [
        ({}, "audit_log_pkey", PAGE),
        ({"actor": "user 7"}, "audit_log_actor", PAGE),
        ({"action": "user.created"}, "audit_log_action", PAGE),
        ({"target_kind": "task_config", "target_id": "7"}, "audit_log_target", 10),
        ({"actor": "user 7", "action": "user.created"}, "audit_log_actor", PAGE),
    ],
    ids=str,
)
async def test_a_page_of_the_audit_log_is_read_in_the_order_of_an_index(
    large_database: str, filters: dict[str, str], index: str, most: float
) -> None:
    assert filters.keys() <= AuditFilter.__annotations__.keys()

    page = await plan_of(large_database, "audit_log_list", **filters, max_rows=PAGE)
    total = await plan_of(large_database, "audit_log_count", **filters)

    assert index in page.indexes, page
    assert page.rows <= most, page
    assert "Seq Scan" not in page.kinds | total.kinds


@pytest.mark.parametrize(
    ("name", "given", "indexes", "most"),
    [
        ("user_list", {"after": 0}, {"users_pkey"}, PAGE),
        ("user_list", {"after": 0, "username": "user 7"}, {"users_username"}, 1),
        ("user_list", {"after": 500, "q": "user"}, {"users_pkey"}, PAGE),
        ("api_key_list", {"after": 500}, {"api_keys_pkey"}, PAGE),
        ("execution_active", {}, {"executions_occupied"}, 5),
        ("execution_running_at", {"worker": "worker 1"}, {"executions_occupied"}, 5),
        ("execution_in_flight", {}, {"executions_occupied"}, 5),
        ("overview_bins", {**LAST_HOUR, "until": NOW}, {"executions_pkey"}, 61),
        ("overview_marks", {**LAST_HOUR, "config_ids": [7, 8]}, {"executions_by_config", "executions_pkey"}, 61),
        ("overview_recent_configs", {**LAST_HOUR, "newest_rows": 40}, {"executions_pkey"}, 40),
        ("overview_in_flight", {}, {"executions_occupied", "task_configs_pkey"}, 10),
        (
            "overview_failures", {"made_since": least_id(since(7 * DAY))},
            {"executions_with_errors", "task_configs_pkey"}, 2 * PAGE + 2,
        ),
        ("notification_list", {}, {"notifications_pkey", "notification_rules_pkey"}, 2 * PAGE),
        (
            "notification_list", {"status": "failed"},
            {"notifications_by_status", "notification_rules_pkey"}, 2 * PAGE,
        ),
        ("notification_count", {"status": "failed"}, {"notifications_by_status"}, 25),
        (
            "notification_lately", {"rule_ids": [1, 2], "since": since(60)},
            {"notifications_not_suppressed"}, 25,
        ),
        ("notification_expire", {"before": UUID(int=0)}, {"notifications_pkey"}, 0),
        ("task_config_named", {"ids": [7, 8]}, {"task_configs_pkey"}, 2),
        ("execution_outcomes", {"config_ids": [7, 8], "each": 5}, {"executions_by_config"}, 10),
        ("execution_stats", {"config_id": 7}, {"executions_by_config"}, EACH),
        ("execution_durations", {"config_id": 7, "newest_rows": 400}, {"executions_by_config"}, EACH),
        (
            "execution_days_of_rows", {"config_id": 7, "after": UUID(int=0), "until": CURSOR, "borders": BORDERS},
            {"executions_by_config"}, EACH,
        ),
        ("execution_days_kept", {"config_id": 7, "since": NOW.date()}, {"execution_days_pkey"}, 0),
        ("execution_days_marks", {"config_ids": [7, 8]}, {"execution_day_marks_pkey"}, 0),
        (
            "execution_days_uncounted", {"config_ids": [7, 8], "made_before": CURSOR, "many": 3},
            {"executions_by_config", "execution_day_marks_pkey"}, 8,
        ),
        (
            "execution_days_countable", {"config_id": 7, "after": UUID(int=0), "made_before": CURSOR},
            {"executions_by_config", "executions_occupied"}, EACH,
        ),
        (
            "execution_count_backfill", {"config_id": 7, "ticks": BORDERS},
            {"executions_one_row_per_tick", "executions_for_tick"}, 2 * len(BORDERS),
        ),
    ],
    ids=lambda each: each if isinstance(each, str) else "",
)  # fmt: skip
async def test_what_else_is_listed_reads_what_it_shows(
    large_database: str, name: str, given: dict[str, Any], indexes: set[str], most: float
) -> None:
    plan = await plan_of(large_database, name, **given, max_rows=PAGE)

    assert plan.indexes <= indexes, plan
    assert plan.rows <= most, plan
    assert "Seq Scan" not in plan.kinds


# What is written in batches

BATCH = 300
NO_ROWS = [UUID(int=number) for number in range(BATCH)]


async def test_a_batch_of_ticks_reads_its_own_configs_and_no_others(large_database: str) -> None:
    """Of another version than theirs, so that nothing is written."""
    plan = await plan_of(
        large_database,
        "execution_insert_ticks",
        ids=NO_ROWS,
        config_ids=list(range(1, BATCH + 1)),
        versions=[2] * BATCH,
        tick_ats=[NOW] * BATCH,
        tick_untils=[None] * BATCH,
        tick_counts=[1] * BATCH,
        reasons=[None] * BATCH,
        waits_seconds=2.0,
        begun_seconds=0.5,
        most_buffered=1000,
    )

    assert plan.rows <= 2 * BATCH


async def test_a_batch_of_messages_reads_its_own_rows_and_no_others(large_database: str) -> None:
    plan = await plan_of(large_database, "execution_mark_queued", ids=NO_ROWS, attempts=[1] * BATCH)

    assert plan.indexes == {"executions_pkey"}
    assert plan.rows <= BATCH
