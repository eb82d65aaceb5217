-- What attempts say of themselves while they run. Written by their workers, a batch at a time; gone with the execution.

-- name: execution_report_write(ids, attempts, versions, progresses, messages, lines, dropped)
-- Each attempt has a row of its own, so that a superseded one overwrites nothing, and what is older than the row is
-- refused. Of lines that stand there already none are given (null). An execution that is gone takes nothing.
INSERT INTO execution_reports AS r (execution_id, attempt, version, progress, progress_message, lines, dropped)
SELECT e.id, w.attempt, w.version, w.progress, w.message, coalesce(w.lines::jsonb, '[]'), w.dropped
FROM unnest(
    :ids::uuid[], :attempts::smallint[], :versions::integer[], :progresses::double precision[], :messages::text[],
    :lines::text[], :dropped::integer[]
) AS w (id, attempt, version, progress, message, lines, dropped)
JOIN executions AS e ON e.id = w.id AND e.attempt >= w.attempt
ORDER BY e.id, w.attempt
ON CONFLICT (execution_id, attempt) DO UPDATE SET
    version = excluded.version, progress = excluded.progress, progress_message = excluded.progress_message,
    lines = CASE WHEN excluded.lines = '[]' THEN r.lines ELSE excluded.lines END, dropped = excluded.dropped
WHERE r.version < excluded.version
RETURNING r.execution_id;

-- name: execution_report_progress(ids)
-- How far the present attempts of these executions have come, of those that have said so.
SELECT r.execution_id, r.progress, r.progress_message
FROM executions AS e
JOIN execution_reports AS r ON r.execution_id = e.id AND r.attempt = e.attempt
WHERE e.id = ANY(:ids::uuid[]);

-- name: execution_report_attempts(id)
-- The attempts of an execution that have said anything.
SELECT attempt FROM execution_reports WHERE execution_id = :id::uuid ORDER BY attempt;

-- name: execution_report_lines(id, attempt)^
-- The lines of an attempt.
SELECT lines, dropped FROM execution_reports WHERE execution_id = :id::uuid AND attempt = :attempt::smallint;
