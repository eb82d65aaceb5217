-- Leases: who leads, and for how long. Every process asks again and again, so a statement that changes nothing writes
-- nothing.

-- name: lease_take(name, holder, seconds, known_epoch)^
-- Take the lease, or renew it, or learn whose it is; one statement, so that of two that try at once one has it. Free
-- is a lease that has run out, and one that ends later than any can: the clock was set back since, and its holder may
-- be long dead. `known_epoch` keeps the epoch growing when the row was lost. No row back: another was first, just now.
WITH held AS (
    SELECT l.holder FROM leases AS l
    WHERE l.name = :name::text AND l.holder <> :holder::text AND l.expires_at
        BETWEEN clock_timestamp() AND clock_timestamp() + 2 * make_interval(secs => :seconds::double precision)
),
taken AS (
    INSERT INTO leases AS l (name, holder, epoch, held_since, expires_at)
    SELECT
        :name::text, :holder::text, :known_epoch::bigint + 1, clock_timestamp(),
        clock_timestamp() + make_interval(secs => :seconds::double precision)
    WHERE NOT EXISTS (SELECT 1 FROM held)
    ON CONFLICT (name) DO UPDATE SET
        holder = excluded.holder,
        epoch = CASE
            WHEN l.holder = excluded.holder AND l.expires_at > clock_timestamp() THEN l.epoch
            ELSE greatest(l.epoch + 1, excluded.epoch)
        END,
        held_since = CASE
            WHEN l.holder = excluded.holder AND l.expires_at > clock_timestamp() THEN l.held_since
            ELSE excluded.held_since
        END,
        expires_at = excluded.expires_at
    WHERE l.holder = excluded.holder OR l.expires_at NOT
        BETWEEN clock_timestamp() AND clock_timestamp() + 2 * make_interval(secs => :seconds::double precision)
    RETURNING l.holder, l.epoch, l.held_since
)
SELECT t.holder, t.epoch, t.held_since, :seconds::double precision AS seconds, true AS mine FROM taken AS t
UNION ALL
SELECT l.holder, l.epoch, l.held_since, extract(epoch FROM l.expires_at - clock_timestamp())::double precision, false
FROM leases AS l WHERE l.name = :name::text AND EXISTS (SELECT 1 FROM held);

-- name: lease_give_back(name, holder)
-- Let the next one lead at once. The row stays, for the sake of its epoch.
UPDATE leases SET expires_at = clock_timestamp() WHERE name = :name::text AND holder = :holder::text
RETURNING epoch;

-- name: lease_inherit(name, holder)$
-- End the lease of whoever holds it, for one who knows that nobody is left to hold it; answers whose it was.
UPDATE leases SET expires_at = clock_timestamp()
WHERE name = :name::text AND holder <> :holder::text AND expires_at > clock_timestamp()
RETURNING holder;
