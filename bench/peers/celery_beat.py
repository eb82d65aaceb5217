"""Celery beat with its schedules in memory, as `celery beat` runs it with a `beat_schedule`; see `tally.py`.

BENCH_BROKER is a RabbitMQ, or a Redis. Each entry is due once, at one instant: a schedule class as django-celery-beat's
`clocked`, which costs less to ask than a crontab.
"""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from celery import Celery
from celery.beat import Scheduler, Service
from celery.schedules import BaseSchedule, schedstate
from celery.signals import after_task_publish
from tally import Tally

DUE_AT, COUNT = float(sys.argv[1]), int(sys.argv[2])
NEVER_SECONDS = 3600.0
tally = Tally(COUNT)


class At(BaseSchedule):  # type: ignore[misc]  # celery ships no types
    """Due once, at an instant."""

    def is_due(self, last_run_at: datetime) -> schedstate:
        """Whether it is past and has not been run since."""
        due, now = datetime.fromtimestamp(DUE_AT, UTC), datetime.now(UTC)
        if last_run_at >= due:
            return schedstate(is_due=False, next=NEVER_SECONDS)
        return schedstate(is_due=now >= due, next=max(0.0, (due - now).total_seconds()) or NEVER_SECONDS)

    def remaining_estimate(self, last_run_at: datetime) -> timedelta:
        """Until it is due."""
        return timedelta(seconds=self.is_due(last_run_at).next)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, At)

    def __hash__(self) -> int:
        return hash(DUE_AT)


@after_task_publish.connect  # type: ignore[untyped-decorator]  # as above
def count(**_: Any) -> None:
    """One more."""
    tally.one_more()


app = Celery("bench", broker=os.environ["BENCH_BROKER"])
app.conf.update(enable_utc=True, timezone="UTC", result_expires=None, beat_max_loop_interval=1)
app.conf.beat_schedule = {
    f"config {n}": {"task": "echo", "schedule": At(app=app), "kwargs": {"message": f"hello {n}"}} for n in range(COUNT)
}
Service(app, scheduler_cls=Scheduler).start()
