-- The take-over of an older system's users and task configs. What is read there is read whole, whatever columns it has.

-- name: legacy_columns()
-- Over there: which of the tables there are, with which columns; and whether they are ours, which a wrong URL leads to.
SELECT c.table_name::text AS "table", c.column_name::text AS "column"
FROM information_schema.columns AS c
WHERE c.table_schema = current_schema() AND c.table_name IN (
    'users', 'task_configs', 'task_executions', 'refresh_tokens', 'schedule_events', 'schema_migrations'
)
ORDER BY c.table_name, c.ordinal_position;

-- name: legacy_users()
-- Over there: every user.
SELECT to_jsonb(t) AS row FROM users AS t;

-- name: legacy_task_configs()
-- Over there: every task config.
SELECT to_jsonb(t) AS row FROM task_configs AS t;

-- name: legacy_drop()!
-- Over there: the two tables whose work Redis does here.
DROP TABLE IF EXISTS refresh_tokens, schedule_events;

-- name: legacy_known_users()
-- Here: names that are taken, and whose they are.
SELECT id, lower(username) AS name FROM users;

-- name: legacy_known_configs()
-- Here: names that are taken.
SELECT name FROM task_configs WHERE deleted_at IS NULL;

-- name: legacy_reserve_users(highest)$
-- Here: ids up to this one are not given to anybody new. A sequence never goes back.
SELECT setval(seq, greatest(nextval(seq), :highest::bigint))
FROM (SELECT pg_get_serial_sequence('users', 'id')::regclass AS seq) AS s;

-- name: legacy_reserve_configs(highest)$
-- Here: the same of task configs.
SELECT setval(seq, greatest(nextval(seq), :highest::bigint))
FROM (SELECT pg_get_serial_sequence('task_configs', 'id')::regclass AS seq) AS s;

-- name: legacy_user_insert(wanted_id, username, email, full_name, role, is_active, password_hash, created_at)^
-- Here: a user, by the id it had where that is free. No row back: the name was taken meanwhile.
INSERT INTO users (id, username, email, full_name, role, is_active, password_hash, created_at)
OVERRIDING SYSTEM VALUE
SELECT
    CASE
        WHEN :wanted_id::bigint IS NOT NULL AND NOT EXISTS (SELECT 1 FROM users WHERE id = :wanted_id::bigint)
            THEN :wanted_id::bigint
        ELSE nextval(pg_get_serial_sequence('users', 'id'))
    END,
    :username::text, :email::text, :full_name::text, :role::text, :is_active::boolean, :password_hash::text,
    coalesce(:created_at::timestamptz, now())
ON CONFLICT (lower(username)) DO NOTHING
RETURNING id, username, email, full_name, role, is_active;

-- name: legacy_config_insert(wanted_id, name, description, task_type, parameters, scheduler_type, schedule_config, status, queue, priority, timeout_seconds, max_retries, retry_backoff_seconds, overlap, catchup, catchup_window_seconds, max_catchup_runs, jitter_seconds, start_at, end_at, tags, scheduled_from, created_by, created_at)^
-- Here: a task config, by the id it had where that is free. No row back: the name was taken meanwhile.
INSERT INTO task_configs (
    id, name, description, task_type, parameters, scheduler_type, schedule_config, status, queue, priority,
    timeout_seconds, max_retries, retry_backoff_seconds, overlap, catchup, catchup_window_seconds,
    max_catchup_runs, jitter_seconds, start_at, end_at, tags, scheduled_from, created_by, created_at
)
OVERRIDING SYSTEM VALUE
SELECT
    CASE
        WHEN :wanted_id::bigint IS NOT NULL AND NOT EXISTS (SELECT 1 FROM task_configs WHERE id = :wanted_id::bigint)
            THEN :wanted_id::bigint
        ELSE nextval(pg_get_serial_sequence('task_configs', 'id'))
    END,
    :name::text, :description::text, :task_type::text, :parameters::jsonb, :scheduler_type::text,
    :schedule_config::jsonb, :status::text, :queue::text, :priority::smallint,
    :timeout_seconds::double precision, :max_retries::smallint, :retry_backoff_seconds::double precision,
    :overlap::text, :catchup::text, :catchup_window_seconds::integer, :max_catchup_runs::integer,
    :jitter_seconds::integer, :start_at::timestamptz, :end_at::timestamptz, :tags::text[],
    :scheduled_from::timestamptz, :created_by::bigint, coalesce(:created_at::timestamptz, now())
ON CONFLICT (name) WHERE deleted_at IS NULL DO NOTHING
RETURNING *;
