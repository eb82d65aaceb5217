-- The auditor's reading: what the configs owe, what the ledger has. It writes nothing, a page of configs at a time.

-- name: audit_pages(first, page_ids, max_rows)
-- Which pages of `page_ids` ids have configs that owe ticks, from an id on: how many, and a fingerprint of their ids and
-- versions, by which a page is known that has not changed. Read from an index alone, as many configs as are asked for,
-- so the last page may be cut short. A paused config's ticks are written when it is resumed.
SELECT
    c.id / :page_ids::bigint AS page, count(*) AS configs, bit_xor(hashint8extended(c.id, c.version)) AS fingerprint
FROM (
    SELECT id, version FROM task_configs
    WHERE id >= :first::bigint AND status IN ('active', 'paused') AND scheduler_type <> 'manual' AND deleted_at IS NULL
    ORDER BY id
    LIMIT :max_rows::integer
) AS c
GROUP BY 1
ORDER BY 1;

-- name: audit_page(first, until, since)
-- The configs of a page by their schedules, equal ones together, each group with its share of the page's fingerprint;
-- and which of them have a row for an instant after `since`, whether that is a tick or not.
SELECT
    c.scheduler_type, c.schedule_config, c.start_at, c.end_at, array_agg(c.id) AS ids,
    array_agg(c.id) FILTER (
        WHERE EXISTS (SELECT 1 FROM executions AS e WHERE e.config_id = c.id AND e.tick_at > :since::timestamptz)
    ) AS with_rows,
    bit_xor(hashint8extended(c.id, c.version)) AS fingerprint
FROM task_configs AS c
WHERE c.id >= :first::bigint AND c.id < :until::bigint
    AND c.status IN ('active', 'paused') AND c.scheduler_type <> 'manual' AND c.deleted_at IS NULL
GROUP BY c.scheduler_type, c.schedule_config, c.start_at, c.end_at;

-- name: audit_written(first, until)
-- Configs that were given rows for ticks in some time, by the ids of such rows: ids grow with time. Nothing but the ids is
-- asked of a row before they are put in order, so that no other index is taken for it.
SELECT r.config_id
FROM (
    SELECT config_id, tick_at FROM executions WHERE id >= :first::uuid AND id < :until::uuid ORDER BY id
) AS r
GROUP BY r.config_id
HAVING count(r.tick_at) > 0 AND count(r.config_id) > 0;

-- name: audit_configs(ids)
-- Those of these configs that owe ticks, as they are now.
SELECT id, version, scheduler_type, schedule_config, start_at, end_at, jitter_seconds, status FROM task_configs
WHERE id = ANY(:ids::bigint[]) AND status IN ('active', 'paused') AND scheduler_type <> 'manual'
    AND deleted_at IS NULL
ORDER BY id;

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
