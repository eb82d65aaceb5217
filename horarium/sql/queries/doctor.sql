-- What `horarium doctor` asks. Nothing here needs a table of ours to exist, unless it says so.

-- name: doctor_server()^
-- The server itself: how old, what time it has, whether it takes writes, where our tables go and what we may do there.
SELECT
    current_setting('server_version_num')::integer AS version_number,
    current_setting('server_version') AS version,
    clock_timestamp() AS now,
    pg_is_in_recovery() OR current_setting('transaction_read_only') = 'on' AS read_only,
    current_setting('server_encoding') AS encoding,
    current_user::text AS "user",
    current_schema()::text AS "schema",
    coalesce(has_schema_privilege(current_schema(), 'CREATE'), false) AS may_create,
    current_setting('max_connections')::integer - current_setting('superuser_reserved_connections')::integer AS room,
    (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend') AS in_use,
    pg_backend_pid() AS pid;

-- name: doctor_forbidden_tables()
-- Tables of ours that this user may not read and write, or may not change, which a migration does.
SELECT
    c.relname::text AS name,
    NOT (
        has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
        AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')
    ) AS unwritable
FROM pg_class AS c
WHERE c.relkind = 'r' AND c.relnamespace = to_regnamespace(current_schema())
    AND c.relname IN (
        'users', 'api_keys', 'audit_log', 'task_configs', 'executions', 'execution_reports', 'execution_days',
        'execution_day_marks', 'limits', 'leases', 'worker_beats', 'worker_orders', 'notification_rules',
        'notification_notices', 'notification_alerts', 'notifications'
    )
    AND NOT (
        has_table_privilege(c.oid, 'SELECT') AND has_table_privilege(c.oid, 'INSERT')
        AND has_table_privilege(c.oid, 'UPDATE') AND has_table_privilege(c.oid, 'DELETE')
        AND pg_has_role(c.relowner, 'USAGE')
    )
ORDER BY 1;

-- name: doctor_backend()$
-- Who answers: the same for as long as a connection has Postgres to itself.
SELECT pg_backend_pid();

-- name: doctor_notify(channel, payload)$
-- A word to ourselves, on a channel that nobody else has.
SELECT pg_notify(:channel::text, :payload::text);

-- name: doctor_lease(name)^
-- Who leads, and for how many seconds yet; below zero once the lease has run out. Needs our tables.
SELECT holder, epoch, extract(epoch FROM expires_at - clock_timestamp())::double precision AS seconds
FROM leases WHERE name = :name::text;

-- name: doctor_queues()
-- The queues that configs use which are not stopped, and how many each. Needs our tables.
SELECT queue, count(*) AS configs FROM task_configs
WHERE status IN ('active', 'paused') AND deleted_at IS NULL
GROUP BY 1
ORDER BY 1;

-- name: doctor_scheduled()$
-- How many configs ought to be in the due index. Needs our tables.
SELECT count(*) FROM task_configs WHERE status = 'active' AND scheduler_type <> 'manual' AND deleted_at IS NULL;

-- name: doctor_notifications()
-- Rules that are obeyed: whether each sends mail, for how long its oldest message waits, and, since the rule was edited
-- last, what came of the newest message that waits no more. Needs our tables.
SELECT
    r.name, r.recipients IS NOT NULL AS by_mail,
    extract(epoch FROM clock_timestamp() - w.oldest)::double precision AS waiting_seconds,
    CASE WHEN n.status = 'failed' THEN coalesce(n.last_error, '') END AS given_up
FROM notification_rules AS r
LEFT JOIN LATERAL (
    SELECT min(m.created_at) AS oldest FROM notifications AS m WHERE m.rule_id = r.id AND m.status = 'pending'
) AS w ON true
LEFT JOIN LATERAL (
    SELECT m.status, m.last_error FROM notifications AS m
    WHERE m.rule_id = r.id AND m.status IN ('delivered', 'failed') AND m.ended_at > r.updated_at
    ORDER BY m.created_at DESC LIMIT 1
) AS n ON true
WHERE r.enabled
ORDER BY r.id;
