-- In which trace an execution was asked for, where somebody asked for it: the W3C headers of the request, as JSON.
--
-- {"parent": {...}}: its trace is the request's. {"link": {...}}: it has a trace of its own, which names the request's.
-- Null, as of all ticks: the trace is computed from the id (docs/decisions/0053). No default, so the table is not written.

ALTER TABLE executions ADD COLUMN trace_context jsonb;
