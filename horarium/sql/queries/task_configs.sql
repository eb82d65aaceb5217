-- Task configs. `version` grows with every change; a tick or an edit that names an older one changes nothing.
-- Deleted rows keep their id for the executions that speak of them and are seen by no other statement.

-- name: task_config_insert(name, description, task_type, parameters, scheduler_type, schedule_config, status, queue, priority, timeout_seconds, max_retries, retry_backoff_seconds, overlap, catchup, catchup_window_seconds, max_catchup_runs, jitter_seconds, start_at, end_at, tags, scheduled_from, created_by)^
-- A new config. No row back: the name is taken.
INSERT INTO task_configs (
    name, description, task_type, parameters, scheduler_type, schedule_config, status, queue, priority,
    timeout_seconds, max_retries, retry_backoff_seconds, overlap, catchup, catchup_window_seconds,
    max_catchup_runs, jitter_seconds, start_at, end_at, tags, scheduled_from, created_by
)
VALUES (
    :name::text, :description::text, :task_type::text, :parameters::jsonb, :scheduler_type::text,
    :schedule_config::jsonb, :status::text, :queue::text, :priority::smallint,
    :timeout_seconds::double precision, :max_retries::smallint, :retry_backoff_seconds::double precision,
    :overlap::text, :catchup::text, :catchup_window_seconds::integer, :max_catchup_runs::integer,
    :jitter_seconds::integer, :start_at::timestamptz, :end_at::timestamptz, :tags::text[],
    :scheduled_from::timestamptz, :created_by::bigint
)
ON CONFLICT (name) WHERE deleted_at IS NULL DO NOTHING
RETURNING *;

-- name: task_config_get(id)^
-- One config.
SELECT * FROM task_configs WHERE id = :id::bigint AND deleted_at IS NULL;

-- name: task_config_shown(id)^
-- One config with what is shown beside it: its newest execution, and up to when its ticks have rows.
SELECT
    c.*, greatest(c.scheduled_from, last_tick.tick) AS decided_until,
    (
        SELECT to_jsonb(last) FROM (
            SELECT e.id AS task_id, e.status, e.reason, e.tick_at, e.started_at, e.completed_at FROM executions AS e
            WHERE e.config_id = c.id ORDER BY e.id DESC LIMIT 1
        ) AS last
    ) AS last_execution
FROM task_configs AS c
LEFT JOIN LATERAL (
    SELECT coalesce(e.tick_until, e.tick_at) AS tick FROM executions AS e
    WHERE e.config_id = c.id AND e.tick_at IS NOT NULL
    ORDER BY e.tick_at DESC LIMIT 1
) AS last_tick ON true
WHERE c.id = :id::bigint AND c.deleted_at IS NULL;

-- name: task_config_hold(ids)
-- Configs held against editors and against whoever writes a stretch of ticks, for a batch of single ticks. In the
-- order of their ids, so that two holders never wait for each other.
SELECT id FROM task_configs WHERE id = ANY(:ids::bigint[]) ORDER BY id FOR KEY SHARE;

-- name: task_config_serialise(ids)
-- Configs whose buffered executions are about to be let go: one at a time, without standing in the way of ticks.
SELECT id FROM task_configs WHERE id = ANY(:ids::bigint[]) ORDER BY id FOR NO KEY UPDATE;

-- name: task_config_lock(ids)
-- Configs held against ticks and other editors until the transaction ends, in the order of their ids.
SELECT * FROM task_configs WHERE id = ANY(:ids::bigint[]) AND deleted_at IS NULL ORDER BY id FOR UPDATE;

-- name: task_config_by_names(names)
-- What is there of what is declared.
SELECT * FROM task_configs WHERE name = ANY(:names::text[]) AND deleted_at IS NULL;

-- name: task_config_of_source(source)
-- Everything that a source has declared, by id; without a source, everything that none has.
SELECT id, name, version FROM task_configs
WHERE source IS NOT DISTINCT FROM :source::text AND deleted_at IS NULL
ORDER BY id;

-- name: task_config_insert_many(rows, scheduled_from, created_by, source)
-- New configs, in their order. One that is missing from the answer has a name that is taken.
INSERT INTO task_configs (
    name, description, task_type, parameters, scheduler_type, schedule_config, status, queue, priority,
    timeout_seconds, max_retries, retry_backoff_seconds, overlap, catchup, catchup_window_seconds,
    max_catchup_runs, jitter_seconds, start_at, end_at, tags, scheduled_from, created_by, source
)
SELECT x.*, :scheduled_from::timestamptz, :created_by::bigint, :source::text
FROM jsonb_to_recordset(:rows::jsonb) AS x (
    name text, description text, task_type text, parameters jsonb, scheduler_type text, schedule_config jsonb,
    status text, queue text, priority smallint, timeout_seconds double precision, max_retries smallint,
    retry_backoff_seconds double precision, overlap text, catchup text, catchup_window_seconds integer,
    max_catchup_runs integer, jitter_seconds integer, start_at timestamptz, end_at timestamptz, tags text[]
)
ON CONFLICT (name) WHERE deleted_at IS NULL DO NOTHING
RETURNING id, name;

-- name: task_config_update_many(rows)
-- Edits, whole, each with its status; the caller has locked the rows. A pause stays as it is where the status does.
UPDATE task_configs AS c SET
    description = x.description, task_type = x.task_type, parameters = x.parameters,
    scheduler_type = x.scheduler_type, schedule_config = x.schedule_config, status = x.status, queue = x.queue,
    priority = x.priority, timeout_seconds = x.timeout_seconds, max_retries = x.max_retries,
    retry_backoff_seconds = x.retry_backoff_seconds, overlap = x.overlap, catchup = x.catchup,
    catchup_window_seconds = x.catchup_window_seconds, max_catchup_runs = x.max_catchup_runs,
    jitter_seconds = x.jitter_seconds, start_at = x.start_at, end_at = x.end_at, tags = x.tags,
    paused_reason = CASE WHEN x.status = 'paused' THEN c.paused_reason END,
    paused_until = CASE WHEN x.status = 'paused' THEN c.paused_until END,
    scheduled_from = x.scheduled_from, source = x.source, version = c.version + 1, updated_at = now()
FROM jsonb_to_recordset(:rows::jsonb) AS x (
    name text, description text, task_type text, parameters jsonb, scheduler_type text, schedule_config jsonb,
    status text, queue text, priority smallint, timeout_seconds double precision, max_retries smallint,
    retry_backoff_seconds double precision, overlap text, catchup text, catchup_window_seconds integer,
    max_catchup_runs integer, jitter_seconds integer, start_at timestamptz, end_at timestamptz, tags text[],
    id bigint, scheduled_from timestamptz, source text
)
WHERE c.id = x.id
RETURNING c.id;

-- name: task_config_update(id, name, description, task_type, parameters, scheduler_type, schedule_config, queue, priority, timeout_seconds, max_retries, retry_backoff_seconds, overlap, catchup, catchup_window_seconds, max_catchup_runs, jitter_seconds, start_at, end_at, tags, scheduled_from)^
-- An edit, whole; the caller has locked the row. A taken name raises the unique violation.
UPDATE task_configs SET
    name = :name::text, description = :description::text, task_type = :task_type::text,
    parameters = :parameters::jsonb, scheduler_type = :scheduler_type::text,
    schedule_config = :schedule_config::jsonb, queue = :queue::text, priority = :priority::smallint,
    timeout_seconds = :timeout_seconds::double precision, max_retries = :max_retries::smallint,
    retry_backoff_seconds = :retry_backoff_seconds::double precision, overlap = :overlap::text,
    catchup = :catchup::text, catchup_window_seconds = :catchup_window_seconds::integer,
    max_catchup_runs = :max_catchup_runs::integer, jitter_seconds = :jitter_seconds::integer,
    start_at = :start_at::timestamptz, end_at = :end_at::timestamptz, tags = :tags::text[], scheduled_from = :scheduled_from::timestamptz,
    version = version + 1, updated_at = now()
WHERE id = :id::bigint
RETURNING *;

-- name: task_config_set_status(id, status, paused_reason, paused_until, scheduled_from)^
-- Start, stop, pause, resume; the caller has locked the row.
UPDATE task_configs SET
    status = :status::text, paused_reason = :paused_reason::text, paused_until = :paused_until::timestamptz,
    scheduled_from = :scheduled_from::timestamptz, version = version + 1, updated_at = now()
WHERE id = :id::bigint
RETURNING *;

-- name: task_config_end_pauses(ids, scheduled_froms)
-- Pauses that have run out, each at its own instant; the caller has locked the rows.
UPDATE task_configs AS c SET
    status = 'active', paused_reason = NULL, paused_until = NULL, scheduled_from = x.scheduled_from,
    version = c.version + 1, updated_at = now()
FROM unnest(:ids::bigint[], :scheduled_froms::timestamptz[]) AS x (id, scheduled_from)
WHERE c.id = x.id
RETURNING c.*;

-- name: task_config_delete(ids)
-- The rows stay for their executions; the names are free at once. The caller has locked the rows.
UPDATE task_configs SET deleted_at = now(), status = 'inactive', version = version + 1, updated_at = now()
WHERE id = ANY(:ids::bigint[]) AND deleted_at IS NULL
RETURNING id;

-- name: task_config_exhaust(ids, versions)
-- Configs that have no tick left (a date that has fired, an end that has passed); taken in the order of their ids, as by
-- every editor of many.
WITH ended AS (
    SELECT c.id
    FROM unnest(:ids::bigint[], :versions::bigint[]) AS x (id, version)
    JOIN task_configs AS c ON c.id = x.id AND c.version = x.version AND c.status = 'active'
    ORDER BY c.id
    FOR NO KEY UPDATE OF c
)
UPDATE task_configs AS c SET status = 'inactive', version = c.version + 1, updated_at = now()
FROM ended AS e
WHERE c.id = e.id
RETURNING c.id;

-- name: task_config_mark_error(id, version, subject, details)$
-- A config that cannot be understood is taken out of the schedule until somebody mends and starts it. Whoever wants to be
-- told of it is, by the same statement. No row back: it has changed meanwhile, or another process was faster.
WITH marked AS (
    UPDATE task_configs SET status = 'error', version = version + 1, updated_at = now()
    WHERE id = :id::bigint AND version = :version::bigint AND status = 'active'
    RETURNING id
),
noticed AS (
    INSERT INTO notification_notices (subject, config_id, event, details)
    SELECT :subject::uuid, m.id, 'config_error', :details::jsonb FROM marked AS m
    WHERE EXISTS (SELECT 1 FROM notification_rules AS r WHERE r.enabled)
)
SELECT id FROM marked;

-- name: task_config_schedules(ids)
-- What the due index is made of, for these configs: those missing from the answer are not to be scheduled.
SELECT
    c.id, c.version, c.task_type, c.parameters, c.scheduler_type, c.schedule_config, c.queue, c.priority, c.overlap,
    c.catchup, c.catchup_window_seconds, c.max_catchup_runs, c.jitter_seconds, c.start_at, c.end_at, c.name,
    greatest(c.scheduled_from, last.tick) AS decided_until
FROM task_configs AS c
LEFT JOIN LATERAL (
    SELECT coalesce(e.tick_until, e.tick_at) AS tick FROM executions AS e
    WHERE e.config_id = c.id AND e.tick_at IS NOT NULL
    ORDER BY e.tick_at DESC LIMIT 1
) AS last ON true
WHERE c.id = ANY(:ids::bigint[]) AND c.status = 'active' AND c.scheduler_type <> 'manual' AND c.deleted_at IS NULL;

-- name: task_config_schedules_page(after, max_rows)
-- The same for a page of all configs, by id. The page is cut before newest ticks are looked for: none is read in vain.
SELECT c.*, greatest(c.scheduled_from, last.tick) AS decided_until
FROM (
    SELECT
        id, version, task_type, parameters, scheduler_type, schedule_config, queue, priority, overlap,
        catchup, catchup_window_seconds, max_catchup_runs, jitter_seconds, start_at, end_at, name, scheduled_from
    FROM task_configs
    WHERE id > :after::bigint AND status = 'active' AND scheduler_type <> 'manual' AND deleted_at IS NULL
    ORDER BY id
    LIMIT :max_rows::integer
) AS c
LEFT JOIN LATERAL (
    SELECT coalesce(e.tick_until, e.tick_at) AS tick FROM executions AS e
    WHERE e.config_id = c.id AND e.tick_at IS NOT NULL
    ORDER BY e.tick_at DESC LIMIT 1
) AS last ON true
ORDER BY c.id;

-- name: task_config_versions(after, max_rows)
-- A page of what ought to be in the due index, by id.
SELECT id, version FROM task_configs
WHERE id > :after::bigint AND status = 'active' AND scheduler_type <> 'manual' AND deleted_at IS NULL
ORDER BY id
LIMIT :max_rows::integer;

-- name: task_config_due_to_resume()
-- Paused configs whose pause has run out, and as of which version.
SELECT id, version FROM task_configs
WHERE status = 'paused' AND paused_until <= clock_timestamp() AND deleted_at IS NULL
ORDER BY paused_until
LIMIT 1000;

-- name: task_config_list(status, scheduler_type, task_type, tag, q, sort, after_name, after_created_at, after_id, max_rows)
-- A page of configs, each with its newest execution, which is looked for once the page is cut. `sort` is one of id, name,
-- created_at, or one of these with a minus; where it is known, all other keys are constants, and by id an index is read.
-- The cursor is what the last row of the page before was sorted by, and its id.
SELECT
    c.*,
    (
        SELECT to_jsonb(last) FROM (
            SELECT e.id AS task_id, e.status, e.reason, e.tick_at, e.started_at, e.completed_at FROM executions AS e
            WHERE e.config_id = c.id ORDER BY e.id DESC LIMIT 1
        ) AS last
    ) AS last_execution
FROM task_configs AS c
WHERE c.deleted_at IS NULL
    AND (:status::text IS NULL OR c.status = :status::text)
    AND (:scheduler_type::text IS NULL OR c.scheduler_type = :scheduler_type::text)
    AND (:task_type::text IS NULL OR c.task_type = :task_type::text)
    AND (:tag::text IS NULL OR c.tags @> ARRAY[:tag::text])
    AND (:q::text IS NULL OR position(lower(:q::text) IN lower(c.name || ' ' || c.description)) > 0)
    AND (
        :after_id::bigint IS NULL
        OR CASE :sort::text
            WHEN 'name' THEN (c.name COLLATE "C", c.id) > (:after_name::text COLLATE "C", :after_id::bigint)
            WHEN '-name' THEN (c.name COLLATE "C", c.id) < (:after_name::text COLLATE "C", :after_id::bigint)
            WHEN 'created_at' THEN (c.created_at, c.id) > (:after_created_at::timestamptz, :after_id::bigint)
            WHEN '-created_at' THEN (c.created_at, c.id) < (:after_created_at::timestamptz, :after_id::bigint)
            WHEN '-id' THEN c.id < :after_id::bigint
            ELSE c.id > :after_id::bigint
        END
    )
ORDER BY
    CASE WHEN :sort::text = 'name' THEN c.name END COLLATE "C" ASC,
    CASE WHEN :sort::text = '-name' THEN c.name END COLLATE "C" DESC,
    CASE WHEN :sort::text = 'created_at' THEN c.created_at END ASC,
    CASE WHEN :sort::text = '-created_at' THEN c.created_at END DESC,
    CASE WHEN left(:sort::text, 1) <> '-' THEN c.id END ASC,
    CASE WHEN left(:sort::text, 1) = '-' THEN c.id END DESC
LIMIT :max_rows::integer;

-- name: task_config_count(status, scheduler_type, task_type, tag, q)$
-- How many configs the same filters match on all pages.
SELECT count(*) FROM task_configs AS c
WHERE c.deleted_at IS NULL
    AND (:status::text IS NULL OR c.status = :status::text)
    AND (:scheduler_type::text IS NULL OR c.scheduler_type = :scheduler_type::text)
    AND (:task_type::text IS NULL OR c.task_type = :task_type::text)
    AND (:tag::text IS NULL OR c.tags @> ARRAY[:tag::text])
    AND (:q::text IS NULL OR position(lower(:q::text) IN lower(c.name || ' ' || c.description)) > 0);

-- name: task_config_totals()^
-- Figures for the system's status.
SELECT count(*) AS total, count(*) FILTER (WHERE status = 'active') AS active
FROM task_configs WHERE deleted_at IS NULL;

-- name: task_config_ids(after, max_rows)
-- A page of all configs there are, by id.
SELECT id FROM task_configs WHERE id > :after::bigint AND deleted_at IS NULL ORDER BY id LIMIT :max_rows::integer;

-- name: task_config_zones(ids)
-- What says on which day a tick of these configs falls.
SELECT id, scheduler_type, schedule_config FROM task_configs WHERE id = ANY(:ids::bigint[]) AND deleted_at IS NULL;

-- name: task_config_named(ids)
-- What these configs are called, those that were deleted as well: executions speak of them for longer than they live.
SELECT id, name, status, deleted_at IS NOT NULL AS is_deleted FROM task_configs
WHERE id = ANY(:ids::bigint[])
ORDER BY id;

-- name: task_config_gone(ids)
-- Those of these ids that no config has.
SELECT x.id FROM unnest(:ids::bigint[]) AS x (id)
WHERE NOT EXISTS (SELECT 1 FROM task_configs AS c WHERE c.id = x.id AND c.deleted_at IS NULL);

-- name: task_config_purge(max_rows)
-- Deleted configs that no execution speaks of any more.
DELETE FROM task_configs AS c
USING (
    SELECT x.id FROM task_configs AS x
    WHERE x.deleted_at IS NOT NULL AND NOT EXISTS (SELECT 1 FROM executions AS e WHERE e.config_id = x.id)
    LIMIT :max_rows::integer
) AS gone
WHERE c.id = gone.id
RETURNING c.id;
