-- Runs that repeat or make up for what the ledger has. What is final stays as it is: such a run is a row of its own,
-- linked to the other by `retry_of`, and `for_tick` says which tick it is about.

-- name: execution_insert_retry(id, retried, idempotency_key)^
-- An execution once more: what it did is what it does again, how it is run is as its config says now, unless that runs
-- another task type by now. What an app kicked is kicked once more as it was; it has no config. The caller holds the
-- config. No row back: the key was used before, for a config or for an execution without one, or retention was there.
INSERT INTO executions (
    id, config_id, task_type, trigger, status, retry_of, for_tick, idempotency_key, parameters, message, scheduler_type,
    queue, priority, timeout_seconds, max_retries, retry_backoff_seconds
)
SELECT
    :id::uuid, e.config_id, e.task_type, 'retry', 'pending', coalesce(e.message_id, e.id),
    coalesce(e.tick_at, e.for_tick), :idempotency_key::text, e.parameters, e.message, e.scheduler_type,
    coalesce(c.queue, e.queue), coalesce(c.priority, e.priority), coalesce(c.timeout_seconds, e.timeout_seconds),
    coalesce(c.max_retries, e.max_retries), coalesce(c.retry_backoff_seconds, e.retry_backoff_seconds)
FROM executions AS e
LEFT JOIN task_configs AS c ON c.id = e.config_id AND c.task_type = e.task_type
WHERE e.id = :retried::uuid
ON CONFLICT DO NOTHING
RETURNING *;

-- name: execution_related(id, max_rows)
-- Those that repeat an execution, and those about a tick of it, newest first. A tick is found by either of its indexes,
-- and so is a run that repeats one. What has no tick can only be found among the runs that came after it, which is one
-- index for all configs: ten thousand of them are looked at.
WITH own AS (
    SELECT
        id, coalesce(message_id, id) AS public_id, config_id, coalesce(tick_at, for_tick) AS first_tick,
        coalesce(tick_until, tick_at, for_tick) AS last_tick
    FROM executions WHERE id = :id::uuid
), found AS (
    SELECT e.* FROM own JOIN executions AS e
        ON e.config_id = own.config_id AND e.tick_at BETWEEN own.first_tick AND own.last_tick
    UNION ALL
    SELECT e.* FROM own JOIN executions AS e
        ON e.config_id = own.config_id AND e.for_tick BETWEEN own.first_tick AND own.last_tick
    UNION ALL
    SELECT later.* FROM own CROSS JOIN LATERAL (
        SELECT * FROM executions AS r
        WHERE own.first_tick IS NULL AND r.trigger = 'retry' AND r.id > own.id
        ORDER BY r.id LIMIT 10000
    ) AS later
    WHERE later.retry_of = own.public_id
)
SELECT
    coalesce(f.message_id, f.id) AS task_id,
    CASE WHEN f.retry_of = own.public_id THEN 'retry' ELSE 'same_tick' END AS relation, f.trigger, f.status,
    coalesce(f.tick_at, f.for_tick) AS for_tick, f.created_at, f.started_at, f.completed_at
FROM found AS f CROSS JOIN own
WHERE f.id <> own.id
ORDER BY f.id DESC
LIMIT :max_rows::integer;

-- name: execution_count_backfill(config_id, ticks)$
-- For how many of these ticks execution_insert_backfill would make an execution.
SELECT count(*)
FROM unnest(:ticks::timestamptz[]) AS w (tick)
LEFT JOIN LATERAL (
    SELECT e.id, e.status, coalesce(e.tick_until, e.tick_at) AS until FROM executions AS e
    WHERE e.config_id = :config_id::bigint AND e.tick_at <= w.tick
    ORDER BY e.tick_at DESC LIMIT 1
) AS own ON own.until >= w.tick
WHERE own.id IS NULL OR (
    own.status = 'skipped' AND NOT EXISTS (
        SELECT 1 FROM executions AS m WHERE m.config_id = :config_id::bigint AND m.for_tick = w.tick
    )
);

-- name: execution_insert_backfill(ids, config_id, ticks, buffered)
-- An execution for each of these ticks that has none. One without a row gets it as its row; one that was skipped, alone
-- or in a stretch, beside that row, unless somebody has made up for it already. The caller has locked the config.
WITH judged AS MATERIALIZED (
    SELECT w.id, w.tick, own.id AS row_of_tick, own.status
    FROM unnest(:ids::uuid[], :ticks::timestamptz[]) AS w (id, tick)
    LEFT JOIN LATERAL (
        SELECT e.id, e.status, coalesce(e.tick_until, e.tick_at) AS until FROM executions AS e
        WHERE e.config_id = :config_id::bigint AND e.tick_at <= w.tick
        ORDER BY e.tick_at DESC LIMIT 1
    ) AS own ON own.until >= w.tick
)
INSERT INTO executions (
    id, config_id, task_type, trigger, tick_at, for_tick, retry_of, status, buffered, parameters, scheduler_type,
    queue, priority, timeout_seconds, max_retries, retry_backoff_seconds
)
SELECT
    j.id, c.id, c.task_type, 'backfill',
    CASE WHEN j.row_of_tick IS NULL THEN j.tick END, CASE WHEN j.row_of_tick IS NOT NULL THEN j.tick END,
    j.row_of_tick, 'pending', :buffered::boolean, c.parameters, c.scheduler_type,
    c.queue, c.priority, c.timeout_seconds, c.max_retries, c.retry_backoff_seconds
FROM judged AS j
JOIN task_configs AS c ON c.id = :config_id::bigint
WHERE j.row_of_tick IS NULL OR (
    j.status = 'skipped' AND NOT EXISTS (
        SELECT 1 FROM executions AS m WHERE m.config_id = :config_id::bigint AND m.for_tick = j.tick
    )
)
ORDER BY j.tick
ON CONFLICT (config_id, tick_at) DO NOTHING
RETURNING id;
