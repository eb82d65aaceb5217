-- Keys of machines. Redis caches what api_key_by_digest answers.

-- name: api_key_insert(name, prefix, digest, role, expires_at, created_by)^
-- A new key. No row back: the name is taken.
INSERT INTO api_keys (name, prefix, digest, role, expires_at, created_by)
VALUES (:name::text, :prefix::text, :digest::bytea, :role::text, :expires_at::timestamptz, :created_by::bigint)
ON CONFLICT (lower(name)) DO NOTHING
RETURNING id, name, prefix, role, expires_at, created_by, created_at, last_used_at;

-- name: api_key_by_digest(digest)^
-- The key behind a text, expired or not. That it was used is noted here, and so once for each copy in the cache.
UPDATE api_keys SET last_used_at = now() WHERE digest = :digest::bytea
RETURNING id, name, role, expires_at;

-- name: api_key_digest(id)$
-- Where the cache has a key.
SELECT digest FROM api_keys WHERE id = :id::bigint;

-- name: api_key_delete(id)^
-- A key is good for nothing from now on.
DELETE FROM api_keys WHERE id = :id::bigint
RETURNING id, name, prefix, role, expires_at, created_by, created_at, last_used_at;

-- name: api_key_list(after, max_rows)
-- A page of keys, in the order they were made.
SELECT id, name, prefix, role, expires_at, created_by, created_at, last_used_at FROM api_keys
WHERE id > :after::bigint
ORDER BY id
LIMIT :max_rows::integer;

-- name: api_key_count()$
-- How many there are on all pages.
SELECT count(*) FROM api_keys;
