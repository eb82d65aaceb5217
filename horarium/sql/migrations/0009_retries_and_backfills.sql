-- Runs that repeat or make up for others.
--
-- `retry_of`: the execution that a run repeats; no foreign key, since retention takes either without the other.
-- `for_tick`: the tick that such a run is about, where another row is the tick's own and stays what it is.

ALTER TABLE executions
    ADD COLUMN retry_of uuid,
    ADD COLUMN for_tick timestamptz,
    ADD CONSTRAINT executions_own_tick_or_anothers CHECK (tick_at IS NULL OR for_tick IS NULL);

-- A backfill asks which skipped ticks have been made up for. Neither column ever changes, so updates stay HOT.
CREATE INDEX executions_for_tick ON executions (config_id, for_tick) WHERE for_tick IS NOT NULL;

-- Ten thousand executions of one config may wait for their turn now: who lets the next one go looks at that one, and at
-- what is in flight and does not wait.
DROP INDEX executions_buffered;
CREATE INDEX executions_buffered ON executions (config_id, (trigger = 'backfill'), coalesce(tick_at, for_tick))
WHERE buffered;
DROP INDEX executions_occupied;
CREATE INDEX executions_occupied ON executions (config_id, buffered) WHERE completed_at IS NULL OR held_by IS NOT NULL;
