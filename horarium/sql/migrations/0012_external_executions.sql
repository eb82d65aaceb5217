-- Executions that an app has begun by itself, by kicking a task: no row was written before their message.
--
-- `message_id`: the id of that message, as a UUID, under which app and API know the execution; `id` stays the order of
-- every list. `message`: the id as the app wrote it, and what the message has to be made of to be sent again. A row of a
-- config has neither, and is in neither index; neither ever changes, so updates stay HOT.

ALTER TABLE executions
    ADD COLUMN message_id uuid,
    ADD COLUMN message json;

CREATE UNIQUE INDEX executions_message ON executions (message_id) WHERE message_id IS NOT NULL;

-- The keys of retries by hand are per config; here there is none, so they are per execution.
CREATE UNIQUE INDEX executions_idempotency_external ON executions (retry_of, idempotency_key)
WHERE config_id IS NULL AND idempotency_key IS NOT NULL;
