-- name: apscheduler_jobs()
-- Every job of an SQLAlchemyJobStore, in the order of its ids, so that two imports tell the same story.
SELECT id, job_state FROM apscheduler_jobs ORDER BY id;
