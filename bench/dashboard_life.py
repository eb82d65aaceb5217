"""A house that has been lived in: configs of every kind, weeks of their executions, what people did, and who they are.

One config in a hundred fires every quarter of an hour, one in five every three hours, the rest twice a day, so that the
newest hour has some thousand rows and a config some dozen to two thousand. Rows are written in the order of time, as
ticks write them, and the tables are vacuumed and analysed, as autovacuum does. Nothing is due before the present.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import asyncpg

from horarium.identity.passwords import Passwords

if TYPE_CHECKING:
    from uuid import UUID

__all__ = ["PASSWORD", "SLEEP", "SLEEPER", "Life", "live"]

PASSWORD = "a password of benches, and of benches only"  # noqa: S105 - of a throw-away house

TICKS_A_DAY = 4.08
"""Of one config, in the mean: 96 of a hundredth, 8 of nineteen hundredths, 2 of the rest."""

CONFIGS = """
INSERT INTO task_configs (
    name, description, task_type, parameters, scheduler_type, schedule_config, status, queue, priority, timeout_seconds,
    max_retries, retry_backoff_seconds, overlap, catchup, catchup_window_seconds, max_catchup_runs, tags, paused_reason,
    scheduled_from, created_at
)
SELECT
    (ARRAY['import', 'report', 'invoice', 'sync', 'export', 'cleanup'])[1 + n % 6] || ' '
        || (ARRAY['orders', 'customers', 'stock', 'payments', 'prices', 'mail', 'search'])[1 + n % 7] || ' ' || n,
    CASE WHEN n % 3 = 0 THEN 'What the warehouse asks for each morning, number ' || n ELSE '' END,
    'echo', jsonb_build_object('message', 'hello ' || n), 'cron',
    jsonb_build_object('timezone', 'UTC', 'cron_expression', CASE
        WHEN n % 100 = 0 THEN n / 100 % 15 || '-59/15 * * * *'
        WHEN n % 100 < 20 THEN n % 60 || ' */3 * * *'
        ELSE format('%s %s,%s * * *', n % 60, n / 60 % 12, n / 60 % 12 + 12)
    END),
    CASE WHEN n % 400 = 7 THEN 'error' WHEN n % 50 = 3 THEN 'paused' WHEN n % 50 = 9 THEN 'inactive' ELSE 'active' END,
    'default', 5, 300, 3, 10, 'skip', 'latest', 3600, 100,
    ARRAY['team ' || n % 12] || CASE WHEN n % 10 = 0 THEN ARRAY['nightly'] ELSE ARRAY[]::text[] END,
    CASE WHEN n % 50 = 3 THEN 'the warehouse is moving' END, now(), now() - make_interval(mins => $1 - n)
FROM generate_series(1, $1) AS n
"""

EXECUTIONS = """
WITH ticks AS (
    SELECT c.id AS config_id, $1::timestamptz + t.after AS tick_at
    FROM task_configs AS c
    CROSS JOIN LATERAL (
        SELECT make_interval(mins => (c.id / 100 % 15 + 15 * k)::integer) AS after
        FROM generate_series(0, 95) AS k WHERE c.id % 100 = 0
        UNION ALL
        SELECT make_interval(hours => 3 * k, mins => (c.id % 60)::integer)
        FROM generate_series(0, 7) AS k WHERE c.id % 100 BETWEEN 1 AND 19
        UNION ALL
        SELECT make_interval(hours => (c.id / 60 % 12 + 12 * k)::integer, mins => (c.id % 60)::integer)
        FROM generate_series(0, 1) AS k WHERE c.id % 100 > 19
    ) AS t
),
drawn AS (
    SELECT *, hashtextextended(config_id || ' ' || tick_at, 0) AS seed FROM ticks WHERE tick_at < $2::timestamptz
),
told AS (
    SELECT
        *,
        CASE
            WHEN share < 940 THEN 'success' WHEN share < 966 THEN 'failed' WHEN share < 970 THEN 'timeout'
            WHEN share < 971 THEN 'lost' WHEN share < 974 THEN 'cancelled' ELSE 'skipped'
        END AS status,
        tick_at + make_interval(secs => CASE WHEN more < 10 THEN 5 + more ELSE 0.004 + more / 8000.0 END) AS begun,
        make_interval(secs => 0.05 + exp(part / 160.0::float) / 10) AS took
    FROM (
        SELECT
            *, (seed & 1023) * 1000 / 1024 AS share, (seed >> 10 & 1023) AS more, (seed >> 20 & 1023) AS part
        FROM drawn
    ) AS numbered
)
INSERT INTO executions (
    id, config_id, task_type, trigger, tick_at, status, reason, attempt, earlier_attempts, parameters, queue, priority,
    timeout_seconds, max_retries, retry_backoff_seconds, scheduler_type, worker, created_at, queued_at, started_at,
    deadline_at, completed_at, result, error
)
SELECT
    (
        lpad(to_hex((extract(epoch FROM tick_at) * 1000)::bigint), 12, '0') || '7' || lpad(to_hex(seed & 4095), 3, '0')
        || 'a' || lpad(to_hex(config_id), 15, '0')
    )::uuid,
    config_id, 'echo', 'schedule', tick_at, status,
    CASE WHEN status = 'skipped' THEN (ARRAY['overlap', 'missed_window', 'paused'])[1 + part % 3]
        WHEN status = 'cancelled' THEN 'requested' END,
    CASE WHEN more > 990 AND status <> 'skipped' THEN 2 ELSE 1 END,
    CASE WHEN more > 990 AND status <> 'skipped' THEN jsonb_build_array(jsonb_build_object(
        'attempt', 1, 'status', 'failed', 'reason', null, 'error', $3::text, 'worker', 'worker 1',
        'started_at', begun, 'completed_at', begun + took
    )) ELSE '[]' END,
    jsonb_build_object('message', 'hello ' || config_id), 'default', 5, 300, 3, 10, 'cron',
    CASE WHEN status <> 'skipped' THEN 'worker ' || 1 + part % 8 END,
    tick_at + interval '3 ms', CASE WHEN status <> 'skipped' THEN tick_at + interval '5 ms' END,
    CASE WHEN status <> 'skipped' THEN begun END,
    CASE WHEN status <> 'skipped' THEN begun + interval '5 min' END,
    CASE WHEN status = 'skipped' THEN tick_at + interval '3 ms' ELSE begun + took END,
    CASE WHEN status = 'success' THEN jsonb_build_object('rows', part * more, 'message', 'hello ' || config_id) END,
    CASE WHEN status IN ('failed', 'timeout', 'lost') THEN $3::text || ' of config ' || config_id END
FROM told
ORDER BY tick_at, config_id
"""
"""Of one day. Some are late, some have a first attempt that failed, and durations spread over four orders."""

ERROR = """Traceback (most recent call last):
  File "/srv/app/tasks/reports.py", line 118, in send_daily
    rows = await warehouse.rows(region, since=since, limit=limit)
  File "/srv/app/warehouse/client.py", line 64, in rows
    return await self._ask("rows", region=region, since=since.isoformat(), limit=limit)
  File "/srv/app/warehouse/client.py", line 40, in _ask
    raise WarehouseAway(f"{name}: no answer within {self._seconds:g} s") from error
warehouse.client.WarehouseAway: rows: no answer within 30 s"""

BY_HAND = """
INSERT INTO executions (
    id, config_id, task_type, trigger, status, queue, priority, timeout_seconds, max_retries, retry_backoff_seconds,
    scheduler_type, worker, created_at, queued_at, started_at, completed_at, result
)
SELECT
    (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7aaab' || lpad(to_hex(n), 15, '0'))::uuid,
    1 + n % $1, 'echo', CASE WHEN n % 4 = 0 THEN 'retry' ELSE 'manual' END, 'success', 'default', 5, 300, 3, 10, 'cron',
    'worker ' || 1 + n % 8, at, at, at, at + interval '1 s', '{}'
FROM (
    SELECT n, $2::timestamptz + n * ($3::timestamptz - $2::timestamptz) / 2000 AS at FROM generate_series(1, 1999) AS n
) AS made
"""

SLEEPER = """
INSERT INTO task_configs (
    name, task_type, parameters, scheduler_type, status, queue, priority, timeout_seconds, max_retries,
    retry_backoff_seconds, overlap, catchup, catchup_window_seconds, max_catchup_runs, scheduled_from
)
VALUES (
    'sleeper', 'sleep', '{"seconds": 3000}', 'manual', 'active', 'default', 5, 3600, 0, 0, 'skip', 'latest', 3600, 100,
    now()
)
RETURNING id
"""
SLEEP = """
INSERT INTO executions (
    id, config_id, task_type, trigger, status, parameters, queue, priority, timeout_seconds, max_retries,
    retry_backoff_seconds, scheduler_type, created_at
)
SELECT
    (substr($1::uuid::text, 1, 24) || lpad(to_hex(n), 12, '0'))::uuid, $2, 'sleep', 'manual', 'pending',
    '{"seconds": 3000}', 'default', 5, 3600, 0, 0, 'manual', now() - interval '1 min'
FROM generate_series(1, $3::integer) AS n
"""

ADMIN = "INSERT INTO users (username, role, password_hash) VALUES ('admin', 'admin', $1)"
PEOPLE = """
INSERT INTO users (username, email, role, password_hash)
SELECT 'user ' || n, 'user' || n || '@example.org', CASE WHEN n % 5 = 0 THEN 'operator' ELSE 'viewer' END, '!'
FROM generate_series(1, 300) AS n;
INSERT INTO api_keys (name, prefix, digest, role)
SELECT 'machine ' || n, 'hk_' || n, sha256(n::text::bytea), 'operator' FROM generate_series(1, 300) AS n;
INSERT INTO audit_log (
    at, actor_kind, actor_id, actor_name, action, target_kind, target_id, target_name, address, before, after
)
SELECT
    now() - make_interval(mins => 20000 - n), 'user', 1 + n % 300, 'user ' || 1 + n % 300,
    CASE WHEN n % 4 = 0 THEN 'task_config.paused' ELSE 'task_config.updated' END, 'task_config', (1 + n % 1000)::text,
    'config ' || n, '10.0.0.7', '{"timeout_seconds": 300, "max_retries": 0}',
    '{"timeout_seconds": 600, "max_retries": 3}'
FROM generate_series(1, 20000) AS n
"""

TABLES = "task_configs, executions, users, api_keys, audit_log"
SHOWN = """
SELECT id, config_id FROM executions
WHERE error IS NOT NULL AND config_id % 100 = 0 ORDER BY attempt DESC, id DESC LIMIT 1
"""


class Life(NamedTuple):
    """What is there, and an execution that failed, of a config that fires often, to look at."""

    configs: int
    executions: int
    config: int
    execution: UUID


async def live(url: str, configs: int, executions: int) -> Life:
    """Fill an empty schema with so many configs and about so many executions."""
    connection = await asyncpg.connect(url)
    try:
        # Nobody listens yet, and a notification for each config would be most of the work.
        await connection.execute("SET session_replication_role = replica; SET synchronous_commit = off")
        await connection.execute(CONFIGS, configs)
        now = await connection.fetchval("SELECT now()")
        days = max(1, round(executions / configs / TICKS_A_DAY))
        first = await connection.fetchval(
            "SELECT date_trunc('day', $1::timestamptz) - make_interval(days => $2)", now, days
        )
        for day in range(days + 1):
            begin = await connection.fetchval("SELECT $1::timestamptz + make_interval(days => $2)", first, day)
            await connection.execute(EXECUTIONS, begin, now, ERROR)
        await connection.execute(BY_HAND, configs, first, now)
        await connection.execute(ADMIN, await Passwords().hash(PASSWORD))
        await connection.execute(PEOPLE)
        await connection.execute(f"VACUUM (ANALYZE) {TABLES}")
        await connection.execute("CHECKPOINT")
        shown = await connection.fetchrow(SHOWN)
        assert shown is not None
        total = await connection.fetchval("SELECT count(*) FROM executions")
        return Life(configs, total, shown["config_id"], shown["id"])
    finally:
        await connection.close()
