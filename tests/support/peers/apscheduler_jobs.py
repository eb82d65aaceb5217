"""APScheduler's own job stores: `python apscheduler_jobs.py STORE START COUNT` fills one with jobs of every kind.

STORE is a URL for SQLAlchemy, or `redis:SOCKET:DB`. It prints when each job is due.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from apscheduler.schedulers.background import BackgroundScheduler
from apscheduler.triggers.calendarinterval import CalendarIntervalTrigger
from apscheduler.triggers.combining import AndTrigger, OrTrigger
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.date import DateTrigger
from apscheduler.triggers.interval import IntervalTrigger

START = datetime.fromisoformat(sys.argv[2])
ZONE = ZoneInfo(os.environ.get("PEER_ZONE", "UTC"))


def cron(**fields: Any) -> CronTrigger:
    return CronTrigger(timezone=ZONE, **fields)


DUE: dict[str, Any] = {
    "every minute": cron(minute="*"),
    "at five": cron(hour=5),
    "monday is 0": cron(day_of_week=0, hour=6),
    "named weekdays": cron(day_of_week="mon-fri", hour=9, minute=30),
    "sunday is 6": cron(day_of_week="6", hour=9),
    "every other weekday": cron(day_of_week="*/2", hour=9),
    "by crontab": CronTrigger.from_crontab("*/20 3 * * 5", timezone=ZONE),
    "seconds": cron(hour=12, second="*/20"),
    "month steps": cron(month="*/5", day=3),
    "named months": cron(month="feb-apr", day="10,20"),
    "last day": cron(day="last", hour=23),
    "second friday": cron(day="2nd fri", hour=8),
    "last sunday": cron(day="last sun", hour=8),
    "both days": cron(day="1-7", day_of_week="tue", hour=8),
    "range with steps": cron(hour="5-22/3", minute="7-59/13"),
    "bounded": cron(hour=7, start_date=START + timedelta(days=3), end_date=START + timedelta(days=6)),
    "interval": IntervalTrigger(minutes=7, start_date=START - timedelta(days=3, seconds=11), timezone=ZONE),
    "interval to come": IntervalTrigger(days=2, start_date=START + timedelta(days=1), end_date=START + timedelta(9)),
    "date": DateTrigger(START + timedelta(days=30), timezone=ZONE),
}
LEFT_BEHIND: dict[str, Any] = {
    "friday the 13th": cron(day=13, day_of_week="fri"),
    "certain years": cron(year="2030", hour=3),
    "certain weeks": cron(week="1-10", hour=3),
    "combined": OrTrigger([cron(hour=1), cron(hour=2)]),
    "both": AndTrigger([cron(hour=1), cron(minute=0)]),
    "calendar": CalendarIntervalTrigger(months=1, timezone=ZONE),
}


def work(*_: object, **__: object) -> None:
    """What every job does."""


def due(trigger: Any, count: int) -> list[str]:
    """By `get_next_fire_time`, from one run to the next."""
    found: list[str] = []
    previous, now = None, START + timedelta(microseconds=1)
    while len(found) < count and (previous := trigger.get_next_fire_time(previous, now)) is not None:
        now = previous
        found.append(previous.astimezone(UTC).isoformat())
    return found


def fill(store: str) -> None:
    scheduler = BackgroundScheduler(timezone=ZONE)
    if store.startswith("redis:"):
        _, socket, db = store.split(":")
        scheduler.add_jobstore("redis", unix_socket_path=socket, db=int(db))
    else:
        scheduler.add_jobstore("sqlalchemy", url=store)
    scheduler.start(paused=True)
    for name, trigger in {**DUE, **LEFT_BEHIND}.items():
        scheduler.add_job("tests.support.peers.apscheduler_jobs:work", trigger, id=name, misfire_grace_time=60)
    daily = cron(hour=1, jitter=90)
    scheduler.add_job(work, daily, id="policies", name="told", coalesce=False, max_instances=3, kwargs={"x": 1})
    scheduler.add_job(work, daily, id="patient", misfire_grace_time=None).pause()
    scheduler.add_job(work, daily, id="positional", args=[1, "two"])
    scheduler.add_job(work, daily, id="no JSON", kwargs={"price": Decimal("1.5")})
    scheduler.add_job(work, daily, id="foreign", kwargs={"job": scheduler.get_job("policies").trigger.__class__})
    # not shut down: it would run what is due on its way out. The process ends, and its threads with it.


if __name__ == "__main__":
    sys.path.insert(0, os.getcwd())  # noqa: PTH109 - what a reference to a function is looked up from
    fill(sys.argv[1])
    sys.stdout.write(json.dumps({name: due(trigger, int(sys.argv[3])) for name, trigger in DUE.items()}))
