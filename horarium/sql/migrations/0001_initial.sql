-- Users, task configs and the ledger of executions.
--
-- The ledger's one rule is the unique key (config_id, tick_at): a tick has one row, whoever inserts it and however
-- often. Ids of executions are UUIDv7, so they grow with time: the primary key is append-only and is also the order
-- of every list. `completed_at IS NULL` means "not final": the partial index over it stays as small as the work in
-- flight, and since no step before the last touches an indexed column, those updates stay within their page (HOT).

CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    username text NOT NULL,
    email text,
    full_name text,
    role text NOT NULL CHECK (role IN ('admin', 'operator', 'viewer')),
    is_active boolean NOT NULL DEFAULT true,
    password_hash text NOT NULL,
    session_version integer NOT NULL DEFAULT 1,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);

CREATE UNIQUE INDEX users_username ON users (lower(username));

CREATE TABLE task_configs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    description text NOT NULL DEFAULT '',
    task_type text NOT NULL,
    parameters jsonb NOT NULL DEFAULT '{}',
    scheduler_type text NOT NULL CHECK (scheduler_type IN ('cron', 'interval', 'date', 'manual')),
    schedule_config jsonb NOT NULL DEFAULT '{}',
    status text NOT NULL CHECK (status IN ('active', 'inactive', 'paused', 'error')),
    queue text NOT NULL,
    priority smallint NOT NULL CHECK (priority BETWEEN 0 AND 9),
    timeout_seconds double precision NOT NULL CHECK (timeout_seconds > 0),
    max_retries smallint NOT NULL CHECK (max_retries >= 0),
    retry_backoff_seconds double precision NOT NULL CHECK (retry_backoff_seconds >= 0),
    overlap text NOT NULL CHECK (overlap IN ('allow_all', 'skip')),
    catchup text NOT NULL CHECK (catchup IN ('skip', 'latest', 'all')),
    catchup_window_seconds integer NOT NULL CHECK (catchup_window_seconds >= 0),
    max_catchup_runs integer NOT NULL CHECK (max_catchup_runs >= 0),
    start_at timestamptz,
    end_at timestamptz,
    tags text[] NOT NULL DEFAULT '{}',
    paused_reason text,
    paused_until timestamptz,
    -- Ticks are owed from here on; with the newest tick row it is where the due index restarts after a flush.
    scheduled_from timestamptz NOT NULL,
    version bigint NOT NULL DEFAULT 1,
    created_by bigint REFERENCES users (id) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    -- Deleted configs keep their row as long as executions speak of them; their name is free at once.
    deleted_at timestamptz,
    -- Postgres knows an infinite instant, Python does not.
    CONSTRAINT task_configs_instants_are_finite CHECK (
        isfinite(start_at) AND isfinite(end_at) AND isfinite(paused_until) AND isfinite(scheduled_from)
    )
);

CREATE UNIQUE INDEX task_configs_name ON task_configs (name) WHERE deleted_at IS NULL;
CREATE INDEX task_configs_tags ON task_configs USING gin (tags) WHERE deleted_at IS NULL;

CREATE TABLE executions (
    id uuid PRIMARY KEY,
    config_id bigint,
    task_type text NOT NULL,
    trigger text NOT NULL CHECK (trigger IN ('schedule', 'manual', 'backfill', 'retry', 'external')),
    tick_at timestamptz,
    -- A stretch of ticks that did not run is one row: first, last and how many.
    tick_until timestamptz,
    tick_count integer NOT NULL DEFAULT 1 CHECK (tick_count > 0),
    status text NOT NULL CHECK (
        status IN (
            'pending', 'queued', 'running', 'retrying',
            'success', 'failed', 'timeout', 'cancelled', 'lost', 'skipped'
        )
    ),
    reason text,
    -- Which try this is, from 1 on; also the fence that every claim and finish must present.
    attempt smallint NOT NULL DEFAULT 1,
    earlier_attempts jsonb NOT NULL DEFAULT '[]',
    parameters jsonb NOT NULL DEFAULT '{}',
    queue text NOT NULL,
    priority smallint NOT NULL,
    timeout_seconds double precision NOT NULL,
    max_retries smallint NOT NULL,
    retry_backoff_seconds double precision NOT NULL,
    scheduler_type text NOT NULL,
    idempotency_key text,
    worker text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    queued_at timestamptz,
    retry_at timestamptz,
    started_at timestamptz,
    deadline_at timestamptz,
    completed_at timestamptz,
    result jsonb,
    error text,
    CONSTRAINT executions_one_row_per_tick UNIQUE (config_id, tick_at),
    CONSTRAINT executions_final_is_completed CHECK (
        (completed_at IS NULL) = (status IN ('pending', 'queued', 'running', 'retrying'))
    )
) WITH (fillfactor = 70);

CREATE INDEX executions_by_config ON executions (config_id, id);
CREATE INDEX executions_in_flight ON executions (config_id) WHERE completed_at IS NULL;
CREATE UNIQUE INDEX executions_idempotency ON executions (config_id, idempotency_key)
WHERE idempotency_key IS NOT NULL;

-- Tells every supervisor's schedule loader which config changed, once per transaction and config.
CREATE FUNCTION task_config_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('horarium_task_configs', NEW.id::text);
    RETURN NULL;
END $$;

CREATE TRIGGER task_config_changed AFTER INSERT OR UPDATE ON task_configs
FOR EACH ROW EXECUTE FUNCTION task_config_changed();
