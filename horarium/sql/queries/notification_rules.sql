-- Who is told of what. Whoever decides what is told locks the rules first, so that an edit that has returned is obeyed by
-- whatever happens after it, and two who decide do so one after the other.

-- name: notification_rule_list(after, max_rows)
-- A page of rules, in the order they were made, each with the newest of its messages.
SELECT r.*, n.event AS last_event, n.status AS last_status, n.created_at AS last_at, n.last_error
FROM notification_rules AS r
LEFT JOIN LATERAL (
    SELECT m.event, m.status, m.created_at, m.last_error FROM notifications AS m
    WHERE m.rule_id = r.id
    ORDER BY m.created_at DESC LIMIT 1
) AS n ON true
WHERE r.id > :after::bigint
ORDER BY r.id
LIMIT :max_rows::integer;

-- name: notification_rule_get(id)^
-- One of them.
SELECT r.*, n.event AS last_event, n.status AS last_status, n.created_at AS last_at, n.last_error
FROM notification_rules AS r
LEFT JOIN LATERAL (
    SELECT m.event, m.status, m.created_at, m.last_error FROM notifications AS m
    WHERE m.rule_id = r.id
    ORDER BY m.created_at DESC LIMIT 1
) AS n ON true
WHERE r.id = :id::bigint;

-- name: notification_rule_count()$
-- How many there are.
SELECT count(*) FROM notification_rules;

-- name: notification_rule_lock(id)^
-- A rule, held until the transaction ends.
SELECT * FROM notification_rules WHERE id = :id::bigint FOR NO KEY UPDATE;

-- name: notification_rule_lock_of(notification_id)^
-- The rule of a message, kept as it is until the transaction ends.
SELECT * FROM notification_rules
WHERE id = (SELECT n.rule_id FROM notifications AS n WHERE n.id = :notification_id::uuid)
FOR SHARE;

-- name: notification_rule_lock_enabled()
-- All that are obeyed, held until the transaction ends.
SELECT * FROM notification_rules WHERE enabled ORDER BY id FOR NO KEY UPDATE;

-- name: notification_rule_insert(name, events, config_ids, tags, repeat, errors, webhook_url, secret, recipients, enabled, created_by)$
-- A new rule. No row back: the name is taken.
INSERT INTO notification_rules (
    name, events, config_ids, tags, repeat, errors, webhook_url, secret, recipients, enabled, created_by
)
VALUES (
    :name::text, :events::text[], :config_ids::bigint[], :tags::text[], :repeat::text, :errors::text,
    :webhook_url::text, :secret::text, :recipients::text[], :enabled::boolean, :created_by::bigint
)
ON CONFLICT (lower(name)) DO NOTHING
RETURNING id;

-- name: notification_rule_update(id, name, events, config_ids, tags, repeat, errors, webhook_url, recipients, enabled)$
-- A rule as it is to be.
UPDATE notification_rules SET
    name = :name::text, events = :events::text[], config_ids = :config_ids::bigint[], tags = :tags::text[],
    repeat = :repeat::text, errors = :errors::text, webhook_url = :webhook_url::text,
    recipients = :recipients::text[], enabled = :enabled::boolean,
    held_until = CASE WHEN webhook_url = :webhook_url::text THEN held_until END,
    version = version + 1, updated_at = clock_timestamp()
WHERE id = :id::bigint
RETURNING id;

-- name: notification_rule_hold(id, webhook_url, until)$
-- The receiver wants nothing before then, so what comes waits. No row back: the rule has another receiver by now.
UPDATE notification_rules SET held_until = :until::timestamptz
WHERE id = :id::bigint AND webhook_url = :webhook_url::text
RETURNING id;

-- name: notification_rule_rotate(id, secret, previous_until)$
-- Another secret; the one until now signs beside it for a while.
UPDATE notification_rules SET
    previous_secret = secret, previous_until = :previous_until::timestamptz, secret = :secret::text,
    version = version + 1, updated_at = clock_timestamp()
WHERE id = :id::bigint
RETURNING id;

-- name: notification_rule_delete(id)$
-- A rule is gone, and with it its messages.
DELETE FROM notification_rules WHERE id = :id::bigint
RETURNING id;
