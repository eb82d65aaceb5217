-- name: periodic_tasks()
-- Every periodic task of django-celery-beat with whichever of its four schedules it has; the others are null.
SELECT
  task.name, task.task, task.args, task.kwargs, task.queue, task.exchange, task.routing_key, task.headers, task.priority,
  task.expires, task.expire_seconds, task.one_off, task.start_time, task.enabled, task.description,
  task.crontab_id, task.interval_id, task.clocked_id, task.solar_id,
  crontab.minute, crontab.hour, crontab.day_of_month, crontab.month_of_year, crontab.day_of_week, crontab.timezone,
  "interval".every, "interval".period,
  clocked.clocked_time
FROM django_celery_beat_periodictask AS task
LEFT JOIN django_celery_beat_crontabschedule AS crontab ON crontab.id = task.crontab_id
LEFT JOIN django_celery_beat_intervalschedule AS "interval" ON "interval".id = task.interval_id
LEFT JOIN django_celery_beat_clockedschedule AS clocked ON clocked.id = task.clocked_id
ORDER BY task.name;
