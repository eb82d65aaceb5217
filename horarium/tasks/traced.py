"""What sends and what runs, with spans around it: put in place of the plain ones where tracing is on, and only there.

So where it is off a batch, a claim and a run cost what they did.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from taskiq import TaskiqMiddleware
from taskiq_aio_pika import AioPikaBroker
from taskiq_redis.redis_broker import BaseRedisBroker

from horarium.tasks.broker import taskiq_broker
from horarium.tasks.receiver import LedgerReceiver
from horarium.tasks.sync_pool import SyncPool
from horarium.tasks.unsent import Unsent
from horarium.tracing.carried import carried
from horarium.tracing.within import Within

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import timedelta

    from taskiq.message import TaskiqMessage

    from horarium.outcome import Attempt
    from horarium.sql.executions import Finished
    from horarium.tasks.app_side import Ran
    from horarium.tasks.broker import Broker
    from horarium.tasks.message import TaskMessage
    from horarium.tasks.work import Work
    from horarium.tracing.spans import Tracing

__all__ = ["KickedHere", "TracedPublisher", "TracedReceiver", "TracedSyncPool"]


def _system(broker: Broker) -> str:
    """What carries the messages, as the conventions call it; of what they have no name for, taskiq."""
    app = taskiq_broker(broker)
    if isinstance(app, BaseRedisBroker):
        return "redis"
    return "rabbitmq" if isinstance(app, AioPikaBroker) else "taskiq"


class TracedPublisher:
    """Sends through `broker`."""

    def __init__(self, broker: Broker, tracing: Tracing) -> None:
        self._broker = broker
        self._tracing = tracing
        self._system = _system(broker)

    async def publish(self, messages: Sequence[TaskMessage]) -> None:
        """Send messages, each with its trace."""
        sending = self._tracing.sending(messages, self._system)
        try:
            await self._broker.publish(sending.messages)
        except Unsent as error:
            sending.end(error, sent=error.sent, refused=error.refused)
            raise
        except BaseException as error:
            sending.end(error)
            raise
        sending.end()

    async def depths(self) -> dict[str, int]:
        """How many messages wait or run, by queue."""
        return await self._broker.depths()

    async def lost_after(self, queue: str) -> timedelta | None:
        """How long ago a message of the queue was sent, at least, that is lost unless it was claimed; None: none is."""
        return await self._broker.lost_after(queue)


class TracedReceiver(LedgerReceiver):
    """Runs messages; it takes what a `LedgerReceiver` takes, and `tracing`."""

    def __init__(self, *parts: Any, tracing: Tracing, system: str, **options: Any) -> None:
        super().__init__(*parts, **options)
        self._tracing = tracing
        self._system = system

    @classmethod
    def over(cls, broker: Broker, *parts: Any, tracing: Tracing, **options: Any) -> TracedReceiver:
        """The receiver of this broker."""
        return cls(taskiq_broker(broker), *parts, tracing=tracing, system=_system(broker), **options)

    async def _carry_out(self, attempt: Attempt, work: Work) -> None:
        with self._tracing.run(attempt, work.message.labels, self._system):
            await super()._carry_out(attempt, work)

    async def _end(self, attempt: Attempt, work: Work, ran: Ran) -> None:
        await super()._end(attempt, work, ran)
        self._tracing.came_to(ran.outcome, ran.error)

    async def _write(self, attempt: Attempt, work: Work, ran: Ran) -> Finished | None:
        finished = await super()._write(attempt, work, ran)
        self._tracing.written(finished)
        return finished


class TracedSyncPool(SyncPool):
    """Runs plain functions in the trace of their runs."""

    async def call(self, function: Callable[..., Any], args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Run it, as the other does."""
        return await super().call(Within(function, carried.get()), args, kwargs)


class KickedHere(TaskiqMiddleware):
    """Has what a task kicks through a broker of ours carry the task's trace."""

    def __init__(self, tracing: Tracing) -> None:
        super().__init__()
        self._tracing = tracing

    def pre_send(self, message: TaskiqMessage) -> TaskiqMessage:
        """Put the trace on the message."""
        message.labels.update(self._tracing.here())
        return message
