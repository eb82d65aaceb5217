-- The auditor asks in each pass which configs have changed, by their ids and versions: it reads them here and not where
-- all else of a config is.

CREATE INDEX task_configs_audited ON task_configs (id, version)
WHERE status IN ('active', 'paused') AND scheduler_type <> 'manual' AND deleted_at IS NULL;
