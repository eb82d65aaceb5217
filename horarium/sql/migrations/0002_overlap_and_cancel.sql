-- What a config's next tick does to the run before it, and how a run is stopped.
--
-- `buffered`: a pending row that waits for its config's other executions to end; nobody sends it before. `held_by`: the
-- worker that still works on an attempt which was ended without it (a task that does not heed its timeout). Until it
-- is really gone the execution keeps its config's slot, and is not tried again.

ALTER TABLE task_configs DROP CONSTRAINT task_configs_overlap_check;
ALTER TABLE task_configs ADD CONSTRAINT task_configs_overlap_check CHECK (
    overlap IN ('allow_all', 'skip', 'buffer_one', 'buffer_all', 'cancel_other')
);

ALTER TABLE executions
    ADD COLUMN buffered boolean NOT NULL DEFAULT false,
    ADD COLUMN held_by text,
    ADD COLUMN cancel_requested_at timestamptz,
    ADD COLUMN cancel_reason text,
    ADD CONSTRAINT executions_buffered_is_pending CHECK (NOT buffered OR status = 'pending');

DROP INDEX executions_in_flight;
CREATE INDEX executions_occupied ON executions (config_id) WHERE completed_at IS NULL OR held_by IS NOT NULL;
CREATE INDEX executions_buffered ON executions (config_id, tick_at) WHERE buffered;
