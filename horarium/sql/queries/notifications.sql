-- The messages: what each says, how often it was sent, and what came of it. A try is taken before it is made, which counts
-- it and keeps others off for the length of a lease; a process that dies in between leaves a message that is sent again,
-- under the same id, once the lease is over.

-- name: notification_look(now)^
-- Whether there is anything to do: what is asked every two seconds.
SELECT
    EXISTS (SELECT 1 FROM notification_notices) AS noticed,
    EXISTS (SELECT 1 FROM notification_alerts) AS alerted,
    EXISTS (SELECT 1 FROM notifications AS n WHERE n.status = 'pending' AND n.next_try_at <= :now::timestamptz) AS due;

-- name: notification_lately(rule_ids, since)
-- How many messages each of these rules has made since then, of configs in error and else; what was suppressed is none.
SELECT r.id AS rule_id, n.of_errors, n.others
FROM unnest(:rule_ids::bigint[]) AS r (id)
CROSS JOIN LATERAL (
    SELECT
        count(*) FILTER (WHERE m.event = 'config_error') AS of_errors,
        count(*) FILTER (WHERE m.event <> 'config_error') AS others
    FROM notifications AS m
    WHERE m.rule_id = r.id AND m.created_at > :since::timestamptz AND m.status <> 'suppressed'
) AS n;

-- name: notification_insert(ids, rule_ids, subjects, events, config_ids, config_names, contents, statuses, now, give_up_at)
-- Messages to be sent, once the receiver wants any; what a rule has told of an execution and an event already is not told
-- again.
INSERT INTO notifications (
    id, rule_id, subject, event, config_id, config_name, content, status, created_at, next_try_at, give_up_at, ended_at
)
SELECT
    m.id, m.rule_id, m.subject, m.event, m.config_id, m.config_name, m.content, m.status, :now::timestamptz,
    CASE WHEN m.status = 'pending' THEN greatest(:now::timestamptz, r.held_until) END,
    :give_up_at::timestamptz,
    CASE WHEN m.status <> 'pending' THEN :now::timestamptz END
FROM unnest(
    :ids::uuid[], :rule_ids::bigint[], :subjects::uuid[], :events::text[], :config_ids::bigint[],
    :config_names::text[], :contents::text[], :statuses::text[]
) AS m (id, rule_id, subject, event, config_id, config_name, content, status)
JOIN notification_rules AS r ON r.id = m.rule_id
ON CONFLICT ON CONSTRAINT notifications_once DO NOTHING
RETURNING status;

-- name: notification_take(now, lease_until, busy, max_rows)
-- The next try of each rule that is not `busy`: one at a time, and what happened to a config in the order in which it did.
-- Where there is no room for all rules, those go first whose message was tried least: as many receivers that hang as there
-- is room for would else be all that is ever tried.
WITH due AS (
    SELECT n.id
    FROM notification_rules AS r
    CROSS JOIN LATERAL (
        SELECT p.id, p.attempts, p.next_try_at FROM notifications AS p
        WHERE p.rule_id = r.id AND p.status = 'pending' AND p.next_try_at <= :now::timestamptz
            AND NOT EXISTS (
                SELECT 1 FROM notifications AS o
                WHERE o.rule_id = p.rule_id AND o.config_id = p.config_id AND o.status = 'pending' AND o.id < p.id
            )
        ORDER BY p.next_try_at, p.id LIMIT 1
    ) AS n
    WHERE r.enabled AND r.id <> ALL(:busy::bigint[])
    ORDER BY n.attempts, n.next_try_at, n.id
    LIMIT :max_rows::integer
),
locked AS MATERIALIZED (
    SELECT l.id FROM notifications AS l
    WHERE l.id IN (SELECT d.id FROM due AS d) AND l.status = 'pending' AND l.next_try_at <= :now::timestamptz
    ORDER BY l.id
    FOR NO KEY UPDATE SKIP LOCKED
)
UPDATE notifications AS n
SET attempts = n.attempts + 1, next_try_at = :lease_until::timestamptz
FROM locked AS l, notification_rules AS r
WHERE n.id = l.id AND r.id = n.rule_id
RETURNING
    n.id, n.rule_id, n.content, n.attempts, n.give_up_at, r.name AS rule_name, r.webhook_url, r.secret,
    r.previous_secret, r.previous_until, r.recipients;

-- name: notification_settle(id, attempts, status, error, next_try_at, ended_at)$
-- What came of a try. No row back: it was taken anew meanwhile, or somebody else has ended it.
UPDATE notifications SET
    status = :status::text, last_error = :error::text, next_try_at = :next_try_at::timestamptz,
    ended_at = :ended_at::timestamptz
WHERE id = :id::uuid AND attempts = :attempts::integer AND status = 'pending'
RETURNING id;

-- name: notification_hold(rule_id, until)
-- The receiver wants nothing before then; whoever holds its rule (`notification_rule_hold`) sees what waits for it.
UPDATE notifications SET next_try_at = :until::timestamptz
WHERE rule_id = :rule_id::bigint AND status = 'pending' AND next_try_at < :until::timestamptz
RETURNING id;

-- name: notification_hasten(rule_id, now)
-- There is another receiver: what waits is tried now.
UPDATE notifications SET next_try_at = :now::timestamptz
WHERE rule_id = :rule_id::bigint AND status = 'pending' AND next_try_at > :now::timestamptz
RETURNING id;

-- name: notification_lock(id)^
-- A message, held until the transaction ends.
SELECT * FROM notifications WHERE id = :id::uuid FOR NO KEY UPDATE;

-- name: notification_retry(id, now, give_up_at)$
-- A message is to be tried now, and for as long as a new one.
UPDATE notifications SET
    status = 'pending', next_try_at = :now::timestamptz, give_up_at = :give_up_at::timestamptz, ended_at = NULL
WHERE id = :id::uuid
RETURNING id;

-- name: notification_drop(rule_id, now, error)
-- What a rule has still to send is not sent any more.
UPDATE notifications SET
    status = 'failed', last_error = :error::text, next_try_at = NULL, ended_at = :now::timestamptz
WHERE rule_id = :rule_id::bigint AND status = 'pending'
RETURNING id;

-- name: notification_list(id, status, rule_id, config_id, before, max_rows)
-- Newest first; the id is the cursor, since it grows with time.
SELECT
    n.id, n.rule_id, r.name AS rule_name, n.event, n.config_id, n.config_name,
    (n.content::jsonb #>> '{data,task_id}')::uuid AS task_id,
    n.status, n.attempts, n.last_error, n.created_at, n.next_try_at, n.ended_at
FROM notifications AS n JOIN notification_rules AS r ON r.id = n.rule_id
WHERE (:id::uuid IS NULL OR n.id = :id::uuid)
    AND (:status::text IS NULL OR n.status = :status::text)
    AND (:rule_id::bigint IS NULL OR n.rule_id = :rule_id::bigint)
    AND (:config_id::bigint IS NULL OR n.config_id = :config_id::bigint)
    AND (:before::uuid IS NULL OR n.id < :before::uuid)
ORDER BY n.id DESC
LIMIT :max_rows::integer;

-- name: notification_count(status, rule_id, config_id)$
-- How many the same filters match on all pages.
SELECT count(*) FROM notifications
WHERE (:status::text IS NULL OR status = :status::text)
    AND (:rule_id::bigint IS NULL OR rule_id = :rule_id::bigint)
    AND (:config_id::bigint IS NULL OR config_id = :config_id::bigint);

-- name: notification_waiting()^
-- How many messages wait, and since when the oldest does.
SELECT count(*) AS waiting, min(created_at) AS oldest FROM notifications WHERE status = 'pending';

-- name: notification_expire(before, max_rows)
-- Messages that ended long ago, a batch at a time, oldest first; `before` is the least id of that instant.
DELETE FROM notifications WHERE id IN (
    SELECT o.id FROM notifications AS o
    WHERE o.id < :before::uuid AND o.status <> 'pending'
    ORDER BY o.id LIMIT :max_rows::integer
)
RETURNING id;
