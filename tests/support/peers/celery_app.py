"""A Celery app with a schedule of every kind: `python celery_app.py START COUNT` prints when each entry is due.

The zone is PEER_ZONE's.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime, timedelta

from celery import Celery
from celery.schedules import crontab, schedule, solar

CRONTABS = {
    "every minute": crontab(),
    "every quarter": crontab(minute="*/15"),
    "on weekdays": crontab(minute=30, hour=9, day_of_week="mon-fri"),
    "sunday is 0": crontab(minute=0, hour=6, day_of_week=0),
    "over the weekend": crontab(minute=0, hour=6, day_of_week="fri-mon"),
    "over midnight": crontab(minute=0, hour="22-2"),
    "every third month": crontab(minute=5, hour=4, day_of_month=1, month_of_year="*/3"),
    "even days": crontab(minute=0, hour=0, day_of_month="2-30/2"),
    "first monday": crontab(minute=0, hour=8, day_of_week=1, day_of_month="1-7"),
    "second friday": crontab(minute=0, hour=8, day_of_week="fri", day_of_month="8-14"),
    "sundays of some days": crontab(minute=0, hour=8, day_of_week=[0], day_of_month=[13, 14, 15]),
    "a set": crontab(minute={7, 8, 9, 40}, hour=[3, 15]),
}
# a solar schedule is made without `ephem`, which only its arithmetic needs
LEFT_BEHIND = {
    "friday the 13th": crontab(minute=0, hour=0, day_of_week="fri", day_of_month=13),
    "sunset": solar.__new__(solar),
    "half a second": 0.5,
    "bytes": crontab(),
}
ADD = "app.add"

app = Celery("peer", broker="memory://")
app.conf.timezone = os.environ.get("PEER_ZONE", "UTC")
app.conf.beat_schedule = {name: {"task": ADD, "schedule": each} for name, each in {**CRONTABS, **LEFT_BEHIND}.items()}
app.conf.beat_schedule["bytes"]["kwargs"] = {"data": b"no JSON"}
app.conf.beat_schedule |= {
    "by seconds": {"task": ADD, "schedule": 30.0},
    "by timedelta": {"task": ADD, "schedule": timedelta(hours=2)},
    "by schedule": {"task": ADD, "schedule": schedule(timedelta(minutes=5), relative=True)},
    "with options": {
        "task": ADD,
        "schedule": timedelta(days=1),
        "kwargs": {"x": 1, "y": [2, 3]},
        "options": {"queue": "slow", "priority": 3, "expires": 600, "soft_time_limit": 90, "exchange": "other"},
    },
    "positional": {"task": ADD, "schedule": timedelta(days=1), "args": (1, 2)},
}


@app.task(name=ADD)
def add(x: int, y: int) -> int:
    return x + y


@app.on_after_finalize.connect
def declare(sender: Celery, **_: object) -> None:
    sender.add_periodic_task(crontab(minute=1), add.s(), name="added when finished", kwargs={"x": 1})


def due(entry: crontab, start: datetime, count: int) -> list[str]:
    """By `remaining_estimate`, from one run to the next."""
    found: list[str] = []
    last = start
    while len(found) < count:
        entry.nowfun = lambda last=last: last
        last = (last + entry.remaining_estimate(last)).astimezone(UTC)
        found.append(last.isoformat())
    return found


if __name__ == "__main__":
    app.set_default()
    begin = datetime.fromisoformat(sys.argv[1])
    sys.stdout.write(json.dumps({name: due(each, begin, int(sys.argv[2])) for name, each in CRONTABS.items()}))
