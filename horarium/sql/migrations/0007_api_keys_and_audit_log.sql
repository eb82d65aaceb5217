-- Keys of machines, and who changed what.

CREATE TABLE api_keys (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL,
    -- The first characters, by which whoever holds a key finds it in a list; the key itself is nowhere.
    prefix text NOT NULL,
    digest bytea NOT NULL UNIQUE CHECK (length(digest) = 32),
    role text NOT NULL CHECK (role IN ('admin', 'operator', 'viewer')),
    expires_at timestamptz CHECK (isfinite(expires_at)),
    created_by bigint REFERENCES users (id) ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    last_used_at timestamptz
);

CREATE UNIQUE INDEX api_keys_name ON api_keys (lower(name));

-- A row is written in the transaction of the change that it tells of. Actor and target are copied, not referred to:
-- the log outlives both.
CREATE TABLE audit_log (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor_kind text NOT NULL CHECK (actor_kind IN ('user', 'api_key', 'system')),
    actor_id bigint,
    actor_name text NOT NULL,
    action text NOT NULL,
    target_kind text NOT NULL,
    target_id text NOT NULL,
    target_name text,
    address text,
    request_id text,
    before jsonb,
    after jsonb
);

CREATE INDEX audit_log_target ON audit_log (target_kind, target_id, id);
CREATE INDEX audit_log_actor ON audit_log (actor_name, id);
CREATE INDEX audit_log_at ON audit_log (at);
