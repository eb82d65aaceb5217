"""What an attempt is to the app whose task it is: its broker's middlewares, and its result backend.

They run as under taskiq's own worker: `pre_execute` in the order in which they were added, the others in reverse;
`on_error` for what the task raised, its timeout included, `post_execute` whatever came of it. An exception of theirs is
an ordinary failure of the attempt, and so is a cancellation that nobody ordered: an AMQP client that loses its
connection cancels whoever is sending, a retry middleware for one. Since the app has a say in it, what an attempt comes
to is settled after them; of one that was stopped they are told in a moment, and have none.

The result goes to the backend once the execution is final, after the ledger and before the acknowledgement; a backend
that fails is logged. Who waits for a result that never came learns nothing, while the ledger has it.
"""

from __future__ import annotations

import asyncio
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog
from taskiq import TaskiqMiddleware, TaskiqResult
from taskiq.exceptions import NoResultError, TaskRejectedError
from taskiq.result_backends.dummy import DummyResultBackend
from taskiq.utils import maybe_awaitable

from horarium.errors import Unavailable
from horarium.outcome import Cancelled, HandBack, Refused, Succeeded, Unsuccessful
from horarium.sql.executions import storable_text
from horarium.tasks.amqp_broker import AmqpBroker
from horarium.tasks.message import REQUEUES
from horarium.tasks.packed import RaisedThere
from horarium.tasks.results import Results
from horarium.tasks.stream_broker import StreamBroker

if TYPE_CHECKING:
    from taskiq import AsyncBroker
    from taskiq.acks import AckController
    from taskiq.message import TaskiqMessage

    from horarium.outcome import Attempt, Outcome

__all__ = ["Ran", "acknowledge", "before", "changes_what_is_sent", "described", "read", "save", "settle"]

log = structlog.get_logger(__name__)

MIDDLEWARES_SECONDS = 5.0
"""How long they have after an attempt: as long as a deadline may be past before the sweeper ends the attempt."""

STOPPED_SECONDS = 0.5
"""How long, after one that was stopped: somebody waits for its end."""

SAVE_SECONDS = 2.0
"""How long the backend has; the message waits for it, and so does a worker that stops."""

MOST_REQUEUES = 100
"""How often a scheduled execution may ask to be run again."""

ON_THE_WAY = frozenset({"horarium.tasks.app_side", "horarium.tasks.receiver", "horarium.tasks.sync_pool"})
"""The modules whose frames lie between a worker's loop and its tasks."""


@dataclass(slots=True)
class Ran:
    """An attempt that has been made: what came of it, and what it raised; the message as middlewares have left it."""

    message: TaskiqMessage
    outcome: Outcome
    error: BaseException | None = None
    seconds: float = 0.0
    was_stopped: bool = False
    _requeues: object = None

    def __post_init__(self) -> None:
        self._requeues = self.message.labels.get(REQUEUES)

    def times_out(self, attempt: Attempt) -> None:
        """It ran past its timeout."""
        self.error = TimeoutError(f"ran longer than {attempt.timeout_seconds:g} s")
        self.outcome = Unsuccessful("timeout", str(self.error))

    def fails(self, attempt: Attempt, error: BaseException, *, external: bool) -> None:
        """It raised `error`.

        `context.reject()` is a failure that no retry follows. taskiq's NoResultError is none: nothing is to be kept.
        """
        self.error = error
        if isinstance(error, TaskRejectedError):
            self.outcome = Refused(described(error), "rejected")
        elif not isinstance(error, NoResultError):
            self.outcome = Unsuccessful("failed", described(error))
        elif self.message.labels.get(REQUEUES) == self._requeues:
            self.outcome = Succeeded(None, "no_result")
        else:
            self.outcome = _requeued(attempt, external=external)


def _requeued(attempt: Attempt, *, external: bool) -> Outcome:
    """What becomes of an attempt that has sent its message again, by `context.requeue()`.

    What an app kicked runs as an execution of its own then. What is scheduled is one row whatever happens: it is handed
    back, and its second message finds nothing to claim.
    """
    if external:
        return Cancelled("requeued")
    if attempt.handed_back >= MOST_REQUEUES:
        return Refused(f"it asked to be run again {MOST_REQUEUES} times", "requeued")
    return HandBack("requeued")


def read(broker: AsyncBroker, data: bytes) -> TaskiqMessage:
    """The message, by the app's own formatter; raises ValueError, whatever that one raises."""
    try:
        message = broker.formatter.loads(data)
        message.parse_labels()
    except Exception as error:
        raise ValueError("not a message") from error
    return message


def changes_what_is_sent(broker: AsyncBroker) -> bool:
    """Whether middlewares have a say in what Horarium sends through it; our own brokers send past them."""
    return not isinstance(broker, StreamBroker | AmqpBroker) and any(_has(m, "pre_send") for m in broker.middlewares)


async def before(broker: AsyncBroker, message: TaskiqMessage) -> TaskiqMessage:
    """The message as the middlewares want it run."""
    for middleware in broker.middlewares:
        if _has(middleware, "pre_execute"):
            message = await maybe_awaitable(middleware.pre_execute(message))
    return message


async def settle(broker: AsyncBroker, ran: Ran, *, external: bool) -> TaskiqResult[Any] | None:
    """Tell the middlewares, and settle what the attempt has come to; the result to be kept, if there is to be one."""
    if not broker.middlewares:
        return _untold(broker, ran)
    result = _result(ran)
    try:
        async with asyncio.timeout(STOPPED_SECONDS if ran.was_stopped else MIDDLEWARES_SECONDS):
            await _tell(broker, ran, result)
    except BaseException as error:  # noqa: BLE001 - not swallowed: the attempt fails of it
        _raise_if_ours(error)
        kind = type(error).__name__
        log.warning("middleware.failed", task_id=ran.message.task_id, task_type=ran.message.task_name, error=kind)
        if not ran.was_stopped:
            if error.__context__ is None:
                error.__context__ = ran.error
            ran.outcome, ran.error = Unsuccessful("failed", described(error)), error
            return _result(ran)
    if not isinstance(result.error, NoResultError):
        return result
    if isinstance(ran.error, NoResultError):
        return None
    if external and isinstance(ran.outcome, Unsuccessful):
        ran.outcome = Refused(ran.outcome.error, "retried_by_app", ran.outcome.status)
        return None
    log.warning("retry.left_to_config", task_type=ran.message.task_name, task_id=ran.message.task_id)
    return _result(ran)


def _untold(broker: AsyncBroker, ran: Ran) -> TaskiqResult[Any] | None:
    """The result to be kept, where there is nobody to be told of it first."""
    if not _keeps_result(broker, ran.message) or isinstance(ran.error, NoResultError):
        return None
    return _result(ran)


async def save(broker: AsyncBroker, ran: Ran, result: TaskiqResult[Any]) -> None:
    """Keep the result where the app looks for it; what fails of that is logged."""
    task_id = ran.message.task_id
    try:
        async with asyncio.timeout(SAVE_SECONDS):
            if _keeps_result(broker, ran.message):
                await broker.result_backend.set_result(task_id, result)
            for middleware in reversed(broker.middlewares):
                if _has(middleware, "post_save"):
                    await maybe_awaitable(middleware.post_save(ran.message, result))
    except BaseException as error:  # noqa: BLE001 - not swallowed: the ledger has the result already
        _raise_if_ours(error)
        log.error("result.not_saved", task_id=task_id, error=type(error).__name__)  # noqa: TRY400 - nor its words, which may quote the result


async def acknowledge(ack: AckController) -> None:
    """Acknowledge; where an app's own broker fails of it the message comes again, and claims in vain."""
    if not ack.is_ackable:
        return
    try:
        await ack.ack()
    except Unavailable:
        raise
    except BaseException as error:  # noqa: BLE001 - not swallowed: each broker has errors of its own for a lost connection
        _raise_if_ours(error)
        log.warning("message.not_acknowledged", error=type(error).__name__)


def described(error: BaseException) -> str:
    """The error and where it was raised, without our own frames before those of the task, nor values of variables."""
    try:
        text = _traceback(error).strip()
    except Exception as fault:  # noqa: BLE001 - not swallowed: an exception is a stranger's code, and the text says so
        text = f"{type(error).__name__}, of which telling raised {type(fault).__name__}"
    return storable_text(text) or type(error).__name__


def _traceback(error: BaseException) -> str:
    if isinstance(error.__cause__, RaisedThere):  # in the process of a plain function: the frames here say nothing
        return str(error.__cause__)
    frame = error.__traceback__
    while frame is not None and frame.tb_frame.f_globals.get("__name__") in ON_THE_WAY:
        frame = frame.tb_next
    return "".join(traceback.format_exception(type(error), error, frame))


def _raise_if_ours(error: BaseException) -> None:
    """Raise what is not the app's doing: that we are cancelled, or thrown away with the loop."""
    task = asyncio.current_task()
    is_cancelled = isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0
    if is_cancelled or isinstance(error, GeneratorExit):
        raise error


async def _tell(broker: AsyncBroker, ran: Ran, result: TaskiqResult[Any]) -> None:
    for middleware in reversed(broker.middlewares):
        if ran.error is not None and not ran.was_stopped and _has(middleware, "on_error"):
            await maybe_awaitable(middleware.on_error(ran.message, result, ran.error))
    for middleware in reversed(broker.middlewares):
        if _has(middleware, "post_execute"):
            await maybe_awaitable(middleware.post_execute(ran.message, result))


def _result(ran: Ran) -> TaskiqResult[Any]:
    """The attempt, as taskiq tells of it; one that was stopped raises nothing where it is waited for but an error."""
    error = ran.error
    if ran.was_stopped or isinstance(error, asyncio.CancelledError):
        error = RuntimeError(f"the execution was stopped: {getattr(ran.outcome, 'reason', None) or 'from inside'}")
    result: TaskiqResult[Any] = TaskiqResult(
        is_err=error is not None,
        return_value=ran.outcome.result if isinstance(ran.outcome, Succeeded) else None,
        execution_time=round(ran.seconds, 2),
        labels=ran.message.labels,
    )
    result.error = error  # not by the constructor, which asks the exception, a stranger's, whether it is true
    return result


def _has(middleware: TaskiqMiddleware, hook: str) -> bool:
    return getattr(type(middleware), hook) is not getattr(TaskiqMiddleware, hook)


def _keeps_result(broker: AsyncBroker, message: TaskiqMessage) -> bool:
    backend = broker.result_backend
    if isinstance(backend, Results):
        return backend.keeps(message.labels)
    return not isinstance(backend, DummyResultBackend)
