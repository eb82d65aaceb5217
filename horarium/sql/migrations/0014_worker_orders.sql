-- What workers have been told: to go on, to pause, to drain. The truth is here and not in Redis, which may be flushed, so
-- that a paused worker stays paused. `worker` is the id of its process, which outlives the actor in it. A row says something,
-- a missing one nothing; `heard_at` is about when the worker last read it, and lets the rows of those that are gone expire.

CREATE TABLE worker_orders (
    worker text PRIMARY KEY,
    state text NOT NULL CHECK (state IN ('running', 'paused', 'draining')),
    given_by text NOT NULL,
    given_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    heard_at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);
