-- The auditor's reading: what the configs owe, what the ledger has. It writes nothing, a page of configs at a time.

-- name: audit_configs(after, max_rows)
-- A page of configs that owe ticks, by id; those of a paused one are written when it is resumed.
SELECT id, version, scheduler_type, schedule_config, start_at, end_at, jitter_seconds, status FROM task_configs
WHERE id > :after::bigint AND status IN ('active', 'paused') AND scheduler_type <> 'manual' AND deleted_at IS NULL
ORDER BY id
LIMIT :max_rows::integer;

-- name: audit_ledger(ids, versions, sinces, untils, earliest, late_seconds)
-- What the rows of these configs cover; a config that has changed since it was read is left out. A span begins where a
-- row ends, so that no stretch is cut in two: at the newest row up to `since`, though neither before ticks were owed nor
-- before `earliest`, from where on retention takes nothing. Should a stretch lie across `until`, the span ends with it.
SELECT
    c.id, span.since, span.until, found.rows, found.ticks, found.first, found.last, found.instants, found.stretches,
    found.late, found.late_first, found.late_last
FROM unnest(:ids::bigint[], :versions::bigint[], :sinces::timestamptz[], :untils::timestamptz[])
    AS a (id, version, since, until)
JOIN task_configs AS c ON c.id = a.id AND c.version = a.version AND c.deleted_at IS NULL
LEFT JOIN LATERAL (
    SELECT coalesce(e.tick_until, e.tick_at) AS until FROM executions AS e
    WHERE e.config_id = c.id AND e.tick_at <= a.since ORDER BY e.tick_at DESC LIMIT 1
) AS before ON true
LEFT JOIN LATERAL (
    SELECT coalesce(e.tick_until, e.tick_at) AS until FROM executions AS e
    WHERE e.config_id = c.id AND e.tick_at <= a.until ORDER BY e.tick_at DESC LIMIT 1
) AS newest ON true
CROSS JOIN LATERAL (
    SELECT
        greatest(c.scheduled_from, :earliest::timestamptz, coalesce(before.until, a.since)) AS since,
        greatest(a.until, newest.until) AS until
) AS span
CROSS JOIN LATERAL (
    SELECT
        count(*) AS rows, coalesce(sum(e.tick_count), 0) AS ticks,
        min(e.tick_at) AS first, max(coalesce(e.tick_until, e.tick_at)) AS last,
        sum(extract(epoch FROM e.tick_at) * 1000000) AS instants,
        count(e.tick_until) AS stretches,
        count(*) FILTER (WHERE late.yes) AS late,
        min(e.tick_at) FILTER (WHERE late.yes) AS late_first, max(e.tick_at) FILTER (WHERE late.yes) AS late_last
    FROM executions AS e
    CROSS JOIN LATERAL (
        SELECT e.trigger = 'schedule' AND e.status <> 'skipped'
            AND e.created_at > e.tick_at + make_interval(secs => c.jitter_seconds + :late_seconds::double precision)
            AS yes
    ) AS late
    WHERE e.config_id = c.id AND e.tick_at > span.since AND e.tick_at <= a.until
) AS found;

-- name: audit_rows(config_id, since, until, max_rows)
-- The rows of a span, for a look at each.
SELECT tick_at, tick_until FROM executions
WHERE config_id = :config_id::bigint AND tick_at > :since::timestamptz AND tick_at <= :until::timestamptz
ORDER BY tick_at
LIMIT :max_rows::integer;

-- name: audit_stuck(seconds, served)
-- Executions that ought to have gone on so many seconds ago: without a message, queued where no living worker reads, past
-- the time of their retry, past their deadline. What waits behind others at a worker that lives is not stuck, nor what
-- waits for its turn, or for an attempt that is not really over.
SELECT w.status, w.queue, count(*) AS executions, min(w.since) AS since, max(w.since) AS until
FROM (
    SELECT
        e.status, e.queue,
        CASE e.status
            WHEN 'pending' THEN greatest(e.created_at, (e.earlier_attempts -> -1 ->> 'completed_at')::timestamptz)
            WHEN 'queued' THEN e.queued_at
            WHEN 'retrying' THEN e.retry_at
            ELSE e.deadline_at
        END AS since
    FROM executions AS e WHERE e.completed_at IS NULL AND NOT e.buffered AND e.held_by IS NULL
) AS w
WHERE w.since < clock_timestamp() - make_interval(secs => :seconds::double precision)
    AND (w.status <> 'queued' OR w.queue <> ALL(:served::text[]))
GROUP BY w.status, w.queue
ORDER BY w.status, w.queue;
