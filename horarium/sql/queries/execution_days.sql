-- How the days of configs went. An execution belongs to the day of its tick, or else of its making, as the list of
-- executions has it (`since`, `until`). `borders` are where days begin, as the zone's calendar has them: Postgres need not
-- know the zone.

-- name: execution_days_lock()
-- One who counts at a time. Ask it first: whoever has waited must read marks and rows after that.
SELECT pg_advisory_xact_lock(4119, 19);

-- name: execution_days_of_rows(config_id, after, until, borders)
-- Executions of a config with ids in a range, by the day they belong to, from 1 on. Stretches of skipped ticks over more
-- than one day stand alone, with their ends: what of them falls on which day is for the schedule to say.
SELECT
    x.day, x.stretch_from, x.stretch_until,
    count(*) FILTER (WHERE x.status = 'success') AS success,
    count(*) FILTER (WHERE x.status = 'failed') AS failed,
    count(*) FILTER (WHERE x.status = 'timeout') AS timeout,
    count(*) FILTER (WHERE x.status = 'cancelled') AS cancelled,
    count(*) FILTER (WHERE x.status = 'lost') AS lost,
    coalesce(sum(x.tick_count) FILTER (WHERE x.status = 'skipped'), 0) AS skipped,
    count(*) FILTER (WHERE x.status IN ('pending', 'queued', 'running', 'retrying')) AS in_flight
FROM (
    SELECT
        e.status, e.tick_count,
        width_bucket(coalesce(e.tick_at, e.created_at), :borders::timestamptz[]) AS day,
        CASE WHEN s.is_long THEN e.tick_at END AS stretch_from,
        CASE WHEN s.is_long THEN e.tick_until END AS stretch_until
    FROM executions AS e
    CROSS JOIN LATERAL (
        SELECT e.tick_until IS NOT NULL
            AND width_bucket(e.tick_until, :borders::timestamptz[]) <> width_bucket(e.tick_at, :borders::timestamptz[])
            AS is_long
    ) AS s
    WHERE e.config_id = :config_id::bigint AND e.id > :after::uuid AND e.id <= :until::uuid
) AS x
GROUP BY x.day, x.stretch_from, x.stretch_until;

-- name: execution_days_kept(config_id, since)
-- The sums of what is counted.
SELECT day, success, failed, timeout, cancelled, lost, skipped
FROM execution_days
WHERE config_id = :config_id::bigint AND day >= :since::date;

-- name: execution_days_marks(config_ids)
-- Up to which id the executions of these configs are counted.
SELECT config_id, counted_until FROM execution_day_marks WHERE config_id = ANY(:config_ids::bigint[]);

-- name: execution_days_add(config_ids, days, success, failed, timeout, cancelled, lost, skipped, kept_since)
-- Count more; of these configs, what is older than a calendar shows goes.
WITH old AS (
    DELETE FROM execution_days
    WHERE config_id = ANY(:config_ids::bigint[]) AND day < :kept_since::date
)
INSERT INTO execution_days AS d (config_id, day, success, failed, timeout, cancelled, lost, skipped)
SELECT x.*
FROM unnest(
    :config_ids::bigint[], :days::date[], :success::integer[], :failed::integer[], :timeout::integer[],
    :cancelled::integer[], :lost::integer[], :skipped::bigint[]
) AS x (config_id, day, success, failed, timeout, cancelled, lost, skipped)
ORDER BY x.config_id, x.day
ON CONFLICT (config_id, day) DO UPDATE SET
    success = d.success + excluded.success,
    failed = d.failed + excluded.failed,
    timeout = d.timeout + excluded.timeout,
    cancelled = d.cancelled + excluded.cancelled,
    lost = d.lost + excluded.lost,
    skipped = d.skipped + excluded.skipped
RETURNING d.config_id;

-- name: execution_days_set_mark(config_id, counted_until)
-- The executions of a config are counted up to this id.
INSERT INTO execution_day_marks AS m (config_id, counted_until) VALUES (:config_id::bigint, :counted_until::uuid)
ON CONFLICT (config_id) DO UPDATE SET counted_until = excluded.counted_until
RETURNING m.counted_until;

-- name: execution_days_forget(config_ids)
-- Configs that are gone, and nobody asks for.
WITH days AS (
    DELETE FROM execution_days WHERE config_id = ANY(:config_ids::bigint[])
)
DELETE FROM execution_day_marks WHERE config_id = ANY(:config_ids::bigint[])
RETURNING config_id;

-- name: execution_days_uncounted(config_ids, made_before, many)
-- Which of these configs have more than so many executions of some age that are not counted. An index is read as far.
SELECT c.id AS config_id
FROM unnest(:config_ids::bigint[]) AS c (id)
LEFT JOIN execution_day_marks AS m ON m.config_id = c.id
CROSS JOIN LATERAL (
    SELECT e.id FROM executions AS e
    WHERE e.config_id = c.id AND e.id < :made_before::uuid
        AND e.id > coalesce(m.counted_until, '00000000-0000-0000-0000-000000000000')
    ORDER BY e.id OFFSET :many::integer LIMIT 1
) AS beyond
ORDER BY c.id;

-- name: execution_days_countable(config_id, after, made_before, max_rows)^
-- The last of a config's next executions that can be counted, and how many these are: all up to it are of some age, so
-- that none comes among them any more, and final.
SELECT last.id, count(*) OVER () AS number
FROM (
    SELECT e.id FROM executions AS e
    WHERE e.config_id = :config_id::bigint AND e.id > :after::uuid AND e.id < :made_before::uuid
        AND e.id < coalesce(
            (
                SELECT o.id FROM executions AS o
                WHERE o.config_id = :config_id::bigint AND o.completed_at IS NULL
                ORDER BY o.id LIMIT 1
            ),
            :made_before::uuid
        )
    ORDER BY e.id LIMIT :max_rows::integer
) AS last
ORDER BY last.id DESC LIMIT 1;
