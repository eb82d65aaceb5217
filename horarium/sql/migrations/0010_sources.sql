-- Which file, or other source, declares a config: what that source names no longer, and nothing else, can be removed
-- with it. Null: none says so.

ALTER TABLE task_configs ADD COLUMN source text;
CREATE INDEX task_configs_source ON task_configs (source, id) WHERE deleted_at IS NULL;
