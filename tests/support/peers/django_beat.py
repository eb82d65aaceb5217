"""django-celery-beat's own models and migrations: `python django_beat.py DATABASE START COUNT` fills a database.

DATABASE is the path of an SQLite file, or the URL of a Postgres. It prints when each crontab is due.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import django
from django.conf import settings


def database(source: str) -> dict[str, Any]:
    if not source.startswith("postgres"):
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": source}
    parts = urlsplit(source)
    query = parse_qs(parts.query)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path.removeprefix("/"),
        "USER": query.get("user", [parts.username])[0],
        "HOST": query.get("host", [parts.hostname])[0],
        "PORT": query.get("port", [parts.port])[0],
    }


settings.configure(
    DATABASES={"default": database(sys.argv[1])},
    INSTALLED_APPS=["django_celery_beat"],
    USE_TZ=True,
    TIME_ZONE="Europe/Berlin",
    CELERY_TIMEZONE=os.environ.get("PEER_ZONE", "UTC"),
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
django.setup()

from celery import Celery  # noqa: E402 - as below
from django.core.management import call_command  # noqa: E402 - as below
from django_celery_beat.models import (  # noqa: E402 - models need the settings
    ClockedSchedule,
    CrontabSchedule,
    IntervalSchedule,
    PeriodicTask,
    SolarSchedule,
)

CRONTABS: dict[str, dict[str, str]] = {
    "every minute": {},
    "nightly": {"minute": "30", "hour": "2", "timezone": "America/New_York"},
    "weekdays": {"minute": "0", "hour": "9", "day_of_week": "mon-fri", "timezone": "Asia/Kolkata"},
    "over the weekend": {"minute": "0", "hour": "6", "day_of_week": "5-1"},
    "lists and ranges": {"minute": "0, 20,40", "hour": "1-5/2,22-1"},
    "named months": {"minute": "0", "hour": "0", "day_of_month": "1", "month_of_year": "jan,jul"},
    "first sunday": {"minute": "0", "hour": "0", "day_of_month": "1-7", "day_of_week": "0"},
}


def fill(start: datetime) -> None:
    """Rows of every kind, made by the models."""
    for name, fields in CRONTABS.items():
        PeriodicTask.objects.create(name=name, task="app.add", crontab=CrontabSchedule.objects.create(**fields))
    hourly = IntervalSchedule.objects.create(every=2, period=IntervalSchedule.HOURS)
    soon = IntervalSchedule.objects.create(every=500, period=IntervalSchedule.MICROSECONDS)
    nine = CrontabSchedule.objects.create(minute="0", hour="9")
    clock = ClockedSchedule.objects.create(clocked_time=start + timedelta(days=90))
    sun = SolarSchedule.objects.create(event="sunset", latitude=1, longitude=1)
    make = PeriodicTask.objects.create
    make(name="every two hours", task="app.add", interval=hourly, kwargs='{"x": 1}', enabled=False)
    make(name="too often", task="app.add", interval=soon)
    make(name="clocked", task="app.add", clocked=clock, one_off=True)
    make(name="once at nine", task="app.add", crontab=nine, one_off=True)
    make(name="sunset", task="app.add", solar=sun)
    make(
        name="bounded",
        task="app.add",
        crontab=nine,
        start_time=start + timedelta(days=10),
        expires=start + timedelta(days=13),
        queue="slow",
        priority=7,
        description="four days",
    )
    make(name="expiring", task="app.add", crontab=nine, expire_seconds=120, headers='{"x": 1}', priority=200)
    spaced = CrontabSchedule.objects.create(minute="0", hour="1-5, 22-1")
    make(name="spaced", task="app.add", crontab=spaced)
    make(name="bad arguments", task="app.add", crontab=nine, kwargs="{")
    make(name="celery.backend_cleanup", task="celery.backend_cleanup", crontab=nine)


def due(model: CrontabSchedule, start: datetime, count: int) -> list[str]:
    """By the schedule that beat would use, from one run to the next."""
    schedule = model.schedule
    found: list[str] = []
    last = start
    while len(found) < count:
        schedule.nowfun = lambda last=last: last
        last = (last + schedule.remaining_estimate(last)).astimezone(UTC)
        found.append(last.isoformat())
    return found


if __name__ == "__main__":
    Celery("peer", broker="memory://").set_default()
    begin = datetime.fromisoformat(sys.argv[2])
    call_command("migrate", verbosity=0)
    fill(begin)
    rows = PeriodicTask.objects.filter(name__in=CRONTABS)
    sys.stdout.write(json.dumps({row.name: due(row.crontab, begin, int(sys.argv[3])) for row in rows}))
