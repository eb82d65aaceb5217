-- Runs that repeat or make up for what the ledger has. What is final stays as it is: such a run is a row of its own,
-- linked to the other by `retry_of`, and `for_tick` says which tick it is about.

-- name: execution_insert_retry(id, retried, idempotency_key)^
-- An execution once more: what it did is what it does again, how it is run is as its config says now, unless that runs
-- another task type by now. The caller holds the config. No row back: the key was used before, or retention was there.
INSERT INTO executions (
    id, config_id, task_type, trigger, status, retry_of, for_tick, idempotency_key, parameters, scheduler_type,
    queue, priority, timeout_seconds, max_retries, retry_backoff_seconds
)
SELECT
    :id::uuid, e.config_id, e.task_type, 'retry', 'pending', e.id, coalesce(e.tick_at, e.for_tick),
    :idempotency_key::text, e.parameters, e.scheduler_type,
    coalesce(c.queue, e.queue), coalesce(c.priority, e.priority), coalesce(c.timeout_seconds, e.timeout_seconds),
    coalesce(c.max_retries, e.max_retries), coalesce(c.retry_backoff_seconds, e.retry_backoff_seconds)
FROM executions AS e
LEFT JOIN task_configs AS c ON c.id = e.config_id AND c.task_type = e.task_type
WHERE e.id = :retried::uuid
ON CONFLICT (config_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
RETURNING *;
