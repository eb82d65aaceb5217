-- What the dashboard's first page shows. A row is made at its tick or after, and ids grow with the time at which rows are
-- made: so the last hour is a range of the primary key (`made_since`), however long the ledger is. Nothing here waits for
-- a lock or takes one.

-- name: overview_bins(made_since, since, until, bin_seconds, late_seconds)
-- The ticks and runs of a stretch of time, counted by what became of them. What the schedule started is as late as its
-- first attempt began, or as it has waited for that so far; what never began and is over was not late.
SELECT
    x.bin,
    count(*) FILTER (WHERE x.status = 'success') AS success,
    count(*) FILTER (WHERE x.status IN ('failed', 'timeout', 'lost')) AS failed,
    count(*) FILTER (WHERE x.status = 'cancelled') AS cancelled,
    count(*) FILTER (WHERE x.status = 'skipped') AS skipped,
    count(*) FILTER (WHERE x.status IN ('pending', 'queued', 'running', 'retrying')) AS in_flight,
    count(*) FILTER (WHERE x.lateness > :late_seconds::double precision) AS late,
    avg(x.lateness) AS lateness_mean,
    max(x.lateness) AS lateness_worst
FROM (
    SELECT
        floor(
            date_part('epoch', coalesce(e.tick_at, e.created_at) - :since::timestamptz) / :bin_seconds::double precision
        )::integer AS bin,
        e.status,
        CASE WHEN e.trigger = 'schedule'
            THEN date_part('epoch', coalesce(
                (e.earlier_attempts -> 0 ->> 'started_at')::timestamptz,
                e.started_at,
                CASE WHEN e.completed_at IS NULL THEN clock_timestamp() END
            ) - e.tick_at)
        END AS lateness
    FROM executions AS e
    WHERE e.id >= :made_since::uuid
        AND coalesce(e.tick_at, e.created_at) >= :since::timestamptz
        AND coalesce(e.tick_at, e.created_at) < :until::timestamptz
) AS x
GROUP BY x.bin
ORDER BY x.bin;

-- name: overview_recent_configs(made_since, newest_rows, max_rows)
-- The configs of the newest rows, the one that ran last first.
SELECT x.config_id
FROM (
    SELECT e.config_id, row_number() OVER (ORDER BY e.id DESC) AS place
    FROM (
        SELECT id, config_id FROM executions
        WHERE id >= :made_since::uuid AND config_id IS NOT NULL
        ORDER BY id DESC LIMIT :newest_rows::integer
    ) AS e
) AS x
GROUP BY x.config_id
ORDER BY min(x.place)
LIMIT :max_rows::integer;

-- name: overview_marks(config_ids, made_since, since, bin_seconds, late_seconds)
-- The same stretch for a few configs, a mark for each outcome of each bin: one that stands alone has its exact instant.
-- They are late as above.
SELECT
    x.config_id, x.status, min(x.at) AS at, count(*) AS number, sum(x.tick_count) AS ticks,
    count(*) FILTER (WHERE x.lateness > :late_seconds::double precision) AS late,
    (array_agg(x.id ORDER BY x.id DESC))[1] AS task_id
FROM (
    SELECT
        e.id, e.config_id, e.status, e.tick_count, coalesce(e.tick_at, e.created_at) AS at,
        CASE WHEN e.trigger = 'schedule'
            THEN date_part('epoch', coalesce(
                (e.earlier_attempts -> 0 ->> 'started_at')::timestamptz,
                e.started_at,
                CASE WHEN e.completed_at IS NULL THEN clock_timestamp() END
            ) - e.tick_at)
        END AS lateness
    FROM unnest(:config_ids::bigint[]) AS c (id)
    JOIN executions AS e ON e.config_id = c.id AND e.id >= :made_since::uuid
    WHERE coalesce(e.tick_at, e.created_at) >= :since::timestamptz
) AS x
GROUP BY
    x.config_id, x.status,
    floor(date_part('epoch', x.at - :since::timestamptz) / :bin_seconds::double precision)
ORDER BY x.config_id, at;

-- name: overview_in_flight(max_rows)
-- What runs, and then what waits, oldest first.
SELECT
    coalesce(e.message_id, e.id) AS task_id, e.config_id, c.name, e.task_type, e.status, e.attempt, e.worker, e.tick_at, e.created_at,
    e.started_at, e.deadline_at
FROM executions AS e LEFT JOIN task_configs AS c ON c.id = e.config_id
WHERE e.completed_at IS NULL
ORDER BY e.status <> 'running', e.id
LIMIT :max_rows::integer;

-- name: overview_failures(made_since, max_rows)
-- The newest executions that came to a bad end, with the end of what they said.
SELECT
    coalesce(e.message_id, e.id) AS task_id, e.config_id, c.name, e.task_type, e.status, e.attempt, e.completed_at,
    right(e.error, 300) AS error
FROM executions AS e LEFT JOIN task_configs AS c ON c.id = e.config_id
WHERE e.error IS NOT NULL AND e.status IN ('failed', 'timeout', 'lost') AND e.id >= :made_since::uuid
ORDER BY e.id DESC
LIMIT :max_rows::integer;

-- name: overview_config_counts()
-- How many configs have each status.
SELECT status, count(*) AS number FROM task_configs WHERE deleted_at IS NULL GROUP BY status;
