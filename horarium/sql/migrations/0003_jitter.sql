-- Jitter: by how many seconds at most a config's ticks are put off, each by its own share of them. Every config that is
-- there already fires at its ticks, as before.

ALTER TABLE task_configs
ADD COLUMN jitter_seconds integer NOT NULL DEFAULT 0
CONSTRAINT task_configs_jitter_is_a_day_at_most CHECK (jitter_seconds BETWEEN 0 AND 86400);
