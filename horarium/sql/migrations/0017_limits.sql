-- How many executions of a queue or of a task type may run at once, and how often one of a kind may start.
--
-- What counts is in the ledger: an execution has room from the moment it is given some until its attempt is over, so no
-- counter can be left behind by a crash. `admitted` is the attempt that has room; the next attempt has none, since its
-- number is another. `limited`: a pending row that waits for room; nobody sends it before. `next_start_at` is when the
-- next one may start where there is a rate (the theoretical arrival time of a GCRA without bursts).

CREATE TABLE limits (
    kind text NOT NULL CHECK (kind IN ('queue', 'task_type')),
    name text NOT NULL,
    max_running integer CHECK (max_running > 0),
    rate integer CHECK (rate > 0),
    period_seconds double precision CHECK (period_seconds > 0),
    next_start_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    version bigint NOT NULL DEFAULT 1,
    updated_by text NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (kind, name),
    CONSTRAINT limits_rate_has_a_period CHECK ((rate IS NULL) = (period_seconds IS NULL)),
    CONSTRAINT limits_rate_is_a_thousand_a_second_at_most CHECK (rate <= 1000 * period_seconds),
    CONSTRAINT limits_limit_something CHECK (max_running IS NOT NULL OR rate IS NOT NULL)
) WITH (fillfactor = 50);

ALTER TABLE executions
    ADD COLUMN limited boolean NOT NULL DEFAULT false,
    ADD COLUMN admitted smallint,
    ADD CONSTRAINT executions_limited_is_pending CHECK (NOT limited OR (status = 'pending' AND NOT buffered));

-- In the order in which they get room; whoever gives some looks at as many as there is room for.
CREATE INDEX executions_limited ON executions (task_type, queue, priority DESC, id) WHERE limited;

-- Those that have room. Only what is limited is ever in here: the claims and finishes of all others stay HOT.
CREATE INDEX executions_admitted_of_type ON executions (task_type)
WHERE (admitted = attempt AND completed_at IS NULL) OR (admitted IS NOT NULL AND held_by IS NOT NULL);
CREATE INDEX executions_admitted_of_queue ON executions (queue)
WHERE (admitted = attempt AND completed_at IS NULL) OR (admitted IS NOT NULL AND held_by IS NOT NULL);
