-- What an attempt said of itself while it ran: its progress, and the newest lines that it logged.
--
-- A table of its own, as most executions say nothing, and lists are not to read lines. The lines stand in one value,
-- which is stored compressed beside the row; they are [at, level, logger, text], oldest first, `dropped` came before them.

CREATE TABLE execution_reports (
    execution_id uuid NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
    attempt smallint NOT NULL,
    -- Grows with each change within the attempt: what is older is refused.
    version integer NOT NULL,
    progress double precision CHECK (progress BETWEEN 0 AND 1),
    progress_message text,
    lines jsonb NOT NULL DEFAULT '[]',
    dropped integer NOT NULL DEFAULT 0,
    PRIMARY KEY (execution_id, attempt)
) WITH (fillfactor = 70);
