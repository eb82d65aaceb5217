-- Lists that are read in their order, and by what became of a run, among ten thousand configs and a million executions.

-- Names sort by their characters (COLLATE "C"), as the list has them.
CREATE INDEX task_configs_by_name ON task_configs (name COLLATE "C", id) WHERE deleted_at IS NULL;
CREATE INDEX task_configs_by_age ON task_configs (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX audit_log_action ON audit_log (action, id);

-- How an execution ended, if not well. An index over the status would end HOT updates at each claim; this value is there
-- from the end on, whose update touches an index anyway, and most executions never have one. The table is written anew.
ALTER TABLE executions ADD COLUMN outcome text GENERATED ALWAYS AS (
    CASE WHEN completed_at IS NOT NULL AND status <> 'success' THEN status END
) STORED;
CREATE INDEX executions_by_outcome ON executions (outcome, id) WHERE outcome IS NOT NULL;
