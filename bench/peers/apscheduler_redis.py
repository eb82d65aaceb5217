"""APScheduler 3 over its Redis job store; each job adds a message to a Redis stream. See `tally.py`.

Jobs run in APScheduler's own thread pool. `misfire_grace_time` is None: by its default, a second, most of ten thousand
jobs would be dropped as late.
"""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from typing import Any

from apscheduler.jobstores.redis import RedisJobStore
from apscheduler.schedulers.blocking import BlockingScheduler
from redis import Redis
from tally import Tally

DUE_AT, COUNT = float(sys.argv[1]), int(sys.argv[2])
redis = Redis.from_url(os.environ["BENCH_REDIS"])
tally = Tally(COUNT)


def publish(message: str) -> None:
    """Add a message as long as the others'."""
    redis.xadd("apscheduler", {"data": json.dumps({"task_name": "echo", "args": [], "kwargs": {"message": message}})})
    tally.one_more()


def store() -> Any:
    """The job store, in the same Redis."""
    made = RedisJobStore()
    made.redis = Redis.from_url(os.environ["BENCH_REDIS"])  # its own arguments know no sockets
    return made


scheduler = BlockingScheduler(jobstores={"default": store()}, timezone="UTC")
for number in range(COUNT):
    scheduler.add_job(
        publish, "date", run_date=datetime.fromtimestamp(DUE_AT, UTC), args=[f"hello {number}"],
        misfire_grace_time=None,
    )  # fmt: skip
scheduler.start()
