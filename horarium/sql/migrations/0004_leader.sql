-- The lease of whoever leads, one row a lease. `epoch` counts the take-overs: a log line or a figure that carries it
-- says under whose rule it was made. Dated by this server's clock alone, since those of the holders may differ.

CREATE TABLE leases (
    name text PRIMARY KEY,
    holder text NOT NULL,
    epoch bigint NOT NULL CHECK (epoch > 0),
    expires_at timestamptz NOT NULL CHECK (isfinite(expires_at))
) WITH (fillfactor = 50);

-- Cleanup asks for these every minute; all but a few configs are none.
CREATE INDEX task_configs_deleted ON task_configs (id) WHERE deleted_at IS NOT NULL;
