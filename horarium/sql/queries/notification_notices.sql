-- What has happened and no rule has been asked about yet. Rows come by the statements that end
-- executions, each in the transaction of its ending (`execution_noticed`, migration 0018), by the one that marks a config as
-- `error` (`task_config_mark_error`), and from the auditor.

-- name: notification_notice_insert(subjects, config_ids, details)
-- Ticks that have no row at all, where somebody wants to be told.
INSERT INTO notification_notices (subject, config_id, event, details)
SELECT m.subject, m.config_id, 'missed', m.details::jsonb
FROM unnest(:subjects::uuid[], :config_ids::bigint[], :details::text[]) AS m (subject, config_id, details)
WHERE EXISTS (SELECT 1 FROM notification_rules AS r WHERE r.enabled)
RETURNING id;

-- name: notification_notice_take(max_rows)
-- A batch, taken away, with what there is to say of each. What was deleted for good has nobody who would be told of it.
WITH taken AS (
    DELETE FROM notification_notices
    WHERE id IN (SELECT n.id FROM notification_notices AS n ORDER BY n.id LIMIT :max_rows::integer FOR UPDATE SKIP LOCKED)
    RETURNING *
)
SELECT
    t.subject, t.event, t.details, coalesce(e.completed_at, t.at) AS at,
    t.config_id, c.name AS config_name, c.tags,
    e.id, coalesce(e.task_type, c.task_type) AS task_type, e.trigger, e.status, e.reason,
    coalesce(e.tick_at, e.for_tick) AS tick_at, e.tick_until, e.tick_count, e.attempt, e.worker, e.started_at,
    e.completed_at, e.error
FROM taken AS t
LEFT JOIN task_configs AS c ON c.id = t.config_id
LEFT JOIN executions AS e ON e.id = t.subject
ORDER BY t.subject;
