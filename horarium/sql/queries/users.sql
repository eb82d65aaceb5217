-- Users. Redis caches what user_get answers; every statement that changes a user is followed by an invalidation.

-- name: user_insert(username, email, full_name, role, is_active, password_hash)^
-- A new user. No row back: the name is taken.
INSERT INTO users (username, email, full_name, role, is_active, password_hash)
VALUES (
    :username::text, :email::text, :full_name::text, :role::text, :is_active::boolean, :password_hash::text
)
ON CONFLICT (lower(username)) DO NOTHING
RETURNING id, username, email, full_name, role, is_active, session_version, created_at, updated_at;

-- name: user_get(id)^
-- One user, without the password's hash.
SELECT id, username, email, full_name, role, is_active, session_version, created_at, updated_at
FROM users WHERE id = :id::bigint;

-- name: user_credentials(username)^
-- What a login is checked against.
SELECT id, username, password_hash, is_active, session_version FROM users WHERE lower(username) = lower(:username::text);

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

-- name: user_lock(id)
-- A user and all active admins, held until the transaction ends: of two that would each remove the other's last
-- colleague, one waits and sees. In the order of their ids, so that they never wait for each other.
SELECT id, username, email, full_name, role, is_active, session_version, created_at, updated_at, password_hash
FROM users WHERE id = :id::bigint OR (role = 'admin' AND is_active)
ORDER BY id
FOR UPDATE;

-- name: user_update(id, username, email, full_name, role, is_active, password_hash, ends_sessions)^
-- An edited user; where its sessions end, everything issued so far stops working.
UPDATE users SET
    username = :username::text,
    email = :email::text,
    full_name = :full_name::text,
    role = :role::text,
    is_active = :is_active::boolean,
    password_hash = :password_hash::text,
    session_version = session_version + CASE WHEN :ends_sessions::boolean THEN 1 ELSE 0 END,
    updated_at = now()
WHERE id = :id::bigint
RETURNING id, username, email, full_name, role, is_active, session_version, created_at, updated_at;

-- name: user_delete(id)$
-- A user is gone; what it made stays.
DELETE FROM users WHERE id = :id::bigint
RETURNING id;

-- name: user_password_hash(id)$
-- What a change of one's own password is checked against.
SELECT password_hash FROM users WHERE id = :id::bigint;

-- name: user_list(username, role, is_active, q, after, max_rows)
-- A page of users, in the order they were made. `q` is looked for in names and addresses.
SELECT id, username, email, full_name, role, is_active, session_version, created_at, updated_at FROM users
WHERE (:username::text IS NULL OR lower(username) = lower(:username::text))
    AND (:role::text IS NULL OR role = :role::text)
    AND (:is_active::boolean IS NULL OR is_active = :is_active::boolean)
    AND (:q::text IS NULL OR strpos(lower(concat_ws(' ', username, email, full_name)), lower(:q::text)) > 0)
    AND id > :after::bigint
ORDER BY id
LIMIT :max_rows::integer;

-- name: user_count_listed(username, role, is_active, q)$
-- How many rows the same filters match on all pages.
SELECT count(*) FROM users
WHERE (:username::text IS NULL OR lower(username) = lower(:username::text))
    AND (:role::text IS NULL OR role = :role::text)
    AND (:is_active::boolean IS NULL OR is_active = :is_active::boolean)
    AND (:q::text IS NULL OR strpos(lower(concat_ws(' ', username, email, full_name)), lower(:q::text)) > 0);
