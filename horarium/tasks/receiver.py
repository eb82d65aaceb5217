"""One message, from delivery to acknowledgement: claim, run, finish, acknowledge.

taskiq's own Receiver acknowledges even what it failed to save, drops what it cannot find, and does not time out
plain functions. This subclass keeps taskiq's fetching and its dependency injection, and replaces what is done with
a message:

1. *Claim* the attempt in Postgres, and try again for as long as Postgres is away: the claim that was not answered may
   be committed. No row back: a duplicate, or a cancelled or superseded execution; acknowledge.
2. *Run* it under its timeout. A coroutine is cancelled, a plain function's process is killed; so it is when somebody
   asks for the execution to be stopped, when the attempt was ended without this worker, and when the worker may be
   taken for gone (`fence`).
3. *Finish* it, fenced by its attempt, and try again for as long as Postgres is away: the answer is worth it.
4. *Acknowledge*, last. A worker that dies before leaves a message that somebody claims in vain, or a row that the
   sweeper ends.
"""

from __future__ import annotations

import asyncio
import inspect
import time
import traceback
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import structlog
from taskiq import AckableMessage, Context, TaskiqState
from taskiq.acks import AckController
from taskiq.message import TaskiqMessage  # noqa: TC002 - part of a signature that taskiq inspects
from taskiq.receiver import Receiver as TaskiqReceiver
from taskiq.receiver.params_parser import parse_params

from horarium.crashpoints import crashpoint
from horarium.endings import tell_ending
from horarium.errors import Unavailable
from horarium.outcome import HandBack, Succeeded, Unsuccessful, decide
from horarium.sql.executions import Claim, storable_text
from horarium.tasks.delivery import Delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

    from taskiq import AsyncBroker
    from taskiq.decor import AsyncTaskiqDecoratedTask

    from horarium.keyspace.history import HistoryEvent
    from horarium.live_events import Moved
    from horarium.outcome import Attempt, Ending, Outcome
    from horarium.sql.executions import Finished
    from horarium.tasks.ledger import Ledger
    from horarium.tasks.sync_pool import SyncPool

__all__ = ["Receiver"]

log = structlog.get_logger(__name__)

CLAIM_RETRY_SECONDS = 0.5
CLAIM_GOOD_SECONDS = 5.0
"""How old the answer to a claim may be: less than after which a worker that is silent is given up."""

FINISH_RETRY_SECONDS = 0.5
MAX_ATTEMPT = 2**15 - 1
"""What a smallint holds."""

CUT_OFF = HandBack("worker_cut_off")
UNSTORABLE = Unsuccessful("failed", "the task ended, and how it ended could not be stored", "unstorable")


@dataclass(frozen=True, slots=True)
class _Work:
    message: TaskiqMessage
    claim: Claim
    ack: AckController
    execution: asyncio.Task[Any] = field(repr=False)


class Receiver(TaskiqReceiver):
    """Runs the messages of `broker`; `on_event` is told how each execution ended.

    Asked to finish, `listen` lets what runs go on for `drain_seconds`; the rest is for `hand_back_all`.
    """

    def __init__(
        self,
        broker: AsyncBroker,
        ledger: Ledger,
        sync_pool: SyncPool,
        on_event: Callable[[HistoryEvent | Moved], None],
        *,
        concurrency: int,
        drain_seconds: float,
    ) -> None:
        super().__init__(broker, max_async_tasks=concurrency, wait_tasks_timeout=drain_seconds, run_startup=False)
        self._ledger = ledger
        self._sync_pool = sync_pool
        self._on_event = on_event
        self._running: dict[asyncio.Task[Any], Claim] = {}
        self._stoppable: dict[Claim, asyncio.Task[Any]] = {}
        self._stopped_as: dict[Claim, Outcome] = {}
        self._unfenced = asyncio.Event()
        self._unfenced.set()
        self._stopping = False

    @property
    def active(self) -> int:
        """How many messages are being worked on."""
        return len(self._running)

    async def heed_ledger(self) -> None:
        """Stop what the ledger says is to be stopped, each once; raises Unavailable."""
        in_hand = [claim for claim in self._stoppable if claim not in self._stopped_as]
        if in_hand:
            for claim, outcome in (await self._ledger.to_stop(in_hand)).items():
                self._stop(claim, outcome)

    def fence(self) -> int:
        """Stop all that runs, and start nothing until the fence is lifted; returns how many attempts were stopped."""
        self._unfenced.clear()
        left = [claim for claim in self._stoppable if claim not in self._stopped_as]
        for claim in left:
            self._stop(claim, CUT_OFF)
        return len(left)

    def lift_fence(self) -> None:
        """Start again."""
        self._unfenced.set()

    def _stop(self, claim: Claim, outcome: Outcome) -> None:
        if claim in self._stoppable:  # and not about to be written down
            self._stopped_as[claim] = outcome
            self._stoppable[claim].cancel()

    async def let_go_rest(self) -> None:
        """Free what the ledger believes to be held here and is not in hand; raises Unavailable."""
        freed = await self._ledger.let_go_rest([claim.execution_id for claim in self._running.values()])
        if freed:
            log.warning("holds.freed", executions=freed)

    async def hand_back_all(self) -> None:
        """Cancel what still runs and wait until each has been given back."""
        self._stopping = True
        left = list(self._running)
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        crashpoint("receiver.handed_back")

    async def callback(self, message: bytes | AckableMessage, raise_err: bool = False) -> None:  # noqa: ARG002 - taskiq's signature
        """Work on one message.

        Where a server that is away keeps it from being handled, it stays unacknowledged: Redis delivers it again by
        itself, RabbitMQ once it is released. What is in hand already, and so delivered twice, is acknowledged.
        """
        work = self._parse(message)
        if work is None or work.claim in self._running.values():
            await self._acknowledge(message)
            return
        self._running[work.execution] = work.claim
        try:
            async with self._seat(work):
                await self._work_on(work)
        except Unavailable as error:
            log.warning("message.not_handled", execution=str(work.claim.execution_id), error=str(error))
        finally:
            del self._running[work.execution]
            if not work.ack.is_acked and isinstance(message, Delivery):
                await message.release()

    def _seat(self, work: _Work) -> AbstractAsyncContextManager[object]:
        """A plain function is claimed when there is a process for it: waiting for one is no part of its run."""
        task = self.broker.find_task(work.message.task_name)
        if task is None or inspect.iscoroutinefunction(task.original_func):
            return nullcontext()
        return self._sync_pool.seats

    async def _work_on(self, work: _Work) -> None:
        await self._unfenced.wait()
        attempt = await self._claim(work.claim)
        if attempt is not None:
            crashpoint("receiver.claimed")
            outcome = await self._run(attempt, work)
            crashpoint("receiver.ran")
            await _to_the_end(self._end(attempt, outcome))
            crashpoint("receiver.finished")
        await work.ack.ack()
        crashpoint("receiver.acknowledged")

    async def _claim(self, claim: Claim) -> Attempt | None:
        """Claim; when cancelled meanwhile, hand back what was won, since nobody else would know of it."""
        claiming = asyncio.ensure_future(self._won(claim))
        try:
            return await asyncio.shield(claiming)
        except asyncio.CancelledError:
            attempt = await claiming
            if attempt is not None:
                await self._end(attempt, HandBack("worker_stopped"))
            raise

    async def _won(self, claim: Claim) -> Attempt | None:
        """Ask until there is an answer; raises Unavailable only in a worker that stops.

        Not left to the next delivery of the message: it comes later than a short timeout ends, and the attempt would
        be a timeout that never ran. What was won is asked for once more when the answer is old: a process that was
        frozen between the two may have been given up, and another may be at it.
        """
        waited, old = False, False
        while True:
            asked_at = time.monotonic()
            try:
                attempt = await self._ledger.claim(claim)
            except Unavailable as error:
                if self._stopping:
                    raise
                if not waited:
                    log.warning("claim.waits", execution=str(claim.execution_id), error=str(error))
                waited = True
                await asyncio.sleep(CLAIM_RETRY_SECONDS)
            else:
                if attempt is None or old or time.monotonic() - asked_at < CLAIM_GOOD_SECONDS:
                    return attempt
                old = True

    def _parse(self, message: bytes | AckableMessage) -> _Work | None:
        """The delivery; None for a message that names no execution, which no later delivery would mend."""
        data = message.data if isinstance(message, AckableMessage) else message
        try:
            parsed = self.broker.formatter.loads(data)
            parsed.parse_labels()
            claim = Claim(UUID(parsed.task_id), _attempt_in(parsed.labels))
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
            # not the error's own words: they quote the message, and with it parameters that may be secrets
            log.warning("message.unreadable", error=type(error).__name__, length=len(data))
            return None
        ack = AckController(getattr(message, "ack", None))
        return _Work(parsed, claim, ack, cast("asyncio.Task[Any]", asyncio.current_task()))

    async def _acknowledge(self, message: bytes | AckableMessage) -> None:
        if isinstance(message, AckableMessage):
            await AckController(message.ack).ack()

    async def _run(self, attempt: Attempt, work: _Work) -> Outcome:
        """Run the task under its timeout; whatever it does becomes an outcome."""
        if not self._unfenced.is_set():
            return CUT_OFF
        deadline = asyncio.timeout(attempt.timeout_seconds)
        self._stoppable[work.claim] = work.execution
        try:
            async with deadline:
                return Succeeded(await self._call(work))
        except asyncio.CancelledError:
            return self._stopped(work)
        except TimeoutError as error:
            if deadline.expired():
                return Unsuccessful("timeout", f"ran longer than {attempt.timeout_seconds:g} s")
            return Unsuccessful("failed", _describe(error))
        except BaseException as error:  # noqa: BLE001 - not swallowed: SystemExit and its like too are the task's outcome
            return Unsuccessful("failed", _describe(error))
        finally:
            del self._stoppable[work.claim]
            self._stopped_as.pop(work.claim, None)

    def _stopped(self, work: _Work) -> Outcome:
        """Who cancelled the task: whoever had it stopped, this worker's end, or the task itself."""
        if work.claim in self._stopped_as:
            work.execution.uncancel()  # what follows is not cancelled: the outcome is written, the message acknowledged
            return self._stopped_as[work.claim]
        if work.execution.cancelling():
            return HandBack("worker_stopped")
        return Unsuccessful("failed", "the task was cancelled from inside")

    async def _call(self, work: _Work) -> Any:
        message = work.message
        task = self.broker.find_task(message.task_name)
        if task is None:
            raise LookupError(f"this worker knows no task {message.task_name!r}; is HORARIUM_TASK_MODULES set?")
        if message.task_name not in self.known_tasks:
            self._prepare_task(message.task_name, task.original_func)
        parse_params(self.task_signatures.get(message.task_name), self.task_hints.get(message.task_name) or {}, message)
        context = {
            **self.broker.custom_dependency_context,
            Context: Context(message, self.broker, work.ack),
            TaskiqState: self.broker.state,
        }
        graph = self.dependency_graphs[message.task_name]
        async with graph.async_ctx(context, self.broker.dependency_overrides or None) as dependencies:
            return await self._invoke(task, message, await dependencies.resolve_kwargs())

    async def _invoke(
        self, task: AsyncTaskiqDecoratedTask[Any, Any], message: TaskiqMessage, injected: dict[str, Any]
    ) -> Any:
        kwargs = injected | message.kwargs
        if inspect.iscoroutinefunction(task.original_func):
            return await task.original_func(*message.args, **kwargs)
        return await self._sync_pool.call(task.original_func, message.args, kwargs)

    async def _end(self, attempt: Attempt, outcome: Outcome) -> None:
        ending = decide(attempt, outcome)
        try:
            finished = await self._finish(attempt, ending)
        except Exception as error:  # noqa: BLE001 - not swallowed: the execution fails of it
            kind = type(error).__name__
            log.error("finish.impossible", execution=str(attempt.execution_id), error=kind)  # noqa: TRY400 - not its words: a database quotes the values it refuses
            ending = decide(attempt, UNSTORABLE)
            finished = await self._finish(attempt, ending)
        if finished is None:
            log.warning("finish.refused", execution=str(attempt.execution_id), attempt=attempt.attempt)
        else:
            tell_ending(attempt, ending, finished, self._on_event)

    async def _finish(self, attempt: Attempt, ending: Ending) -> Finished | None:
        """Finish, and try again for as long as Postgres is away; a stopping worker leaves it to the sweeper."""
        while True:
            try:
                return await self._ledger.finish(attempt, ending)
            except Unavailable as error:
                log.warning("finish.waits", execution=str(attempt.execution_id), error=str(error))
                if self._stopping:
                    return None
                await asyncio.sleep(FINISH_RETRY_SECONDS)


def _attempt_in(labels: dict[str, Any]) -> int:
    """The attempt that a message is for; ValueError for what no row can have, and no claim may ask Postgres for."""
    attempt = labels.get("attempt", 1)
    if type(attempt) is not int or not 0 <= attempt <= MAX_ATTEMPT:
        raise ValueError("attempt")
    return attempt


async def _to_the_end(work: Coroutine[Any, Any, None]) -> None:
    """Await `work` even when cancelled meanwhile, and be cancelled after it: a result is not left half-written."""
    task = asyncio.ensure_future(work)
    try:
        await asyncio.shield(task)
    except asyncio.CancelledError:
        await task
        raise


def _describe(error: BaseException) -> str:
    """The error and where it was raised, without the values of variables."""
    return storable_text("".join(traceback.format_exception(error)).strip()) or type(error).__name__
