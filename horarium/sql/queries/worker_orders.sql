-- What workers have been told. A row that is missing says nothing: a worker goes on with what it heard last.

-- name: worker_order_give(worker, state, given_by, instead_of)^
-- Tell a worker. No row back: it has been told something since that this must not take the place of.
INSERT INTO worker_orders AS o (worker, state, given_by)
VALUES (:worker::text, :state::text, :given_by::text)
ON CONFLICT (worker) DO UPDATE SET
    state = excluded.state, given_by = excluded.given_by, given_at = clock_timestamp(), heard_at = clock_timestamp()
WHERE o.state = ANY(:instead_of::text[])
RETURNING o.worker, o.state, o.given_by, o.given_at;

-- name: worker_order_heed(worker)^
-- What a worker has been told; that it has read this is written down once a minute at most.
WITH heard AS (
    UPDATE worker_orders SET heard_at = clock_timestamp()
    WHERE worker = :worker::text AND heard_at < clock_timestamp() - interval '1 minute'
)
SELECT o.state, o.given_by, o.given_at FROM worker_orders AS o WHERE o.worker = :worker::text;

-- name: worker_orders_of(workers)
-- What these workers have been told.
SELECT worker, state, given_by, given_at FROM worker_orders WHERE worker = ANY(:workers::text[]);

-- name: worker_orders_expire(seconds)
-- What workers were told that have not read it for so long: they are gone.
DELETE FROM worker_orders WHERE heard_at < clock_timestamp() - make_interval(secs => :seconds::double precision)
RETURNING worker;
