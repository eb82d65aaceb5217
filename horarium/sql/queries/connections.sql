-- Our own connections, as Postgres sees them.

-- name: connection_idle(pids)
-- For how many seconds each of these has had nothing to do; those that are at work, or not known here, are left out.
SELECT pid, extract(epoch FROM clock_timestamp() - state_change)::double precision AS seconds
FROM pg_stat_activity
WHERE pid = ANY(:pids::integer[]) AND application_name = current_setting('application_name')
    AND state IN ('idle', 'idle in transaction', 'idle in transaction (aborted)');
