-- Who is told of what becomes of executions, and what there is to tell.
--
-- `notification_rules`: which events of which configs go where. `notification_notices`: what has happened and no rule
-- has been asked about yet; a row comes by the statement of the ending itself, so there is none without the other.
-- `notification_alerts`: the configs of which a rule has told something bad and nothing good since. `notifications`: the
-- messages, one for a rule, an execution and an event, whoever decides and however often.

CREATE TABLE notification_rules (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    events text[] NOT NULL CHECK (cardinality(events) > 0),
    -- Both empty: every config. Else those with one of these ids or one of these tags.
    config_ids bigint[] NOT NULL DEFAULT '{}',
    tags text[] NOT NULL DEFAULT '{}',
    repeat text NOT NULL CHECK (repeat IN ('first', 'every')),
    errors text NOT NULL CHECK (errors IN ('message', 'kind')),
    webhook_url text,
    -- Signs each message, so it has to be readable here. The one before it goes on signing until `previous_until`.
    secret text,
    previous_secret text,
    previous_until timestamptz,
    recipients text[],
    enabled boolean NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    created_by bigint REFERENCES users (id) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    CONSTRAINT notification_rules_have_one_channel CHECK ((webhook_url IS NULL) <> (recipients IS NULL)),
    CONSTRAINT notification_rules_sign_webhooks CHECK ((webhook_url IS NULL) = (secret IS NULL)),
    CONSTRAINT notification_rules_previous_ends CHECK ((previous_secret IS NULL) = (previous_until IS NULL))
);

CREATE UNIQUE INDEX notification_rules_name ON notification_rules (lower(name));

CREATE TABLE notification_notices (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    -- The execution, or what stands for one where ticks have no row at all.
    subject uuid NOT NULL,
    config_id bigint NOT NULL,
    event text NOT NULL CHECK (event IN ('failed', 'timeout', 'lost', 'missed')),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- What is told of ticks that have no row; null for an execution, which is read when it is told of.
    details jsonb
);

CREATE TABLE notification_alerts (
    rule_id bigint NOT NULL REFERENCES notification_rules (id) ON DELETE CASCADE,
    config_id bigint NOT NULL REFERENCES task_configs (id) ON DELETE CASCADE,
    since timestamptz NOT NULL,
    -- The newest bad one: what succeeds has to have been made, and to have ended, after it.
    subject uuid NOT NULL,
    at timestamptz NOT NULL,
    notices integer NOT NULL DEFAULT 1,
    PRIMARY KEY (rule_id, config_id)
);

CREATE TABLE notifications (
    -- What a receiver knows a message by: the same however often it is sent.
    id uuid PRIMARY KEY,
    rule_id bigint NOT NULL REFERENCES notification_rules (id) ON DELETE CASCADE,
    subject uuid NOT NULL,
    event text NOT NULL CHECK (event IN ('failed', 'timeout', 'lost', 'missed', 'recovered')),
    config_id bigint NOT NULL,
    config_name text NOT NULL,
    -- What is told, as JSON text: a signature is over its bytes.
    content text NOT NULL,
    status text NOT NULL CHECK (status IN ('pending', 'delivered', 'failed', 'suppressed')),
    attempts integer NOT NULL DEFAULT 0,
    last_error text,
    created_at timestamptz NOT NULL,
    next_try_at timestamptz,
    give_up_at timestamptz NOT NULL,
    ended_at timestamptz,
    CONSTRAINT notifications_once UNIQUE (rule_id, subject, event),
    CONSTRAINT notifications_pending_are_tried CHECK ((status = 'pending') = (next_try_at IS NOT NULL)),
    CONSTRAINT notifications_final_have_ended CHECK ((status = 'pending') = (ended_at IS NULL))
) WITH (fillfactor = 80);

CREATE INDEX notifications_pending ON notifications (rule_id, config_id, id) WHERE status = 'pending';
CREATE INDEX notifications_by_rule ON notifications (rule_id, created_at);

-- The statements that end executions badly call it for each in what they return, so a notice is written by the ending
-- itself. It is not called for what succeeds, and writes nothing where nobody wants to be told.
CREATE FUNCTION execution_noticed(id uuid, config_id bigint, status text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO notification_notices (subject, config_id, event)
    SELECT $1, $2, CASE $3 WHEN 'skipped' THEN 'missed' ELSE $3 END
    WHERE EXISTS (SELECT 1 FROM notification_rules AS r WHERE r.enabled);
    RETURN FOUND;
END $$;
