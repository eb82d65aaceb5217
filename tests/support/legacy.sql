-- A backend of the kind that is taken over: SQLAlchemy's tables, years of rows in them.

CREATE TABLE users (
    id serial PRIMARY KEY, username varchar(50), email varchar(255), full_name varchar(255), hashed_password varchar(255),
    is_superuser boolean DEFAULT false, role varchar(20), is_active boolean, created_at timestamp, avatar_url text
);
CREATE TABLE task_configs (
    id serial PRIMARY KEY, name varchar(255), description text, task_type varchar(100), scheduler_type varchar(20),
    parameters json, schedule_config jsonb, status varchar(20), priority integer, timeout_seconds integer,
    max_retries integer, created_by integer REFERENCES users (id), created_at timestamptz, result_ttl integer
);
CREATE TABLE task_executions (id serial PRIMARY KEY, config_id integer REFERENCES task_configs (id), status varchar(20));
CREATE TABLE refresh_tokens (id serial PRIMARY KEY, user_id integer REFERENCES users (id), token text);
CREATE TABLE schedule_events (id serial PRIMARY KEY, config_id integer REFERENCES task_configs (id), event text);

INSERT INTO users (id, username, email, full_name, hashed_password, is_superuser, role, is_active, created_at) VALUES
(3, 'root', 'root@example.org', 'The Root', '{bcrypt}', true, NULL, true, '2021-03-04 05:06:07'),
(5, 'Bob', 'no address', NULL, 'pbkdf2_sha256$600000$abc$def', false, 'operator', true, NULL),
(7, 'bob', 'bob@example.org', NULL, '{bcrypt}', false, 'viewer', true, NULL),
(8, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL),
(9, '  eve ', NULL, NULL, '{argon2}', false, 'intern', false, NULL);

INSERT INTO task_configs (
    id, name, description, task_type, scheduler_type, parameters, schedule_config, status, priority, timeout_seconds,
    max_retries, created_by, created_at
) VALUES
(11, 'nightly', NULL, 'echo', 'cron', '{{"message": "hi"}}',
    '{{"cron_expression": "0 3 * * *", "timezone": "Europe/Paris"}}', 'active', 5, 300, 3, 3, '2021-03-04T05:06:07Z'),
(12, 'every hour', 'the description', 'echo', 'interval', '{{"message": "hi"}}', '{{"hours": 1, "minutes": null}}', 'active',
    50, 0, NULL, 7, NULL),
(13, 'broken', '', 'echo', 'cron', '{{"message": "hi"}}', '{{"cron_expression": "0 33 * * *"}}', 'active', 5, 300, 0, 3, NULL),
(14, 'unknown', '', 'billing.run', 'cron', '{{}}', '{{"minute": "5"}}', 'active', 5, 300, 0, 3, NULL),
(15, 'misfit', '', 'echo', 'cron', '{{"text": 1}}', '{{"minute": "5"}}', 'active', 5, 300, 0, 3, NULL),
(16, 'fired', '', 'echo', 'date', '{{"message": "hi"}}', '{{"run_date": "2020-01-01T00:00:00"}}', 'active', 5, 300, 0, 3, NULL),
(17, 'nightly', '', 'echo', 'manual', '{{"message": "hi"}}', NULL, 'active', 5, 300, 0, NULL, NULL),
(18, 'paused', '', 'echo', 'cron', '{{"message": "hi"}}', '{{"minute": 5, "second": null}}', 'paused', NULL, NULL, NULL, 5, NULL),
(19, 'failing', '', 'echo', 'manual', '{{"message": "hi"}}', '{{}}', 'error', 5, 300, 0, 3, NULL),
(20, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);
