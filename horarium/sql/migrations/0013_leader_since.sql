-- Since when the holder of a lease has held it without a break. Nobody knows that of the one who holds it now.

ALTER TABLE leases ADD COLUMN held_since timestamptz;
