"""A newsletter's background work on plain taskiq: nothing in here knows of Horarium.

The broker is taskiq-redis' stream broker, messages and results are JSON. A middleware follows each message from whoever
sends it to the worker, a dependency gives tasks their mailer, and one task says in its labels when it is due.
"""

from __future__ import annotations

import os
import uuid
from typing import Annotated, Any

from taskiq import Context, TaskiqDepends, TaskiqEvents, TaskiqMessage, TaskiqMiddleware, TaskiqScheduler, TaskiqState
from taskiq.schedule_sources import LabelScheduleSource
from taskiq.serializers import JSONSerializer
from taskiq_redis import RedisAsyncResultBackend, RedisStreamBroker

REDIS_URL = os.environ.get("NEWSLETTER_REDIS_URL", "redis://127.0.0.1:6379")


class Trail(TaskiqMiddleware):
    """Marks each message where it is sent and where it arrives, so that a log can put the two together."""

    def pre_send(self, message: TaskiqMessage) -> TaskiqMessage:
        """Name the trail."""
        message.labels["trail"] = uuid.uuid4().hex
        return message

    def pre_execute(self, message: TaskiqMessage) -> TaskiqMessage:
        """Say that a worker has it."""
        message.labels["arrived_in"] = os.getpid()
        return message


broker = (
    RedisStreamBroker(REDIS_URL, queue_name="newsletter", consumer_group_name="newsletter", consumer_id="0")
    .with_result_backend(RedisAsyncResultBackend(REDIS_URL, serializer=JSONSerializer(), result_ex_time=3600))
    .with_middlewares(Trail())
)
scheduler = TaskiqScheduler(broker, [LabelScheduleSource(broker)])


class Mailer:
    """Stands for a connection that is made once for each worker."""

    def __init__(self, sender: str) -> None:
        self.sender = sender

    async def send(self, region: str, subject: str) -> str:
        """Send one letter to everybody of a region."""
        return f"{subject} from {self.sender} to {region}"


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def connect_mailer(state: TaskiqState) -> None:
    """Make the connection."""
    state.mailer = Mailer("news@example.org")


def get_mailer(context: Annotated[Context, TaskiqDepends()]) -> Mailer:
    """The worker's mailer."""
    mailer: Mailer = context.state.mailer
    return mailer


@broker.task("newsletter.send_digest", schedule=[{"interval": 2, "kwargs": {"region": "EU"}}], team="growth")
async def send_digest(
    region: str,
    subject: str = "The digest",
    *,
    mailer: Annotated[Mailer, TaskiqDepends(get_mailer)],
    context: Annotated[Context, TaskiqDepends()],
) -> dict[str, Any]:
    """Send the digest to a region."""
    labels = context.message.labels
    return {
        "sent": await mailer.send(region, subject),
        "trail": labels["trail"],
        "arrived_in": labels.get("arrived_in"),
    }


@broker.task("newsletter.count_words")
def count_words(text: str) -> int:
    """Count, in a plain function."""
    return len(text.split())
