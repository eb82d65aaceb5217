-- The ledger. Every statement that moves a row names the state and the attempt it moves it from, so a duplicate,
-- a late or a superseded writer changes nothing and learns so from the missing row. Whoever updates many rows does it in
-- the order of their ids, so that two of them never wait for each other.

-- name: execution_insert_ticks(ids, config_ids, versions, tick_ats, tick_untils, tick_counts, reasons, waits_seconds, begun_seconds, most_buffered)
-- A batch of ticks becomes rows. The caller holds the configs (task_config_hold), so this statement's snapshot has
-- every row and every edit that could stand against one. A tick that a row covers already, as itself or as part of a
-- stretch, gets no second one. Where other executions occupy the config, its overlap policy decides. Under `skip` the
-- tick is deferred for a moment while they are fresh: created less than `waits_seconds` ago and waiting for a worker,
-- or begun less than `begun_seconds` ago; our own delay is no overlap. The others buffer it, up to a bound: one,
-- `most_buffered`, or in place of all others, which the caller then cancels ('replace'). A backfill costs no tick: what
-- of it waits is not counted, and under `skip` a tick waits for the one run of it that is under way. Ticks that did not
-- run because nobody was there to run them are noticed; those before the latest, where the policy wants the latest alone,
-- were made up for by it. Each config is looked for by itself (LIMIT 1): a join of a thousand would read them all.
WITH due AS (
    SELECT *
    FROM unnest(
        :ids::uuid[], :config_ids::bigint[], :versions::bigint[], :tick_ats::timestamptz[],
        :tick_untils::timestamptz[], :tick_counts::integer[], :reasons::text[]
    ) AS d (id, config_id, version, tick_at, tick_until, tick_count, reason)
),
judged AS MATERIALIZED (
    SELECT
        d.*, c.task_type, c.parameters, c.queue, c.priority, c.timeout_seconds, c.max_retries,
        c.retry_backoff_seconds, c.scheduler_type,
        CASE
            WHEN c.id IS NULL THEN 'stale'
            WHEN covered.until >= d.tick_at THEN 'exists'
            WHEN d.reason IS NOT NULL THEN 'skip'
            WHEN busy.executions = 0 THEN 'run'
            WHEN c.overlap = 'cancel_other' THEN 'replace'
            WHEN c.overlap = 'buffer_one' AND busy.buffered = 0 THEN 'buffer'
            WHEN c.overlap = 'buffer_all' AND busy.buffered < :most_buffered::integer THEN 'buffer'
            WHEN c.overlap = 'buffer_all' THEN 'buffer_full'
            WHEN c.overlap = 'skip' AND busy.backfilling THEN 'buffer'
            WHEN c.overlap = 'skip' AND busy.fresh THEN 'defer'
            ELSE 'overlap'
        END AS decision
    FROM due AS d
    LEFT JOIN LATERAL (
        SELECT c.* FROM task_configs AS c
        WHERE c.id = d.config_id AND c.version = d.version AND c.status = 'active' AND c.deleted_at IS NULL
        LIMIT 1
    ) AS c ON true
    LEFT JOIN LATERAL (
        SELECT coalesce(e.tick_until, e.tick_at) AS until FROM executions AS e
        WHERE e.config_id = d.config_id AND e.tick_at <= d.tick_at
        ORDER BY e.tick_at DESC LIMIT 1
    ) AS covered ON true
    LEFT JOIN LATERAL (
        SELECT
            count(*) AS executions,
            count(*) FILTER (WHERE e.buffered AND e.trigger <> 'backfill') AS buffered,
            bool_and(e.trigger = 'backfill') AS backfilling,
            bool_and(
                e.completed_at IS NULL AND CASE
                    WHEN e.started_at IS NULL
                        THEN e.created_at > clock_timestamp() - make_interval(secs => :waits_seconds::double precision)
                    ELSE e.started_at > clock_timestamp() - make_interval(secs => :begun_seconds::double precision)
                END
            ) AS fresh
        FROM executions AS e
        WHERE e.config_id = d.config_id AND (e.completed_at IS NULL OR e.held_by IS NOT NULL)
            AND c.overlap <> 'allow_all'
    ) AS busy ON true
),
inserted AS (
    INSERT INTO executions (
        id, config_id, task_type, trigger, tick_at, tick_until, tick_count, status, buffered, reason, completed_at,
        parameters, queue, priority, timeout_seconds, max_retries, retry_backoff_seconds, scheduler_type
    )
    SELECT
        id, config_id, task_type, 'schedule', tick_at, tick_until, tick_count,
        CASE WHEN decision IN ('run', 'buffer', 'replace') THEN 'pending' ELSE 'skipped' END,
        decision IN ('buffer', 'replace'),
        CASE WHEN decision IN ('overlap', 'buffer_full') THEN decision ELSE reason END,
        CASE WHEN decision IN ('run', 'buffer', 'replace') THEN NULL ELSE clock_timestamp() END,
        parameters, queue, priority, timeout_seconds, max_retries, retry_backoff_seconds, scheduler_type
    FROM judged
    WHERE decision NOT IN ('stale', 'exists', 'defer')
    ORDER BY config_id, tick_at
    ON CONFLICT (config_id, tick_at) DO NOTHING
    RETURNING
        id,
        CASE
            WHEN status = 'skipped' AND reason IN ('missed', 'missed_window', 'max_catchup_runs')
                THEN execution_noticed(id, config_id, status)
        END AS noticed
)
SELECT
    j.id, i.noticed,
    CASE WHEN i.id IS NULL AND j.decision NOT IN ('stale', 'defer') THEN 'exists' ELSE j.decision END AS decision
FROM judged AS j LEFT JOIN inserted AS i ON i.id = j.id;

-- name: execution_last_ticks(config_ids)
-- Up to which tick each config has rows. Ask it after the configs are held, never in the statement that waits for
-- the lock: that one's snapshot is older than what it waited for.
SELECT e.config_id, max(coalesce(e.tick_until, e.tick_at)) AS last_tick
FROM unnest(:config_ids::bigint[]) AS c (id)
CROSS JOIN LATERAL (
    SELECT x.config_id, x.tick_at, x.tick_until FROM executions AS x
    WHERE x.config_id = c.id AND x.tick_at IS NOT NULL
    ORDER BY x.tick_at DESC LIMIT 1
) AS e
GROUP BY e.config_id;

-- name: execution_insert_skipped(ids, config_ids, tick_ats, tick_untils, tick_counts, reasons)
-- Ticks that an edit, a stop or a pause passed over, as one row a config; the caller holds the configs' locks.
INSERT INTO executions (
    id, config_id, task_type, trigger, tick_at, tick_until, tick_count, status, reason, completed_at,
    parameters, queue, priority, timeout_seconds, max_retries, retry_backoff_seconds, scheduler_type
)
SELECT
    m.id, c.id, c.task_type, 'schedule', m.tick_at, m.tick_until, m.tick_count, 'skipped', m.reason, clock_timestamp(),
    c.parameters, c.queue, c.priority, c.timeout_seconds, c.max_retries, c.retry_backoff_seconds, c.scheduler_type
FROM unnest(
    :ids::uuid[], :config_ids::bigint[], :tick_ats::timestamptz[], :tick_untils::timestamptz[], :tick_counts::integer[],
    :reasons::text[]
) AS m (id, config_id, tick_at, tick_until, tick_count, reason)
JOIN task_configs AS c ON c.id = m.config_id
ON CONFLICT (config_id, tick_at) DO NOTHING
RETURNING id;

-- name: execution_insert_run(id, config_id, parameters, idempotency_key)
-- A run by hand. No row back: the idempotency key was used before, or the config is gone.
INSERT INTO executions (
    id, config_id, task_type, trigger, status, idempotency_key,
    parameters, queue, priority, timeout_seconds, max_retries, retry_backoff_seconds, scheduler_type
)
SELECT
    :id::uuid, c.id, c.task_type, 'manual', 'pending', :idempotency_key::text,
    :parameters::jsonb, c.queue, c.priority, c.timeout_seconds, c.max_retries,
    c.retry_backoff_seconds, c.scheduler_type
FROM task_configs AS c WHERE c.id = :config_id::bigint AND c.deleted_at IS NULL
FOR KEY SHARE OF c
ON CONFLICT (config_id, idempotency_key) WHERE idempotency_key IS NOT NULL DO NOTHING
RETURNING id;

-- name: execution_note_trace(ids, trace_context)
-- In which trace they were asked for, in the transaction that makes them; asked only where requests are traced.
UPDATE executions SET trace_context = :trace_context::jsonb WHERE id = ANY(:ids::uuid[])
RETURNING id;

-- name: execution_by_idempotency_key(config_id, idempotency_key)^
-- The run that an earlier request with the same key made.
SELECT * FROM executions
WHERE config_id = :config_id::bigint AND idempotency_key = :idempotency_key::text;

-- name: execution_mark_queued(ids, attempts)
-- The broker has confirmed the message. A worker may have claimed it before this statement: then it stays running, or
-- waits for room under a limit. The ids are said twice for the planner, who would rather join them with the whole table.
WITH sent AS (
    SELECT e.id
    FROM unnest(:ids::uuid[], :attempts::smallint[]) AS m (id, attempt)
    JOIN executions AS e
        ON e.id = ANY(:ids::uuid[]) AND e.id = m.id AND e.attempt = m.attempt
            AND e.status IN ('pending', 'retrying') AND NOT e.limited
    ORDER BY e.id
    FOR NO KEY UPDATE OF e
)
UPDATE executions AS e SET status = 'queued', queued_at = clock_timestamp(), retry_at = NULL
FROM sent AS s
WHERE e.id = s.id
RETURNING e.id;

-- name: execution_to_publish(ids, pending_seconds, max_rows)
-- What waits for a message: the rows asked for by id, those whose publisher never came back, and due retries. What is
-- buffered waits for its turn first, what is limited for room, and a retry for the worker that still holds the attempt
-- before it. A row of the future was made before the clock was set back. A task is told which tick its run is about,
-- whether that is its row's own or not. `unsent`: no message of it has been with the broker yet; what waited for room under
-- a limit had one.
SELECT
    id, config_id, task_type, attempt, parameters, queue, priority, scheduler_type, message_id, message, trace_context,
    coalesce(tick_at, for_tick) AS tick_at, attempt = 1 AND queued_at IS NULL AND admitted IS NULL AS unsent
FROM executions
WHERE completed_at IS NULL AND (
    (
        status = 'pending' AND NOT buffered AND NOT limited AND (
            id = ANY(:ids::uuid[])
            OR created_at NOT BETWEEN
                clock_timestamp() - make_interval(secs => :pending_seconds::double precision) AND clock_timestamp()
        )
    )
    OR (status = 'retrying' AND held_by IS NULL AND retry_at <= clock_timestamp())
)
ORDER BY id
LIMIT :max_rows::integer;

-- name: execution_refuse(ids, attempts, errors)
-- Attempts whose message cannot be made, or has nowhere to go: sending them again would not help, so they have failed. What
-- waits for room under a limit has reached a worker after all.
WITH refused AS (
    SELECT e.id, r.error
    FROM unnest(:ids::uuid[], :attempts::smallint[], :errors::text[]) AS r (id, attempt, error)
    JOIN executions AS e
        ON e.id = r.id AND e.attempt = r.attempt AND e.status IN ('pending', 'retrying') AND NOT e.limited
    ORDER BY e.id
    FOR NO KEY UPDATE OF e
)
UPDATE executions AS e
SET
    status = 'failed', reason = 'not_sendable', error = r.error, completed_at = clock_timestamp(), retry_at = NULL,
    buffered = false
FROM refused AS r
WHERE e.id = r.id
RETURNING
    e.id, e.completed_at,
    CASE WHEN e.config_id IS NOT NULL THEN execution_noticed(e.id, e.config_id, e.status) END AS noticed;

-- name: execution_any_open()$
-- Whether any execution has not ended; null if none. The order is for the planner: it reads the index of what is in flight
-- even where it believes that any row would do.
SELECT true FROM executions WHERE completed_at IS NULL ORDER BY config_id LIMIT 1;

-- name: execution_next_retry()$
-- In how many seconds the earliest waiting retry is due, by the clock that said when; null if none waits.
SELECT extract(epoch FROM min(retry_at) - clock_timestamp())::double precision FROM executions
WHERE completed_at IS NULL AND status = 'retrying' AND held_by IS NULL;

-- name: execution_queues_waiting()
-- The queues that hold executions nobody has claimed, how many, and since when, by the clock that says `asked_at`.
SELECT queue, count(*) AS waiting, min(queued_at) AS oldest, clock_timestamp() AS asked_at FROM executions
WHERE completed_at IS NULL AND status = 'queued'
GROUP BY queue;

-- name: execution_requeue_lost(queue, published_before)
-- Queued rows whose message the broker can no longer hold go back to pending; a message that does turn up after
-- all claims the row once, like any duplicate.
UPDATE executions SET status = 'pending'
WHERE id IN (
    SELECT w.id FROM executions AS w
    WHERE w.completed_at IS NULL AND w.status = 'queued' AND w.queue = :queue::text
        AND w.queued_at < :published_before::timestamptz
    ORDER BY w.id
    FOR UPDATE
)
RETURNING id, message_id;

-- name: execution_claim(ids, attempts, worker)
-- One attempt, one claim. No row back means a duplicate, a cancelled or a superseded message, or one whose turn has not
-- come. A worker may claim again what it claimed before: the answer can be lost after the commit, and it knows itself
-- what it already runs. What a limit concerns is for limit_claim, and what waits for room is claimed by neither. The answer
-- says with which parameters a config's is run: no message is believed about that.
UPDATE executions AS e
SET
    status = 'running', reason = NULL, worker = :worker::text, started_at = clock_timestamp(),
    queued_at = coalesce(e.queued_at, clock_timestamp()),
    deadline_at = clock_timestamp() + make_interval(secs => e.timeout_seconds)
FROM unnest(:ids::uuid[], :attempts::smallint[]) AS m (id, attempt)
WHERE e.id = m.id AND e.attempt = m.attempt
    AND (e.status IN ('pending', 'queued', 'retrying') OR (e.status = 'running' AND e.worker = :worker::text))
    AND NOT e.buffered AND e.held_by IS NULL AND NOT e.limited
RETURNING
    e.id, e.message_id, e.attempt, e.config_id, e.task_type, coalesce(e.tick_at, e.for_tick) AS tick_at,
    e.timeout_seconds, e.max_retries, e.retry_backoff_seconds, e.started_at, e.deadline_at,
    CASE WHEN e.config_id IS NOT NULL THEN e.parameters END AS parameters,
    CASE WHEN e.attempt = 1 AND e.trigger = 'schedule'
        THEN date_part('epoch', e.started_at - e.tick_at)
    END AS lateness_seconds,
    (
        SELECT count(*)::integer FROM jsonb_array_elements(e.earlier_attempts) AS a WHERE a ->> 'status' = 'cancelled'
    ) AS handed_back;

-- name: execution_finish(ids, attempts, statuses, ended_as, reasons, results, errors, retry_delays, held)
-- A running attempt ends: in a final state, or back in `retrying` (a retry delay is given) with the next attempt's
-- number, which refuses whatever the old attempt may still say. `pending` hands an unfinished attempt back. Where a
-- cancel was asked for, whatever is no success is `cancelled`, and for good; a deleted config's are not tried again. `held`:
-- its worker lives and may still be at it. `awaited` says that a buffered execution of the config waits for its turn. What
-- ends badly is noticed here, for those who want to be told.
WITH said AS (
    SELECT
        f.*,
        e.cancel_requested_at IS NOT NULL AND f.status <> 'success' AS is_cancelled,
        f.status IN ('retrying', 'pending') AND e.cancel_requested_at IS NULL AND NOT EXISTS (
            SELECT 1 FROM task_configs AS c WHERE c.id = e.config_id AND c.deleted_at IS NOT NULL
        ) AS goes_on,
        e.cancel_reason
    FROM unnest(
        :ids::uuid[], :attempts::smallint[], :statuses::text[], :ended_as::text[], :reasons::text[], :results::text[],
        :errors::text[], :retry_delays::double precision[], :held::boolean[]
    ) AS f (id, attempt, status, ended_as, reason, result, error, retry_delay, held)
    JOIN executions AS e ON e.id = f.id AND e.attempt = f.attempt AND e.status = 'running'
    ORDER BY e.id
    FOR NO KEY UPDATE OF e
),
ending AS (
    SELECT
        s.*,
        CASE
            WHEN s.is_cancelled THEN 'cancelled'
            WHEN s.status IN ('retrying', 'pending') AND NOT s.goes_on THEN s.ended_as
            ELSE s.status
        END AS becomes,
        CASE
            WHEN s.is_cancelled THEN s.cancel_reason
            WHEN s.status = 'pending' AND NOT s.goes_on THEN 'config_deleted'
        END AS instead
    FROM said AS s
)
UPDATE executions AS e
SET
    status = f.becomes,
    reason = coalesce(f.instead, f.reason),
    result = f.result::jsonb,
    error = f.error,
    completed_at = CASE WHEN NOT f.goes_on THEN clock_timestamp() END,
    retry_at = CASE WHEN f.becomes = 'retrying' THEN clock_timestamp() + make_interval(secs => f.retry_delay) END,
    attempt = CASE WHEN f.goes_on THEN e.attempt + 1 ELSE e.attempt END,
    earlier_attempts = CASE
        WHEN f.goes_on THEN e.earlier_attempts || jsonb_build_object(
            'attempt', e.attempt, 'status', coalesce(f.ended_as, f.status), 'reason', f.reason, 'error', f.error,
            'worker', e.worker, 'started_at', e.started_at, 'completed_at', clock_timestamp()
        )
        ELSE e.earlier_attempts
    END,
    held_by = CASE WHEN f.held THEN e.worker END,
    worker = CASE WHEN NOT f.goes_on THEN e.worker END,
    started_at = CASE WHEN NOT f.goes_on THEN e.started_at END,
    queued_at = CASE WHEN NOT f.goes_on THEN e.queued_at END,
    deadline_at = CASE WHEN NOT f.goes_on THEN e.deadline_at END
FROM ending AS f
WHERE e.id = f.id
RETURNING
    e.id, e.attempt, e.status, e.reason, e.config_id, e.completed_at,
    EXISTS (SELECT 1 FROM executions AS b WHERE b.config_id = e.config_id AND b.buffered) AS awaited,
    CASE
        WHEN e.status IN ('failed', 'timeout', 'lost') AND e.config_id IS NOT NULL
            THEN execution_noticed(e.id, e.config_id, e.status)
    END AS noticed;

-- name: execution_let_go(ids, worker)
-- A worker is done with attempts that were ended without it: their slots are free.
UPDATE executions SET held_by = NULL WHERE id = ANY(:ids::uuid[]) AND held_by = :worker::text
RETURNING id;

-- name: execution_let_go_rest(in_hand, worker)
-- A worker holds what it has in hand and nothing else: of a claim whose answer was lost it may never have known.
UPDATE executions SET held_by = NULL
WHERE id IN (
    SELECT h.id FROM executions AS h
    WHERE (h.completed_at IS NULL OR h.held_by IS NOT NULL) AND h.held_by = :worker::text
        AND h.id <> ALL(:in_hand::uuid[])
    ORDER BY h.id
    FOR UPDATE
)
RETURNING id;

-- name: execution_holders()
-- The workers that still hold an execution which was ended without them.
SELECT DISTINCT held_by AS worker FROM executions
WHERE (completed_at IS NULL OR held_by IS NOT NULL) AND held_by IS NOT NULL;

-- name: execution_free_held_by(workers)
-- What workers held that are gone; in the order of the ids, as all who update many rows.
UPDATE executions SET held_by = NULL
WHERE id IN (
    SELECT h.id FROM executions AS h
    WHERE (h.completed_at IS NULL OR h.held_by IS NOT NULL) AND h.held_by = ANY(:workers::text[])
    ORDER BY h.id
    FOR UPDATE
)
RETURNING id;

-- name: execution_awaiting_turn(max_rows)
-- Configs of which a buffered execution may go, as execution_release_buffered has it: those that are busy are left out, or
-- many of them would keep the others from ever being looked at.
SELECT b.config_id
FROM (SELECT config_id FROM executions WHERE buffered GROUP BY config_id) AS b
LEFT JOIN task_configs AS c ON c.id = b.config_id
WHERE NOT EXISTS (
    SELECT 1 FROM executions AS o
    WHERE o.config_id = b.config_id AND (o.completed_at IS NULL OR o.held_by IS NOT NULL) AND NOT o.buffered
        AND (c.overlap IS DISTINCT FROM 'allow_all' OR o.trigger = 'backfill')
)
ORDER BY b.config_id
LIMIT :max_rows::integer;

-- name: execution_release_buffered(config_ids)
-- The oldest buffered execution of each config that nothing else occupies may go, those of a backfill after all others.
-- Where a config lets its runs overlap, backfilled ones wait for each other alone. The caller holds the configs
-- (task_config_serialise), so that two who ask at once let one go.
UPDATE executions SET buffered = false
WHERE id IN (
    SELECT next.id
    FROM unnest(:config_ids::bigint[]) AS x (id)
    LEFT JOIN task_configs AS c ON c.id = x.id
    CROSS JOIN LATERAL (
        SELECT b.id FROM executions AS b
        WHERE b.config_id = x.id AND b.buffered
        ORDER BY (b.trigger = 'backfill'), coalesce(b.tick_at, b.for_tick) LIMIT 1
    ) AS next
    WHERE NOT EXISTS (
        SELECT 1 FROM executions AS o
        WHERE o.config_id = x.id AND (o.completed_at IS NULL OR o.held_by IS NOT NULL) AND NOT o.buffered
            AND (c.overlap IS DISTINCT FROM 'allow_all' OR o.trigger = 'backfill')
    )
)
RETURNING
    id, config_id, task_type, attempt, parameters, queue, priority, scheduler_type, message_id, message, trace_context,
    coalesce(tick_at, for_tick) AS tick_at, attempt = 1 AND queued_at IS NULL AS unsent;

-- name: execution_cancel(id)^
-- What waits is cancelled; what runs is asked to stop, by its worker, once. No row back: there is none, or it is final.
-- `said`: how far its attempt says that it has come, null where it says nothing.
UPDATE executions AS e SET
    status = CASE WHEN e.status = 'running' THEN e.status ELSE 'cancelled' END,
    reason = CASE WHEN e.status = 'running' THEN e.reason ELSE 'requested' END,
    completed_at = CASE WHEN e.status = 'running' THEN NULL ELSE clock_timestamp() END,
    buffered = false,
    limited = false,
    cancel_requested_at = coalesce(e.cancel_requested_at, clock_timestamp()),
    cancel_reason = coalesce(e.cancel_reason, 'requested')
WHERE e.id = :id::uuid AND e.completed_at IS NULL
RETURNING
    e.*,
    (
        SELECT jsonb_build_object('progress', r.progress, 'progress_message', r.progress_message)
        FROM execution_reports AS r WHERE r.execution_id = e.id AND r.attempt = e.attempt
    ) AS said;

-- name: execution_cancel_others(config_ids, keep)
-- Everything in flight of these configs except the executions to `keep` makes room, as above. What of a backfill waits
-- for its turn is in nobody's way.
UPDATE executions AS e SET
    status = CASE WHEN e.status = 'running' THEN e.status ELSE 'cancelled' END,
    reason = CASE WHEN e.status = 'running' THEN e.reason ELSE 'cancel_other' END,
    completed_at = CASE WHEN e.status = 'running' THEN NULL ELSE clock_timestamp() END,
    buffered = false,
    limited = false,
    cancel_requested_at = coalesce(e.cancel_requested_at, clock_timestamp()),
    cancel_reason = coalesce(e.cancel_reason, 'cancel_other')
FROM (
    SELECT o.id FROM executions AS o
    WHERE o.config_id = ANY(:config_ids::bigint[]) AND o.completed_at IS NULL AND o.id <> ALL(:keep::uuid[])
        AND NOT (o.buffered AND o.trigger = 'backfill')
    ORDER BY o.id
    FOR NO KEY UPDATE
) AS other
WHERE e.id = other.id
RETURNING e.id, e.config_id, e.tick_at, e.attempt, e.status, e.reason, e.completed_at;

-- name: execution_to_stop(ids, attempts, worker)
-- Which of the attempts that a worker has in hand it is to stop: those that somebody asked to cancel, and, without a
-- reason, those that are its own no more, because they were ended without it.
SELECT m.id, m.attempt, e.cancel_reason
FROM unnest(:ids::uuid[], :attempts::smallint[]) AS m (id, attempt)
LEFT JOIN executions AS e
    ON e.id = m.id AND e.attempt = m.attempt AND e.status = 'running' AND e.worker = :worker::text
WHERE e.id IS NULL OR e.cancel_requested_at IS NOT NULL;

-- name: execution_running()
-- Every running attempt, to keep the timeout index equal to and to find those whose worker is gone. Whether a deadline
-- has passed is asked of the clock that set it.
SELECT
    id, message_id, attempt, config_id, task_type, coalesce(tick_at, for_tick) AS tick_at, worker, timeout_seconds,
    max_retries, retry_backoff_seconds, started_at, deadline_at,
    deadline_at < clock_timestamp() AS overdue,
    cancel_requested_at IS NOT NULL AS cancelled,
    (
        SELECT count(*)::integer FROM jsonb_array_elements(earlier_attempts) AS a WHERE a ->> 'status' = 'cancelled'
    ) AS handed_back
FROM executions WHERE completed_at IS NULL AND status = 'running';

-- name: execution_list(status, in_flight, outcome, config_id, trigger, since, made_since, until, worker, before, max_rows)
-- Newest first; the id is the cursor, since it grows with time. No row is made before its tick: `made_since`, the least id
-- of those that `since` can let through, spares whatever is older. What a status implies is said as well, as an index
-- knows it: that the execution is `in_flight`, or that it has this `outcome`.
SELECT * FROM executions
WHERE (:status::text IS NULL OR status = :status::text)
    AND (:in_flight::boolean IS NOT TRUE OR completed_at IS NULL)
    AND (:outcome::text IS NULL OR outcome = :outcome::text)
    AND (:config_id::bigint IS NULL OR config_id = :config_id::bigint)
    AND (:trigger::text IS NULL OR trigger = :trigger::text)
    AND (:since::timestamptz IS NULL OR coalesce(tick_until, tick_at, created_at) >= :since::timestamptz)
    AND (:made_since::uuid IS NULL OR id >= :made_since::uuid)
    AND (:until::timestamptz IS NULL OR coalesce(tick_at, created_at) < :until::timestamptz)
    AND (:worker::text IS NULL OR worker = :worker::text)
    AND (:before::uuid IS NULL OR id < :before::uuid)
ORDER BY id DESC
LIMIT :max_rows::integer;

-- name: execution_count(status, in_flight, outcome, config_id, trigger, since, made_since, until, worker)$
-- How many rows the same filters match on all pages.
SELECT count(*) FROM executions
WHERE (:status::text IS NULL OR status = :status::text)
    AND (:in_flight::boolean IS NOT TRUE OR completed_at IS NULL)
    AND (:outcome::text IS NULL OR outcome = :outcome::text)
    AND (:config_id::bigint IS NULL OR config_id = :config_id::bigint)
    AND (:trigger::text IS NULL OR trigger = :trigger::text)
    AND (:since::timestamptz IS NULL OR coalesce(tick_until, tick_at, created_at) >= :since::timestamptz)
    AND (:made_since::uuid IS NULL OR id >= :made_since::uuid)
    AND (:until::timestamptz IS NULL OR coalesce(tick_at, created_at) < :until::timestamptz)
    AND (:worker::text IS NULL OR worker = :worker::text);

-- name: execution_active(before, max_rows)
-- What is in flight, newest first.
SELECT * FROM executions
WHERE completed_at IS NULL AND (:before::uuid IS NULL OR id < :before::uuid)
ORDER BY id DESC
LIMIT :max_rows::integer;

-- name: execution_running_at(worker, max_rows)
-- What a worker runs, newest first: found among what is in flight, which is little, and not among all that it ever ran.
SELECT * FROM executions
WHERE completed_at IS NULL AND status = 'running' AND worker = :worker::text
ORDER BY id DESC
LIMIT :max_rows::integer;

-- name: execution_count_active()$
-- How many executions are in flight.
SELECT count(*) FROM executions WHERE completed_at IS NULL;

-- name: execution_in_flight()
-- How many executions are in each state that is not final.
SELECT status, count(*) AS number FROM executions WHERE completed_at IS NULL GROUP BY status;

-- name: execution_cancel_waiting(config_ids, reason)
-- Deleted configs' executions that no worker has claimed will not start.
UPDATE executions
SET status = 'cancelled', reason = :reason::text, completed_at = clock_timestamp(), buffered = false,
    limited = false
WHERE id IN (
    SELECT w.id FROM executions AS w
    WHERE w.config_id = ANY(:config_ids::bigint[]) AND w.completed_at IS NULL
        AND w.status IN ('pending', 'queued', 'retrying')
    ORDER BY w.id
    FOR UPDATE
)
RETURNING id;

-- name: execution_stats(config_id)^
-- One config's figures over everything the ledger still holds; a stretch of skipped ticks counts as its ticks.
SELECT
    coalesce(sum(tick_count), 0) AS total,
    count(*) FILTER (WHERE status = 'success') AS success,
    count(*) FILTER (WHERE status = 'failed') AS failed,
    count(*) FILTER (WHERE status = 'timeout') AS timeout,
    count(*) FILTER (WHERE status = 'cancelled') AS cancelled,
    count(*) FILTER (WHERE status = 'lost') AS lost,
    coalesce(sum(tick_count) FILTER (WHERE status = 'skipped'), 0) AS skipped,
    avg(extract(epoch FROM completed_at - started_at)) FILTER (WHERE status = 'success') AS avg_duration_seconds,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM completed_at - started_at))
    FILTER (WHERE status = 'success') AS p95_duration_seconds,
    max(started_at) AS last_run_at
FROM executions WHERE config_id = :config_id::bigint;

-- name: execution_recent_seconds(config_ids)
-- How long the runs of these configs have lately taken: the 95th percentile of the successes among their newest rows.
SELECT
    c.id AS config_id,
    percentile_cont(0.95) WITHIN GROUP (ORDER BY extract(epoch FROM e.completed_at - e.started_at)) AS seconds
FROM unnest(:config_ids::bigint[]) AS c (id)
CROSS JOIN LATERAL (
    SELECT x.status, x.started_at, x.completed_at FROM executions AS x
    WHERE x.config_id = c.id
    ORDER BY x.id DESC LIMIT 200
) AS e
WHERE e.status = 'success' AND e.started_at IS NOT NULL
GROUP BY c.id;

-- name: execution_outcomes(config_ids, each)
-- The newest executions of each of these configs, newest first: what a list of configs shows beside each.
SELECT
    c.id AS config_id, e.id AS task_id, e.status, e.reason, e.tick_at, e.tick_count, e.created_at, e.started_at, e.completed_at
FROM unnest(:config_ids::bigint[]) AS c (id)
CROSS JOIN LATERAL (
    SELECT x.id, x.status, x.reason, x.tick_at, x.tick_count, x.created_at, x.started_at, x.completed_at
    FROM executions AS x
    WHERE x.config_id = c.id
    ORDER BY x.id DESC LIMIT :each::integer
) AS e
ORDER BY c.id, e.id DESC;

-- name: execution_durations(config_id, newest_rows, max_rows)
-- The newest runs of a config that are over, newest first, among its newest rows: what was skipped has not run. How long
-- a run took is told of its last attempt, how late it was of its first.
SELECT
    e.id AS task_id, e.status, e.trigger, e.started_at,
    date_part('epoch', e.completed_at - e.started_at) AS duration_seconds,
    CASE WHEN e.trigger = 'schedule'
        THEN date_part('epoch', coalesce((e.earlier_attempts -> 0 ->> 'started_at')::timestamptz, e.started_at) - e.tick_at)
    END AS lateness_seconds
FROM (
    SELECT x.id, x.status, x.trigger, x.tick_at, x.started_at, x.completed_at, x.earlier_attempts
    FROM executions AS x
    WHERE x.config_id = :config_id::bigint
    ORDER BY x.id DESC LIMIT :newest_rows::integer
) AS e
WHERE e.started_at IS NOT NULL AND e.completed_at IS NOT NULL
ORDER BY e.id DESC
LIMIT :max_rows::integer;

-- name: execution_delete_expired(after, completed_before, created_before, max_rows)
-- Retention by age, a page of the oldest rows at a time; answers each that was looked at, and what of it is to be counted
-- where it went. The next page goes on after the last of them: what stays is not looked at again each time. The newest tick row of a config
-- stays for as long as the config does: after a flush the due index restarts from it. `created_before` is the least
-- UUIDv7 of the same instant: what was created later cannot have been completed earlier, and the primary key says so. What a worker
-- still holds stays, too.
WITH page AS MATERIALIZED (
    SELECT x.id, x.config_id, x.tick_at FROM executions AS x
    WHERE x.id > :after::uuid AND x.id < :created_before::uuid AND x.completed_at < :completed_before::timestamptz
    ORDER BY x.id
    LIMIT :max_rows::integer
),
expired AS MATERIALIZED (
    SELECT x.id FROM executions AS x
    WHERE x.held_by IS NULL AND x.id IN (
        SELECT p.id FROM page AS p
        WHERE p.tick_at IS NULL
            OR p.tick_at < (SELECT max(n.tick_at) FROM executions AS n WHERE n.config_id = p.config_id)
            OR NOT EXISTS (SELECT 1 FROM task_configs AS c WHERE c.id = p.config_id AND c.deleted_at IS NULL)
    )
    ORDER BY x.id
    FOR UPDATE SKIP LOCKED
),
gone AS (
    DELETE FROM executions AS e USING expired AS x WHERE e.id = x.id
    RETURNING e.id, e.status, e.tick_at, e.tick_until, e.tick_count, e.created_at
)
SELECT
    p.id, p.config_id, g.id IS NOT NULL AS is_deleted, g.status, g.tick_at, g.tick_until, g.tick_count, g.created_at
FROM page AS p LEFT JOIN gone AS g ON g.id = p.id
ORDER BY p.id;

-- name: execution_delete_surplus(config_ids, kept_rows, completed_before, max_rows)
-- Retention by number: of each of these configs, what is older than its newest rows, a small batch. What ended lately
-- stays whatever the number, for whoever waits to read it and for the auditor; and so do what is in flight or held
-- and, as above, the newest tick row.
WITH surplus AS MATERIALIZED (
    SELECT old.id
    FROM unnest(:config_ids::bigint[]) AS c (id)
    CROSS JOIN LATERAL (
        SELECT b.id FROM executions AS b
        WHERE b.config_id = c.id ORDER BY b.id DESC OFFSET :kept_rows::integer LIMIT 1
    ) AS newest_surplus
    CROSS JOIN LATERAL (
        SELECT r.id FROM executions AS r
        WHERE r.config_id = c.id AND r.id <= newest_surplus.id AND r.completed_at < :completed_before::timestamptz
            AND r.held_by IS NULL
            AND (
                r.tick_at IS NULL
                OR r.tick_at < (SELECT max(n.tick_at) FROM executions AS n WHERE n.config_id = r.config_id)
            )
        ORDER BY r.id LIMIT :max_rows::integer
    ) AS old
    LIMIT :max_rows::integer
),
locked AS MATERIALIZED (
    SELECT x.id FROM executions AS x WHERE x.id IN (SELECT s.id FROM surplus AS s) ORDER BY x.id FOR UPDATE SKIP LOCKED
)
DELETE FROM executions AS e USING locked AS l WHERE e.id = l.id
RETURNING e.id, e.config_id, e.status, e.tick_at, e.tick_until, e.tick_count, e.created_at;
