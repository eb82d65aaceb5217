"""taskiq's own scheduler over taskiq-redis' list source, as `taskiq scheduler` runs it; see `tally.py`.

Messages go to Redis streams. The source reads the schedules of the current minute when it starts and once a minute
after that, so it is started shortly before they are due.
"""

from __future__ import annotations

import asyncio
import os
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import uvloop
from tally import Tally
from taskiq import TaskiqMiddleware, TaskiqScheduler
from taskiq.cli.scheduler.args import SchedulerArgs
from taskiq.cli.scheduler.run import run_scheduler
from taskiq.serializers import JSONSerializer
from taskiq_redis import ListRedisScheduleSource, RedisStreamBroker

if TYPE_CHECKING:
    from taskiq import TaskiqMessage

PAGE = 40
AHEAD_SECONDS = 5.0

DUE_AT, COUNT = float(sys.argv[1]), int(sys.argv[2])
URL = os.environ["BENCH_REDIS"]
tally = Tally(COUNT)


class Counting(TaskiqMiddleware):
    """Counts what the broker has taken."""

    def post_send(self, message: TaskiqMessage) -> None:  # noqa: ARG002 - taskiq's signature
        """One more."""
        tally.one_more()


broker = RedisStreamBroker(URL).with_middlewares(Counting())
source = ListRedisScheduleSource(URL, serializer=JSONSerializer())


@broker.task(task_name="echo")
async def echo(message: str) -> str:
    """Answer the message."""
    return message


async def main() -> None:
    """Make the schedules, then run the scheduler."""
    due = datetime.fromtimestamp(DUE_AT, UTC)
    for first in range(0, COUNT, PAGE):
        numbers = range(first, min(first + PAGE, COUNT))
        await asyncio.gather(*(echo.schedule_by_time(source, due, message=f"hello {n}") for n in numbers))
    await asyncio.sleep(DUE_AT - AHEAD_SECONDS - time.time())
    await run_scheduler(SchedulerArgs(TaskiqScheduler(broker, [source]), [], log_level="WARNING"))  # type: ignore[arg-type]  # the CLI passes a name, too


with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
    runner.run(main())
