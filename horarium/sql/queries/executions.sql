-- The ledger. Every statement that moves a row names the state and the attempt it moves it from, so a duplicate,
-- a late or a superseded writer changes nothing and learns so from the missing row. Whoever updates many rows does it in
-- the order of their ids, so that two of them never wait for each other.

-- name: execution_insert_ticks(ids, config_ids, versions, tick_ats, tick_untils, tick_counts, reasons, waits_seconds, begun_seconds)
-- A batch of ticks becomes rows. The caller holds the configs (task_config_hold), so this statement's snapshot has
-- every row and every edit that could stand against one. A tick that a row covers already, as itself or as part of a
-- stretch, gets no second one. A tick under overlap `skip` is deferred for a moment while the run before it is fresh:
-- created less than `waits_seconds` ago and waiting for its worker, or begun less than `begun_seconds` ago. Our own
-- delay is no overlap.
WITH due AS (
    SELECT *
    FROM unnest(
        :ids::uuid[], :config_ids::bigint[], :versions::bigint[], :tick_ats::timestamptz[],
        :tick_untils::timestamptz[], :tick_counts::integer[], :reasons::text[]
    ) AS d (id, config_id, version, tick_at, tick_until, tick_count, reason)
),
judged AS MATERIALIZED (
    SELECT
        d.*, c.task_type, c.parameters, c.queue, c.priority, c.timeout_seconds, c.max_retries,
        c.retry_backoff_seconds, c.scheduler_type,
        CASE
            WHEN c.id IS NULL THEN 'stale'
            WHEN covered.until >= d.tick_at THEN 'exists'
            WHEN d.reason IS NOT NULL THEN 'skip'
            WHEN busy.fresh IS NULL THEN 'run'
            WHEN busy.fresh THEN 'defer'
            ELSE 'overlap'
        END AS decision
    FROM due AS d
    LEFT JOIN task_configs AS c
        ON c.id = d.config_id AND c.version = d.version AND c.status = 'active' AND c.deleted_at IS NULL
    LEFT JOIN LATERAL (
        SELECT coalesce(e.tick_until, e.tick_at) AS until FROM executions AS e
        WHERE e.config_id = d.config_id AND e.tick_at <= d.tick_at
        ORDER BY e.tick_at DESC LIMIT 1
    ) AS covered ON true
    LEFT JOIN LATERAL (
        SELECT bool_and(
            CASE
                WHEN e.started_at IS NULL
                    THEN e.created_at > clock_timestamp() - make_interval(secs => :waits_seconds::double precision)
                ELSE e.started_at > clock_timestamp() - make_interval(secs => :begun_seconds::double precision)
            END
        ) AS fresh
        FROM executions AS e
        WHERE e.config_id = d.config_id AND e.completed_at IS NULL AND c.overlap = 'skip'
    ) AS busy ON true
),
inserted AS (
    INSERT INTO executions (
        id, config_id, task_type, trigger, tick_at, tick_until, tick_count, status, reason, completed_at,
        parameters, queue, priority, timeout_seconds, max_retries, retry_backoff_seconds, scheduler_type
    )
    SELECT
        id, config_id, task_type, 'schedule', tick_at, tick_until, tick_count,
        CASE decision WHEN 'run' THEN 'pending' ELSE 'skipped' END,
        CASE decision WHEN 'overlap' THEN 'overlap' ELSE reason END,
        CASE decision WHEN 'run' THEN NULL ELSE clock_timestamp() END,
        parameters, queue, priority, timeout_seconds, max_retries, retry_backoff_seconds, scheduler_type
    FROM judged
    WHERE decision IN ('run', 'skip', 'overlap')
    ORDER BY config_id, tick_at
    ON CONFLICT (config_id, tick_at) DO NOTHING
    RETURNING id
)
SELECT
    j.id,
    CASE WHEN i.id IS NULL AND j.decision IN ('run', 'skip', 'overlap') THEN 'exists' ELSE j.decision END AS decision
FROM judged AS j LEFT JOIN inserted AS i ON i.id = j.id;

-- name: execution_last_ticks(config_ids)
-- Up to which tick each config has rows. Ask it after the configs are held, never in the statement that waits for
-- the lock: that one's snapshot is older than what it waited for.
SELECT e.config_id, max(coalesce(e.tick_until, e.tick_at)) AS last_tick
FROM unnest(:config_ids::bigint[]) AS c (id)
CROSS JOIN LATERAL (
    SELECT x.config_id, x.tick_at, x.tick_until FROM executions AS x
    WHERE x.config_id = c.id AND x.tick_at IS NOT NULL
    ORDER BY x.tick_at DESC LIMIT 1
) AS e
GROUP BY e.config_id;

-- name: execution_insert_skipped(id, config_id, tick_at, tick_until, tick_count, reason)
-- Ticks that an edit, a stop or a pause passed over, as one row; the caller holds the config's lock.
INSERT INTO executions (
    id, config_id, task_type, trigger, tick_at, tick_until, tick_count, status, reason, completed_at,
    parameters, queue, priority, timeout_seconds, max_retries, retry_backoff_seconds, scheduler_type
)
SELECT
    :id::uuid, c.id, c.task_type, 'schedule', :tick_at::timestamptz, :tick_until::timestamptz,
    :tick_count::integer, 'skipped', :reason::text, clock_timestamp(),
    c.parameters, c.queue, c.priority, c.timeout_seconds, c.max_retries, c.retry_backoff_seconds, c.scheduler_type
FROM task_configs AS c WHERE c.id = :config_id::bigint
ON CONFLICT (config_id, tick_at) DO NOTHING
RETURNING id;

-- name: execution_insert_run(id, config_id, parameters, idempotency_key)
-- A run by hand. No row back: the idempotency key was used before, or the config is gone.
INSERT INTO executions (
    id, config_id, task_type, trigger, status, idempotency_key,
    parameters, queue, priority, timeout_seconds, max_retries, retry_backoff_seconds, scheduler_type
)
SELECT
    :id::uuid, c.id, c.task_type, 'manual', 'pending', :idempotency_key::text,
    :parameters::jsonb, c.queue, c.priority, c.timeout_seconds, c.max_retries,
    c.retry_backoff_seconds, c.scheduler_type
FROM task_configs AS c WHERE c.id = :config_id::bigint AND c.deleted_at IS NULL
FOR KEY SHARE OF c
ON CONFLICT (config_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
RETURNING id;

-- name: execution_by_idempotency_key(config_id, idempotency_key)^
-- The run that an earlier request with the same key made, with the parameters it was made with.
SELECT id, parameters FROM executions
WHERE config_id = :config_id::bigint AND idempotency_key = :idempotency_key::text;

-- name: execution_mark_queued(ids, attempts)
-- The broker has confirmed the message. A worker may have claimed it before this statement: then it stays running.
UPDATE executions AS e
SET status = 'queued', queued_at = clock_timestamp(), retry_at = NULL
FROM unnest(:ids::uuid[], :attempts::smallint[]) AS m (id, attempt)
WHERE e.id = m.id AND e.attempt = m.attempt AND e.status IN ('pending', 'retrying')
RETURNING e.id;

-- name: execution_to_publish(ids, pending_seconds, max_rows)
-- What waits for a message: the rows asked for by id, those whose publisher never came back, and due retries.
SELECT id, config_id, task_type, attempt, parameters, queue, priority, scheduler_type, tick_at
FROM executions
WHERE completed_at IS NULL AND (
    (
        status = 'pending' AND (
            id = ANY(:ids::uuid[])
            OR created_at < clock_timestamp() - make_interval(secs => :pending_seconds::double precision)
        )
    )
    OR (status = 'retrying' AND retry_at <= clock_timestamp())
)
ORDER BY id
LIMIT :max_rows::integer;

-- name: execution_next_retry()$
-- When the earliest waiting retry is due.
SELECT min(retry_at) FROM executions WHERE completed_at IS NULL AND status = 'retrying';

-- name: execution_queues_waiting()
-- The queues that hold executions nobody has claimed, and since when.
SELECT queue, min(queued_at) AS oldest FROM executions
WHERE completed_at IS NULL AND status = 'queued'
GROUP BY queue;

-- name: execution_requeue_lost(queue, published_before)
-- Queued rows whose message the broker can no longer hold go back to pending; a message that does turn up after
-- all claims the row once, like any duplicate.
UPDATE executions SET status = 'pending'
WHERE id IN (
    SELECT w.id FROM executions AS w
    WHERE w.completed_at IS NULL AND w.status = 'queued' AND w.queue = :queue::text
        AND w.queued_at < :published_before::timestamptz
    ORDER BY w.id
    FOR UPDATE
)
RETURNING id;

-- name: execution_claim(ids, attempts, worker)
-- One attempt, one claim. No row back means a duplicate, a cancelled or a superseded message. A worker may claim again
-- what it claimed before: the answer can be lost after the commit, and it knows itself what it already runs.
UPDATE executions AS e
SET
    status = 'running', reason = NULL, worker = :worker::text, started_at = clock_timestamp(),
    queued_at = coalesce(e.queued_at, clock_timestamp()),
    deadline_at = clock_timestamp() + make_interval(secs => e.timeout_seconds)
FROM unnest(:ids::uuid[], :attempts::smallint[]) AS m (id, attempt)
WHERE e.id = m.id AND e.attempt = m.attempt
    AND (e.status IN ('pending', 'queued', 'retrying') OR (e.status = 'running' AND e.worker = :worker::text))
RETURNING
    e.id, e.attempt, e.config_id, e.task_type, e.tick_at, e.timeout_seconds, e.max_retries, e.retry_backoff_seconds,
    e.started_at, e.deadline_at,
    (
        SELECT count(*)::integer FROM jsonb_array_elements(e.earlier_attempts) AS a WHERE a ->> 'status' = 'cancelled'
    ) AS handed_back;

-- name: execution_finish(ids, attempts, statuses, ended_as, reasons, results, errors, retry_delays)
-- A running attempt ends: in a final state, or back in `retrying` (a retry delay is given) with the next attempt's
-- number, which refuses whatever the old attempt may still say. `pending` hands an unfinished attempt back.
UPDATE executions AS e
SET
    status = f.status,
    reason = f.reason,
    result = f.result::jsonb,
    error = f.error,
    completed_at = CASE WHEN f.status IN ('retrying', 'pending') THEN NULL ELSE clock_timestamp() END,
    retry_at = CASE WHEN f.status = 'retrying' THEN clock_timestamp() + make_interval(secs => f.retry_delay) END,
    attempt = CASE WHEN f.status IN ('retrying', 'pending') THEN e.attempt + 1 ELSE e.attempt END,
    earlier_attempts = CASE
        WHEN f.status IN ('retrying', 'pending') THEN e.earlier_attempts || jsonb_build_object(
            'attempt', e.attempt, 'status', coalesce(f.ended_as, f.status), 'reason', f.reason, 'error', f.error,
            'worker', e.worker, 'started_at', e.started_at, 'completed_at', clock_timestamp()
        )
        ELSE e.earlier_attempts
    END,
    worker = CASE WHEN f.status IN ('retrying', 'pending') THEN NULL ELSE e.worker END,
    started_at = CASE WHEN f.status IN ('retrying', 'pending') THEN NULL ELSE e.started_at END,
    queued_at = CASE WHEN f.status IN ('retrying', 'pending') THEN NULL ELSE e.queued_at END,
    deadline_at = CASE WHEN f.status IN ('retrying', 'pending') THEN NULL ELSE e.deadline_at END
FROM unnest(
    :ids::uuid[], :attempts::smallint[], :statuses::text[], :ended_as::text[], :reasons::text[], :results::text[],
    :errors::text[], :retry_delays::double precision[]
) AS f (id, attempt, status, ended_as, reason, result, error, retry_delay)
WHERE e.id = f.id AND e.attempt = f.attempt AND e.status = 'running'
RETURNING e.id, e.attempt, e.status, e.config_id, e.completed_at;

-- name: execution_running()
-- Every running attempt, to keep the timeout index equal to and to find those whose worker is gone. Whether a deadline
-- has passed is asked of the clock that set it.
SELECT
    id, attempt, config_id, task_type, tick_at, worker, timeout_seconds, max_retries, retry_backoff_seconds, started_at,
    deadline_at,
    deadline_at < clock_timestamp() AS overdue,
    (
        SELECT count(*)::integer FROM jsonb_array_elements(earlier_attempts) AS a WHERE a ->> 'status' = 'cancelled'
    ) AS handed_back
FROM executions WHERE completed_at IS NULL AND status = 'running';

-- name: execution_get(id)^
-- One execution, whole.
SELECT * FROM executions WHERE id = :id::uuid;

-- name: execution_list(status, config_id, trigger, since, until, worker, before, max_rows)
-- Newest first; the id is the cursor, since it grows with time.
SELECT * FROM executions
WHERE (:status::text IS NULL OR status = :status::text)
    AND (:config_id::bigint IS NULL OR config_id = :config_id::bigint)
    AND (:trigger::text IS NULL OR trigger = :trigger::text)
    AND (:since::timestamptz IS NULL OR coalesce(tick_until, tick_at, created_at) >= :since::timestamptz)
    AND (:until::timestamptz IS NULL OR coalesce(tick_at, created_at) < :until::timestamptz)
    AND (:worker::text IS NULL OR worker = :worker::text)
    AND (:before::uuid IS NULL OR id < :before::uuid)
ORDER BY id DESC
LIMIT :max_rows::integer;

-- name: execution_count(status, config_id, trigger, since, until, worker)$
-- How many rows the same filters match on all pages.
SELECT count(*) FROM executions
WHERE (:status::text IS NULL OR status = :status::text)
    AND (:config_id::bigint IS NULL OR config_id = :config_id::bigint)
    AND (:trigger::text IS NULL OR trigger = :trigger::text)
    AND (:since::timestamptz IS NULL OR coalesce(tick_until, tick_at, created_at) >= :since::timestamptz)
    AND (:until::timestamptz IS NULL OR coalesce(tick_at, created_at) < :until::timestamptz)
    AND (:worker::text IS NULL OR worker = :worker::text);

-- name: execution_active(before, max_rows)
-- What is in flight, newest first.
SELECT * FROM executions
WHERE completed_at IS NULL AND (:before::uuid IS NULL OR id < :before::uuid)
ORDER BY id DESC
LIMIT :max_rows::integer;

-- name: execution_count_active()$
-- How many executions are in flight.
SELECT count(*) FROM executions WHERE completed_at IS NULL;

-- name: execution_cancel_waiting(config_id, reason)
-- A deleted config's executions that no worker has claimed will not start.
UPDATE executions SET status = 'cancelled', reason = :reason::text, completed_at = clock_timestamp()
WHERE id IN (
    SELECT w.id FROM executions AS w
    WHERE w.config_id = :config_id::bigint AND w.completed_at IS NULL
        AND w.status IN ('pending', 'queued', 'retrying')
    ORDER BY w.id
    FOR UPDATE
)
RETURNING id;

-- name: execution_stats(config_id)^
-- One config's figures over everything the ledger still holds; a stretch of skipped ticks counts as its ticks.
SELECT
    coalesce(sum(tick_count), 0) AS total,
    count(*) FILTER (WHERE status = 'success') AS success,
    count(*) FILTER (WHERE status = 'failed') AS failed,
    count(*) FILTER (WHERE status = 'timeout') AS timeout,
    count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
    count(*) FILTER (WHERE status = 'lost') AS lost,
    coalesce(sum(tick_count) FILTER (WHERE status = 'skipped'), 0) AS skipped,
    avg(extract(epoch FROM completed_at - started_at)) FILTER (WHERE status = 'success') AS avg_duration_seconds,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM completed_at - started_at))
    FILTER (WHERE status = 'success') AS p95_duration_seconds,
    max(started_at) AS last_run_at
FROM executions WHERE config_id = :config_id::bigint;

-- name: execution_delete_expired(completed_before, created_before, max_rows)
-- Retention, a small batch at a time. The newest tick row of a config stays for as long as the config does: after a
-- flush the due index restarts from it. `created_before` is the least UUIDv7 of the same instant: what was created later
-- cannot have been completed earlier, and the primary key says so without a look at the rows.
DELETE FROM executions AS e
USING (
    SELECT x.id FROM executions AS x
    WHERE x.id < :created_before::uuid AND x.completed_at < :completed_before::timestamptz
        AND NOT (
            x.tick_at IS NOT NULL
            AND x.tick_at = (SELECT max(n.tick_at) FROM executions AS n WHERE n.config_id = x.config_id)
            AND EXISTS (SELECT 1 FROM task_configs AS c WHERE c.id = x.config_id AND c.deleted_at IS NULL)
        )
    ORDER BY x.id
    LIMIT :max_rows::integer
    FOR UPDATE SKIP LOCKED
) AS expired
WHERE e.id = expired.id
RETURNING e.id;
