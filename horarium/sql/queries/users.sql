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
SELECT id, password_hash, is_active FROM users WHERE lower(username) = lower(:username::text);

-- name: user_set_password_hash(id, password_hash)!
-- The same password, hashed with today's parameters.
UPDATE users SET password_hash = :password_hash::text, updated_at = now() WHERE id = :id::bigint;

-- name: user_end_sessions(id)$
-- Every access token issued so far stops working.
UPDATE users SET session_version = session_version + 1, updated_at = now() WHERE id = :id::bigint
RETURNING session_version;

-- name: user_count()$
-- Whether the first account is still to be made.
SELECT count(*) FROM users;
