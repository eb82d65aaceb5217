-- How the days of a config went, for longer than its executions are kept.
--
-- An execution is counted once, when it is deleted or before, by whoever deletes them: `execution_day_marks` says up to
-- which id those of a config are counted, and what is deleted beyond that is counted as it goes. What is not counted yet
-- is in the ledger, so that sums and rows together are exact at any moment. A day is one of the zone that the config had
-- when it was counted. No foreign key: it would have whoever deletes rows wait for whoever edits their config.

CREATE TABLE execution_days (
    config_id bigint NOT NULL,
    day date NOT NULL,
    success integer NOT NULL,
    failed integer NOT NULL,
    timeout integer NOT NULL,
    cancelled integer NOT NULL,
    lost integer NOT NULL,
    -- Ticks, of which one row may stand for many.
    skipped bigint NOT NULL,
    PRIMARY KEY (config_id, day)
) WITH (fillfactor = 80);

CREATE TABLE execution_day_marks (
    config_id bigint PRIMARY KEY,
    counted_until uuid NOT NULL
) WITH (fillfactor = 80);
