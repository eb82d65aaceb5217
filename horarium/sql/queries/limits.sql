-- Limits of queues and task types, and who has room under them. Whoever gives room locks the limits first, in the order of
-- their keys, and counts in a later statement: the one that waits for the lock does not see what it waited for.

-- name: limit_list(after_kind, after_name, max_rows)
-- A page of limits, by kind and name.
SELECT * FROM limits
WHERE :after_kind::text IS NULL OR (kind, name) > (:after_kind::text, :after_name::text)
ORDER BY kind, name
LIMIT :max_rows::integer;

-- name: limit_count()$
-- How many there are.
SELECT count(*) FROM limits;

-- name: limit_any()$
-- Whether there are any.
SELECT EXISTS (SELECT 1 FROM limits);

-- name: limit_concerned(ids)
-- Those of these executions that a limit concerns.
SELECT e.id FROM executions AS e
WHERE e.id = ANY(:ids::uuid[]) AND EXISTS (
    SELECT 1 FROM limits AS l
    WHERE (l.kind = 'task_type' AND l.name = e.task_type) OR (l.kind = 'queue' AND l.name = e.queue)
);

-- name: limit_waiting()
-- How many executions wait for room, by task type and queue.
SELECT task_type, queue, count(*) AS waiting FROM executions
WHERE limited
GROUP BY task_type, queue;

-- name: limit_lock(kinds, names)
-- These limits, held until the transaction ends.
SELECT * FROM limits
WHERE (kind, name) IN (SELECT k.kind, k.name FROM unnest(:kinds::text[], :names::text[]) AS k (kind, name))
ORDER BY kind, name
FOR NO KEY UPDATE;

-- name: limit_lock_of(ids)
-- The limits that concern these executions, held until the transaction ends.
SELECT * FROM limits
WHERE (kind, name) IN (
    SELECT 'task_type', e.task_type FROM executions AS e WHERE e.id = ANY(:ids::uuid[])
    UNION
    SELECT 'queue', e.queue FROM executions AS e WHERE e.id = ANY(:ids::uuid[])
)
ORDER BY kind, name
FOR NO KEY UPDATE;

-- name: limit_put(kind, name, max_running, rate, period_seconds, updated_by)^
-- A limit as it is to be. The start before still counts: a new rate goes on from there.
INSERT INTO limits AS l (kind, name, max_running, rate, period_seconds, updated_by)
VALUES (
    :kind::text, :name::text, :max_running::integer, :rate::integer, :period_seconds::double precision,
    :updated_by::text
)
ON CONFLICT (kind, name) DO UPDATE SET
    max_running = excluded.max_running, rate = excluded.rate, period_seconds = excluded.period_seconds,
    next_start_at = CASE
        WHEN l.rate IS NULL OR excluded.rate IS NULL THEN clock_timestamp()
        ELSE l.next_start_at - make_interval(secs => l.period_seconds / l.rate)
            + make_interval(secs => excluded.period_seconds / excluded.rate)
    END,
    version = l.version + 1, updated_by = excluded.updated_by, updated_at = clock_timestamp()
RETURNING *;

-- name: limit_delete(kind, name)
-- A limit is no more; the caller has locked it.
DELETE FROM limits WHERE kind = :kind::text AND name = :name::text
RETURNING name;

-- name: limit_spend(kinds, names, next_start_ats)
-- Starts have been given out; the caller has locked the limits.
UPDATE limits AS l SET next_start_at = s.next_start_at
FROM unnest(:kinds::text[], :names::text[], :next_start_ats::timestamptz[]) AS s (kind, name, next_start_at)
WHERE l.kind = s.kind AND l.name = s.name
RETURNING l.name;

-- name: limit_usage(kinds, names, besides, reserved_seconds)
-- What has room under each of these limits, besides these executions: what runs, which is also what its worker still holds,
-- and for what room is reserved, since it was let go and is on its way to a worker. A reservation lasts so many seconds
-- from when the broker had its message; a queue that nobody reads does not keep others waiting. `now` is after the end of all
-- that is not counted any more.
SELECT
    k.kind, k.name, clock_timestamp() AS now,
    count(*) FILTER (WHERE u.status = 'running' OR u.held_by IS NOT NULL) AS running,
    count(*) FILTER (
        WHERE u.held_by IS NULL AND (
            u.status = 'pending' OR (
                u.status = 'queued'
                AND u.queued_at > clock_timestamp() - make_interval(secs => :reserved_seconds::double precision)
            )
        )
    ) AS reserved
FROM unnest(:kinds::text[], :names::text[]) AS k (kind, name)
LEFT JOIN LATERAL (
    SELECT e.status, e.held_by, e.queued_at FROM executions AS e
    WHERE k.kind = 'task_type' AND e.task_type = k.name AND e.id <> ALL(:besides::uuid[])
        AND ((e.admitted = e.attempt AND e.completed_at IS NULL) OR (e.admitted IS NOT NULL AND e.held_by IS NOT NULL))
    UNION ALL
    SELECT e.status, e.held_by, e.queued_at FROM executions AS e
    WHERE k.kind = 'queue' AND e.queue = k.name AND e.id <> ALL(:besides::uuid[])
        AND ((e.admitted = e.attempt AND e.completed_at IS NULL) OR (e.admitted IS NOT NULL AND e.held_by IS NOT NULL))
) AS u ON true
GROUP BY k.kind, k.name;

-- name: limit_lines()
-- The task types and queues of which executions wait for room: one look at the index for each, however many wait.
WITH RECURSIVE line AS (
    (
        SELECT e.task_type, e.queue FROM executions AS e
        WHERE e.limited
        ORDER BY e.task_type, e.queue LIMIT 1
    )
    UNION ALL
    SELECT next.task_type, next.queue
    FROM line AS l
    CROSS JOIN LATERAL (
        SELECT e.task_type, e.queue FROM executions AS e
        WHERE e.limited AND (e.task_type, e.queue) > (l.task_type, l.queue)
        ORDER BY e.task_type, e.queue LIMIT 1
    ) AS next
)
SELECT task_type, queue, clock_timestamp() AS now FROM line;

-- name: limit_heads(task_types, queues, counts)
-- The first so many of each line.
SELECT head.id, head.task_type, head.queue, head.priority
FROM unnest(:task_types::text[], :queues::text[], :counts::integer[]) AS l (task_type, queue, many)
CROSS JOIN LATERAL (
    SELECT e.id, e.task_type, e.queue, e.priority FROM executions AS e
    WHERE e.limited AND e.task_type = l.task_type AND e.queue = l.queue
    ORDER BY e.priority DESC, e.id LIMIT l.many
) AS head;

-- name: limit_release(ids)
-- What waited for room has it, and may be sent. What was cancelled meanwhile waits no more.
UPDATE executions SET limited = false, admitted = attempt, reason = NULL
WHERE id IN (
    SELECT w.id FROM executions AS w
    WHERE w.id = ANY(:ids::uuid[]) AND w.limited
    ORDER BY w.id
    FOR NO KEY UPDATE
)
RETURNING
    id, config_id, task_type, attempt, parameters, queue, priority, scheduler_type, message_id, message, trace_context,
    coalesce(tick_at, for_tick) AS tick_at, false AS unsent;

-- name: limit_claimable(ids, attempts, worker)
-- Those of these attempts that a claim may have, as in execution_claim but for the limits; held until the transaction ends.
SELECT
    e.id, e.attempt, e.task_type, e.queue, e.priority, e.started_at, e.status = 'running' AS again,
    e.admitted IS NOT DISTINCT FROM e.attempt AS released, clock_timestamp() AS now
FROM executions AS e
JOIN unnest(:ids::uuid[], :attempts::smallint[]) AS m (id, attempt) ON e.id = m.id AND e.attempt = m.attempt
WHERE (e.status IN ('pending', 'queued', 'retrying') OR (e.status = 'running' AND e.worker = :worker::text))
    AND NOT e.buffered AND NOT e.limited AND e.held_by IS NULL
ORDER BY e.id
FOR NO KEY UPDATE OF e;

-- name: limit_claim(ids, starts, worker)
-- What has room is claimed, each to start at its instant, which is now or in a moment. The caller has locked the rows.
UPDATE executions AS e
SET
    status = 'running', reason = NULL, worker = :worker::text, admitted = e.attempt, started_at = m.start_at,
    queued_at = coalesce(e.queued_at, clock_timestamp()),
    deadline_at = greatest(m.start_at, clock_timestamp()) + make_interval(secs => e.timeout_seconds)
FROM unnest(:ids::uuid[], :starts::timestamptz[]) AS m (id, start_at)
WHERE e.id = m.id
RETURNING
    e.id, e.message_id, e.attempt, e.config_id, e.task_type, e.queue, coalesce(e.tick_at, e.for_tick) AS tick_at,
    e.timeout_seconds, e.max_retries, e.retry_backoff_seconds, e.started_at, e.deadline_at,
    CASE WHEN e.config_id IS NOT NULL THEN e.parameters END AS parameters,
    CASE WHEN e.attempt = 1 AND e.trigger = 'schedule'
        THEN date_part('epoch', e.started_at - e.tick_at)
    END AS lateness_seconds,
    extract(epoch FROM e.started_at - clock_timestamp())::double precision AS starts_in,
    (
        SELECT count(*)::integer FROM jsonb_array_elements(e.earlier_attempts) AS a WHERE a ->> 'status' = 'cancelled'
    ) AS handed_back;

-- name: limit_refuse(ids)
-- What has no room waits for some, as a row that nobody sends. The caller has locked the rows.
UPDATE executions
SET status = 'pending', limited = true, admitted = NULL, reason = 'limited', queued_at = NULL, retry_at = NULL
WHERE id = ANY(:ids::uuid[])
RETURNING coalesce(message_id, id) AS task_id, config_id, attempt, coalesce(tick_at, for_tick) AS tick_at;

-- name: limit_admit_running()
-- What runs under a limit without having been given room: it was claimed before there was one. From now on it counts.
UPDATE executions SET
    admitted = CASE WHEN status = 'running' OR completed_at IS NOT NULL THEN attempt ELSE attempt - 1 END
WHERE id IN (
    SELECT e.id FROM executions AS e
    WHERE (e.completed_at IS NULL OR e.held_by IS NOT NULL)
        AND (
            (e.status = 'running' AND e.admitted IS DISTINCT FROM e.attempt)
            OR (e.held_by IS NOT NULL AND e.admitted IS NULL)
        )
        AND EXISTS (
            SELECT 1 FROM limits AS l
            WHERE (l.kind = 'task_type' AND l.name = e.task_type) OR (l.kind = 'queue' AND l.name = e.queue)
        )
    ORDER BY e.id
    FOR NO KEY UPDATE
)
RETURNING id;
