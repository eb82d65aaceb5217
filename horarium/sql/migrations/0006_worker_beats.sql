-- Signs of life of workers that Redis does not take them from. A worker that reaches Redis writes nothing here.

CREATE TABLE worker_beats (
    worker text PRIMARY KEY,
    beaten_at timestamptz NOT NULL
) WITH (fillfactor = 50);
