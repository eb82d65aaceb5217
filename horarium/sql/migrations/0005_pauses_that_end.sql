-- The sweeper asks every second which pauses have run out: among a million configs, all of them were read each time.

CREATE INDEX task_configs_paused ON task_configs (paused_until) WHERE status = 'paused' AND deleted_at IS NULL;
