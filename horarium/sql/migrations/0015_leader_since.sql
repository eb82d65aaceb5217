-- Since when the holder of a lease has held it without a break; null for one that was taken by an earlier release.

ALTER TABLE leases ADD COLUMN held_since timestamptz;
