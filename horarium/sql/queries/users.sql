-- Users. Redis caches what user_get answers; every statement that changes a user is followed by an invalidation.

-- name: user_insert(username, role, password_hash)^
-- A new user. No row back: the name is taken.
INSERT INTO users (username, role, password_hash)
VALUES (:username::text, :role::text, :password_hash::text)
ON CONFLICT (lower(username)) DO NOTHING
RETURNING id, username, email, full_name, role, is_active, session_version, created_at, updated_at;

-- name: user_get(id)^
-- One user, without the password's hash.
SELECT id, username, email, full_name, role, is_active, session_version, created_at, updated_at
FROM users WHERE id = :id::bigint;

-- name: user_credentials(username)^
-- What a login is checked against.
SELECT id, password_hash, is_active, session_version FROM users WHERE lower(username) = lower(:username::text);

-- name: user_rehash(id, known_hash, password_hash)!
-- The same password, hashed with today's parameters: nothing that anybody sees has changed, so updated_at stays. A
-- password that was changed since known_hash was read is left alone.
UPDATE users SET password_hash = :password_hash::text
WHERE id = :id::bigint AND password_hash = :known_hash::text;

-- name: user_end_sessions(id)$
-- Every access token issued so far stops working.
UPDATE users SET session_version = session_version + 1, updated_at = now() WHERE id = :id::bigint
RETURNING session_version;

-- name: user_count()$
-- Whether the first account is still to be made.
SELECT count(*) FROM users;
