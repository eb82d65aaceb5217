-- Signs of life of workers that Redis does not take them from. Whoever watches looks whether `beaten_at` changes, by a
-- clock of its own, so a clock that is set makes nobody dead or alive.

-- name: worker_beat(worker)$
-- A worker lives.
INSERT INTO worker_beats AS b (worker, beaten_at) VALUES (:worker::text, clock_timestamp())
ON CONFLICT (worker) DO UPDATE SET beaten_at = excluded.beaten_at
RETURNING b.beaten_at;

-- name: worker_beats(workers)
-- When each of these workers gave its last sign here; one that never did has no row.
SELECT worker, beaten_at FROM worker_beats WHERE worker = ANY(:workers::text[]);

-- name: worker_beats_expire(seconds)
-- What is left of workers that are gone, or reach Redis again. A worker that still lives writes its row anew with its next beat.
DELETE FROM worker_beats WHERE beaten_at < clock_timestamp() - make_interval(secs => :seconds::double precision)
RETURNING worker;
