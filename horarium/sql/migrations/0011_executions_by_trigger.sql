-- Runs by hand, retries and backfills among a million ticks. A row of the schedule is not in this index and costs nothing
-- more, and a trigger never changes, so that updates stay HOT.

CREATE INDEX executions_by_trigger ON executions (trigger, id) WHERE trigger <> 'schedule';
