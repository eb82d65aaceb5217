-- Executions whose message was there before their row: what an app kicks by itself.

-- name: execution_claim_external(ids, message_ids, retries_of, task_types, parameters, messages, queues, priorities, timeouts_seconds, max_retries, retry_backoffs_seconds, worker)
-- The row of a message that the app has sent, running from its first moment on: it is made by the claim, and once, since
-- a message has one row. Where a limit concerns it, it is pending, and claimed as what has to have room. No row back means
-- a duplicate: of what runs elsewhere, has ended, or is another attempt by now. As with every claim, a worker may ask again
-- for what it has. Who asks for many does it in the order of their messages.
INSERT INTO executions AS e (
    id, message_id, retry_of, trigger, task_type, parameters, message, queue, priority, timeout_seconds, max_retries,
    retry_backoff_seconds, scheduler_type, status, worker, queued_at, started_at, deadline_at
)
SELECT
    m.id, m.message_id, m.retry_of, CASE WHEN m.retry_of IS NULL THEN 'external' ELSE 'retry' END, m.task_type,
    m.parameters::jsonb, m.message::json, m.queue, m.priority, m.timeout_seconds, m.max_retries,
    m.retry_backoff_seconds, 'external', CASE WHEN under.limits THEN 'pending' ELSE 'running' END,
    CASE WHEN NOT under.limits THEN :worker::text END, CASE WHEN NOT under.limits THEN clock_timestamp() END,
    CASE WHEN NOT under.limits THEN clock_timestamp() END,
    CASE WHEN NOT under.limits THEN clock_timestamp() + make_interval(secs => m.timeout_seconds) END
FROM unnest(
    :ids::uuid[], :message_ids::uuid[], :retries_of::uuid[], :task_types::text[], :parameters::text[],
    :messages::text[], :queues::text[], :priorities::smallint[], :timeouts_seconds::double precision[],
    :max_retries::smallint[], :retry_backoffs_seconds::double precision[]
) AS m (
    id, message_id, retry_of, task_type, parameters, message, queue, priority, timeout_seconds, max_retries,
    retry_backoff_seconds
)
CROSS JOIN LATERAL (
    SELECT EXISTS (
        SELECT 1 FROM limits AS l
        WHERE (l.kind = 'task_type' AND l.name = m.task_type) OR (l.kind = 'queue' AND l.name = m.queue)
    ) AS limits
) AS under
ORDER BY m.message_id
ON CONFLICT (message_id) WHERE message_id IS NOT NULL DO UPDATE
    SET started_at = excluded.started_at, deadline_at = excluded.deadline_at
    WHERE e.attempt = 1 AND e.status = 'running' AND e.worker = excluded.worker AND e.held_by IS NULL
RETURNING
    e.id, e.message_id, e.status, e.attempt, e.config_id, e.task_type, e.tick_at, e.timeout_seconds, e.max_retries,
    e.retry_backoff_seconds, e.started_at, e.deadline_at, 0 AS handed_back;

-- name: execution_public(task_id)^
-- One execution, whole, by the id that the API shows: of what an app has kicked that is its message's.
SELECT * FROM executions WHERE id = :task_id::uuid OR message_id = :task_id::uuid
ORDER BY (id = :task_id::uuid) DESC
LIMIT 1;

-- name: execution_external_retry(retry_of, idempotency_key)^
-- The retry of an execution without a config that an earlier request with the same key made.
SELECT * FROM executions
WHERE config_id IS NULL AND retry_of = :retry_of::uuid AND idempotency_key = :idempotency_key::text;
