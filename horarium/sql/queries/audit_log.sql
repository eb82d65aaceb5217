-- Who changed what, when, from where.

-- name: audit_log_insert(actor_kind, actor_id, actor_name, action, target_kind, target_id, target_name, address, request_id, before, after)$
-- A change; in the transaction that makes it.
INSERT INTO audit_log (
    actor_kind, actor_id, actor_name, action, target_kind, target_id, target_name, address, request_id, before, after
)
VALUES (
    :actor_kind::text, :actor_id::bigint, :actor_name::text, :action::text, :target_kind::text, :target_id::text,
    :target_name::text, :address::text, :request_id::text, :before::jsonb, :after::jsonb
)
RETURNING id;

-- name: audit_log_insert_many(actor_kind, actor_id, actor_name, address, request_id, rows)
-- Many changes by one actor, in their order; in the transaction that makes them.
INSERT INTO audit_log (
    actor_kind, actor_id, actor_name, address, request_id, action, target_kind, target_id, target_name, before, after
)
SELECT :actor_kind::text, :actor_id::bigint, :actor_name::text, :address::text, :request_id::text, x.*
FROM jsonb_to_recordset(:rows::jsonb) AS x (
    action text, target_kind text, target_id text, target_name text, before jsonb, after jsonb
)
RETURNING id;

-- name: audit_log_list(actor, action, target_kind, target_id, since, until, before_id, max_rows)
-- Newest first; the id is the cursor.
SELECT * FROM audit_log
WHERE (:actor::text IS NULL OR actor_name = :actor::text)
    AND (:action::text IS NULL OR action = :action::text)
    AND (:target_kind::text IS NULL OR target_kind = :target_kind::text)
    AND (:target_id::text IS NULL OR target_id = :target_id::text)
    AND (:since::timestamptz IS NULL OR at >= :since::timestamptz)
    AND (:until::timestamptz IS NULL OR at < :until::timestamptz)
    AND (:before_id::bigint IS NULL OR id < :before_id::bigint)
ORDER BY id DESC
LIMIT :max_rows::integer;

-- name: audit_log_last_author(target_kind, target_id)$
-- Who changed what was there already; a run by hand changes nothing.
SELECT actor_name FROM audit_log
WHERE target_kind = :target_kind::text AND target_id = :target_id::text AND before IS NOT NULL
ORDER BY id DESC
LIMIT 1;

-- name: audit_log_count(actor, action, target_kind, target_id, since, until)$
-- How many rows the same filters match on all pages.
SELECT count(*) FROM audit_log
WHERE (:actor::text IS NULL OR actor_name = :actor::text)
    AND (:action::text IS NULL OR action = :action::text)
    AND (:target_kind::text IS NULL OR target_kind = :target_kind::text)
    AND (:target_id::text IS NULL OR target_id = :target_id::text)
    AND (:since::timestamptz IS NULL OR at >= :since::timestamptz)
    AND (:until::timestamptz IS NULL OR at < :until::timestamptz);

-- name: audit_log_expire(before, max_rows)
-- What is older than the log is kept, a batch at a time.
DELETE FROM audit_log WHERE id IN (
    SELECT o.id FROM audit_log AS o WHERE o.at < :before::timestamptz ORDER BY o.at LIMIT :max_rows::integer
)
RETURNING id;
