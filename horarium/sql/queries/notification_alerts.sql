-- The configs of which a rule has told something bad and nothing good since. Written by whoever holds the rules.

-- name: notification_alert_of(config_ids)
-- Those of these configs.
SELECT * FROM notification_alerts WHERE config_id = ANY(:config_ids::bigint[]);

-- name: notification_alert_put(rule_ids, config_ids, sinces, subjects, ats, notices)
-- Alerts as they are now.
INSERT INTO notification_alerts AS a (rule_id, config_id, since, subject, at, notices)
SELECT * FROM unnest(
    :rule_ids::bigint[], :config_ids::bigint[], :sinces::timestamptz[], :subjects::uuid[], :ats::timestamptz[],
    :notices::integer[]
)
ON CONFLICT (rule_id, config_id) DO UPDATE SET subject = excluded.subject, at = excluded.at, notices = excluded.notices
RETURNING a.rule_id;

-- name: notification_alert_over(looked_at)
-- Alerts whose config has succeeded since, with the first success; and those whose config is gone, without one. What
-- succeeds has to have been made, and to have ended, after the newest bad one: a run that was under way beside it says
-- nothing, nor does one by hand of a config that is in error. Of what was made since, the newest rows are looked at, so
-- that no alert costs more for having been open long.
SELECT
    a.rule_id, a.config_id, a.since, a.notices, c.name AS config_name, c.tags,
    s.id AS subject, s.id, s.task_type, s.trigger, s.status, s.reason, s.tick_at, s.tick_until, s.tick_count, s.attempt,
    s.worker, s.started_at, s.completed_at, s.completed_at AS at, s.error
FROM notification_alerts AS a
LEFT JOIN task_configs AS c ON c.id = a.config_id AND c.deleted_at IS NULL
LEFT JOIN LATERAL (
    SELECT x.*
    FROM (
        SELECT
            w.id, w.task_type, w.trigger, w.status, w.reason, coalesce(w.tick_at, w.for_tick) AS tick_at, w.tick_until,
            w.tick_count, w.attempt, w.worker, w.started_at, w.completed_at, w.error
        FROM executions AS w
        WHERE w.config_id = a.config_id AND w.id > a.subject AND c.status <> 'error'
        ORDER BY w.id DESC LIMIT :looked_at::integer
    ) AS x
    WHERE x.status = 'success' AND x.completed_at > a.at
    ORDER BY x.id LIMIT 1
) AS s ON true
WHERE s.id IS NOT NULL OR c.id IS NULL
ORDER BY a.rule_id, a.config_id;

-- name: notification_alert_close(rule_ids, config_ids)
-- Alerts are over.
DELETE FROM notification_alerts
WHERE (rule_id, config_id) IN (SELECT * FROM unnest(:rule_ids::bigint[], :config_ids::bigint[]))
RETURNING rule_id;

-- name: notification_alert_close_all(rule_id)
-- A rule begins anew.
DELETE FROM notification_alerts WHERE rule_id = :rule_id::bigint
RETURNING config_id;
