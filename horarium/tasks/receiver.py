"""One message, from delivery to acknowledgement: claim, run, finish, acknowledge.

taskiq's own Receiver acknowledges even what it failed to save, drops what it cannot find, and does not time out
plain functions. This subclass keeps taskiq's fetching and its dependency injection, and replaces what is done with
a message:

1. *Claim* the attempt in Postgres, and try again for as long as Postgres is away: the claim that was not answered may
   be committed. No row back: a duplicate, or a cancelled or superseded execution; acknowledge. A config's is run as its
   row says, whatever is in the message. The claim of what an app has kicked by itself (`kicked.py`) makes its row.
2. *Run* it under its timeout. A coroutine is cancelled, a plain function's process is killed; so it is when somebody
   asks for the execution to be stopped, when the attempt was ended without this worker, and when the worker may be
   taken for gone (`fence`). Then the app's middlewares are told (`app_side.py`).
3. *Finish* it, fenced by its attempt, and try again for as long as Postgres is away: the answer is worth it. What is
   final then, the app's result backend gets, too.
4. *Acknowledge*, last. A worker that dies before leaves a message that somebody claims in vain, or a row that the
   sweeper ends.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, cast

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
from horarium.sql.executions import Claim
from horarium.stages import bind_ids, tell_started
from horarium.tasks.app_side import Ran, acknowledge, before, changes_what_is_sent, read, save, settle
from horarium.tasks.context import contexts
from horarium.tasks.giving_back import drop, give_back
from horarium.tasks.intake import Intake
from horarium.tasks.kicked import NO_JSON, claim_in, kicked, take_off_labels
from horarium.tasks.stops import Stops
from horarium.tasks.to_the_end import ended, to_the_end
from horarium.tasks.work import Work

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager
    from uuid import UUID

    from taskiq import AsyncBroker
    from taskiq.decor import AsyncTaskiqDecoratedTask

    from horarium.live_events import Told
    from horarium.outcome import Attempt, Ending
    from horarium.sql.executions import Finished
    from horarium.tasks.ledger import Ledger
    from horarium.tasks.sync_pool import SyncPool

__all__ = ["LedgerReceiver"]

log = structlog.get_logger(__name__)

CLAIM_RETRY_SECONDS = 0.5
CLAIM_GOOD_SECONDS = 5.0
"""How old the answer to a claim may be: less than after which a worker that is silent is given up."""

FINISH_RETRY_SECONDS = 0.5

CUT_OFF = HandBack("worker_cut_off")
UNSTORABLE = Unsuccessful("failed", "the task ended, and how it ended could not be stored", "unstorable")


class LedgerReceiver(TaskiqReceiver):
    """Runs the messages of `broker`; `on_event` is told how each execution ended.

    Asked to finish, `listen` lets what runs go on for `drain_seconds`; the rest is for `hand_back_all`.
    """

    def __init__(
        self,
        broker: AsyncBroker,
        ledger: Ledger,
        sync_pool: SyncPool,
        on_event: Callable[[Told], None],
        *,
        concurrency: int,
        drain_seconds: float,
    ) -> None:
        super().__init__(broker, max_async_tasks=concurrency, wait_tasks_timeout=drain_seconds, run_startup=False)
        self._seats = asyncio.Semaphore(concurrency)
        self._ledger = ledger
        self._sync_pool = sync_pool
        self._on_event = on_event
        self._in_hand: dict[Claim | UUID, Work] = {}
        self._stops = Stops()
        self._unfenced = asyncio.Event()
        self._unfenced.set()
        self._stopping = False
        self._takes = True
        self._unbegun: set[asyncio.Task[Any]] = set()

    @property
    def active(self) -> int:
        """How many messages are being worked on."""
        return len(self._in_hand)

    async def heed_ledger(self) -> None:
        """Stop what the ledger says is to be stopped, each once; raises Unavailable."""
        in_hand = self._stops.left()
        if in_hand:
            for claim, outcome in (await self._ledger.to_stop(in_hand)).items():
                self._stops.stop(claim, outcome)

    def fence(self) -> int:
        """Stop all that runs, and start nothing until the fence is lifted; returns how many attempts were stopped."""
        self._unfenced.clear()
        left = self._stops.left()
        for claim in left:
            self._stops.stop(claim, CUT_OFF)
        return len(left)

    def lift_fence(self) -> None:
        """Start again."""
        self._unfenced.set()

    async def let_go_rest(self) -> None:
        """Free what the ledger believes to be held here and is not in hand; raises Unavailable."""
        freed = await self._ledger.let_go_rest([work.execution_id for work in self._in_hand.values()])
        if freed:
            log.warning("holds.freed", executions=freed)

    def take(self) -> None:
        """Begin what arrives, after `give_back` or `hand_back_all`."""
        self._takes, self._stopping = True, False

    def give_back(self) -> None:
        """Begin nothing more; what waits for its turn here is given back to the broker, and what runs goes on."""
        self._takes = False
        for waiting in self._unbegun:
            waiting.cancel()

    async def idle(self) -> None:
        """Wait until nothing is being worked on."""
        while self._in_hand:
            await asyncio.wait([work.execution for work in self._in_hand.values()])

    async def hand_back_all(self) -> None:
        """Cancel what still runs and wait until each has been given back."""
        self._stopping = True
        left = [work.execution for work in self._in_hand.values()]
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)
        await self._ledger.reports.stop()
        crashpoint("receiver.handed_back")

    async def listen(self, finish_event: asyncio.Event) -> None:
        """Work on what comes until `finish_event`; taskiq's own loop, for a quarter of its price."""
        if self.run_startup:
            await self.broker.startup()
        intake = Intake(self.broker.listen(), self.callback, seats=self._seats, most=self.max_tasks_to_execute)
        await intake.run(finish_event, drain_seconds=self.wait_tasks_timeout)
        if self.on_exit is not None:
            self.on_exit(self)

    async def callback(self, message: bytes | AckableMessage, raise_err: bool = False) -> None:  # noqa: ARG002 - taskiq's signature
        """Work on one message.

        Where a server that is away keeps it from being handled, it stays unacknowledged: Redis delivers it again by
        itself, RabbitMQ once it is released. What is in hand already, and so delivered twice, is acknowledged; but not
        before there is a row: the first delivery may be worth nothing by then, and this be all there is.
        """
        ack = AckController(getattr(message, "ack", None))
        work = self._parse(message, ack)
        first = None if work is None else self._in_hand.get(work.key)
        if first is not None and not await first.has_row():
            await give_back(message)
            return
        if work is None or first is not None:
            await drop(ack)
            return
        self._in_hand[work.key] = work
        try:
            if self._takes:
                await self._begin(work)
        except Unavailable as error:
            log.warning("message.not_handled", task_id=work.message.task_id, error=str(error))
        finally:
            self._unbegun.discard(work.execution)
            del self._in_hand[work.key]
            work.decided.set()
            if not ack.is_acked:
                await give_back(message)

    async def _begin(self, work: Work) -> None:
        """Work on it when its turn has come; until then it can be given back."""
        self._unbegun.add(work.execution)
        async with self._seat(work):
            await self._unfenced.wait()
            self._unbegun.discard(work.execution)
            await self._work_on(work)

    def _seat(self, work: Work) -> AbstractAsyncContextManager[object]:
        """A plain function is claimed when there is a process for it: waiting for one is no part of its run."""
        task = self.broker.find_task(work.message.task_name)
        if task is None or inspect.iscoroutinefunction(task.original_func):
            return nullcontext()
        return self._sync_pool.seats

    async def _work_on(self, work: Work) -> None:
        attempt = await self._claim(work)
        work.is_claimed = True
        work.decided.set()
        if attempt is not None:
            crashpoint("receiver.claimed")
            work.execution_id = attempt.execution_id
            await self._carry_out(attempt, work)
        await acknowledge(work.ack)
        crashpoint("receiver.acknowledged")

    async def _carry_out(self, attempt: Attempt, work: Work) -> None:
        """Run a claimed attempt, and write down how it ended."""
        bind_ids(attempt)  # never unbound: each message is worked on in a task, and so in a context, of its own
        tell_started(attempt, self._ledger.worker)
        with self._ledger.reports.running(attempt):
            ran = await self._run(attempt, work)
        crashpoint("receiver.ran")
        await to_the_end(self._end(attempt, work, ran))
        crashpoint("receiver.finished")

    async def _claim(self, work: Work) -> Attempt | None:
        """Claim; when cancelled meanwhile, hand back what was won, since nobody else would know of it."""
        claiming = work.execution.get_loop().create_task(self._won(work))
        try:
            await ended(claiming)
        except asyncio.CancelledError:
            attempt = claiming.result()
            if attempt is not None:
                await to_the_end(self._write(attempt, work, Ran(work.message, HandBack("worker_stopped"))))
            raise
        return claiming.result()

    async def _won(self, work: Work) -> Attempt | None:
        """Ask until there is an answer; raises Unavailable only in a worker that stops.

        Not left to the next delivery of the message: it comes later than a short timeout ends, and the attempt would
        be a timeout that never ran. What was won is asked for once more when the answer is old: a process that was
        frozen between the two may have been given up, and another may be at it.
        """
        waited, old = False, False
        while True:
            asked_at = time.monotonic()
            try:
                attempt = await self._ask(work)
            except Unavailable as error:
                if self._stopping:
                    raise
                if not waited:
                    log.warning("claim.waits", task_id=work.message.task_id, error=str(error))
                waited = True
                await asyncio.sleep(CLAIM_RETRY_SECONDS)
            else:
                if attempt is None or old or time.monotonic() - asked_at < CLAIM_GOOD_SECONDS:
                    return attempt
                old = True

    async def _ask(self, work: Work) -> Attempt | None:
        if work.kick is not None:
            return await self._ledger.claim_kicked(work.kick.row)
        attempt = await self._ledger.claim(cast("Claim", work.claim))
        if attempt is not None:
            work.is_external = attempt.config_id is None
            counts = changes_what_is_sent(self.broker) and not self._is_left_to_administrators(work.message.task_name)
            if attempt.parameters is not None and not counts:
                work.run_as(attempt.task_type, attempt.parameters)
        return attempt

    def _is_left_to_administrators(self, task_name: str) -> bool:
        """Whether it is run by configs alone, as rows say: whoever may write to the broker is no administrator."""
        task = self.broker.find_task(task_name)
        return task is not None and bool(task.labels.get("admin_only"))

    def _parse(self, message: bytes | AckableMessage, ack: AckController) -> Work | None:
        """The delivery; None for a message that can be no execution, which no later delivery would mend."""
        data = message.data if isinstance(message, AckableMessage) else message
        try:
            parsed = read(self.broker, data)
            claim = claim_in(parsed)
            kick = None if claim is not None else kicked(parsed, self._signature(parsed.task_name))
        except (ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RecursionError) as error:
            # not the error's own words: they quote the message, and with it parameters that may be secrets
            log.warning("message.unreadable", error=type(error.__cause__ or error).__name__, bytes=len(data))
            return None
        execution_id = kick.row.execution_id if kick is not None else cast("Claim", claim).execution_id
        is_external = kick is not None or take_off_labels(parsed)
        task = cast("asyncio.Task[Any]", asyncio.current_task())
        return Work(parsed, claim, kick, ack, is_external, execution_id, task)

    def _signature(self, task_name: str) -> inspect.Signature | None:
        task = self.broker.find_task(task_name)
        if task is not None and task_name not in self.known_tasks:
            self._prepare_task(task_name, task.original_func)
        return self.task_signatures.get(task_name)

    async def _run(self, attempt: Attempt, work: Work) -> Ran:
        """Run the task under its timeout; whatever it does becomes an outcome."""
        ran = Ran(work.message, CUT_OFF, was_stopped=True)
        if not self._unfenced.is_set():
            return ran
        claim, began = Claim(attempt.execution_id, attempt.attempt), time.monotonic()
        ran.was_stopped = False
        deadline = asyncio.timeout(attempt.timeout_seconds)
        with self._stops.running(claim, work.execution):
            try:
                async with deadline:
                    ran.message = await before(self.broker, work.message)
                    ran.outcome = Succeeded(await self._call(ran.message, work))
            except asyncio.CancelledError as error:
                ran.outcome, ran.error = self._stops.outcome(claim), error
                ran.was_stopped = not isinstance(ran.outcome, Unsuccessful)
            except BaseException as error:  # noqa: BLE001 - not swallowed: SystemExit and its like too are the task's outcome
                if isinstance(error, TimeoutError) and deadline.expired():
                    ran.times_out(attempt)
                else:
                    ran.fails(attempt, error, external=work.is_external)
        ran.seconds = time.monotonic() - began
        return ran

    async def _call(self, message: TaskiqMessage, work: Work) -> Any:
        if work.kick is not None and work.kick.fault is not None:
            raise ValueError(work.kick.fault)
        task = self.broker.find_task(message.task_name)
        if task is None:
            raise LookupError(f"this worker knows no task {message.task_name!r}; is HORARIUM_TASK_MODULES set?")
        if work.is_external and self._is_left_to_administrators(message.task_name):
            raise PermissionError(f"{message.task_name} is left to administrators: it is run by configs alone")
        if message.task_name not in self.known_tasks:
            self._prepare_task(message.task_name, task.original_func)
        parse_params(self.task_signatures.get(message.task_name), self.task_hints.get(message.task_name) or {}, message)
        graph = self.dependency_graphs[message.task_name]
        if graph.is_empty():
            return await self._invoke(task, message, {})
        context = {
            **self.broker.custom_dependency_context,
            **contexts(Context(message, self.broker, work.ack), graph),
            TaskiqState: self.broker.state,
        }
        async with graph.async_ctx(context, self.broker.dependency_overrides or None) as dependencies:
            return await self._invoke(task, message, await dependencies.resolve_kwargs())

    async def _invoke(
        self, task: AsyncTaskiqDecoratedTask[Any, Any], message: TaskiqMessage, injected: dict[str, Any]
    ) -> Any:
        kwargs = injected | message.kwargs
        if inspect.iscoroutinefunction(task.original_func):
            return await task.original_func(*message.args, **kwargs)
        return await self._sync_pool.call(task.original_func, message.args, kwargs)

    async def _end(self, attempt: Attempt, work: Work, ran: Ran) -> None:
        """Tell the app, then the ledger, then whoever waits for the result of what is final."""
        result = await settle(self.broker, ran, external=work.is_external)
        finished = await self._write(attempt, work, ran)
        if result is not None and finished is not None and finished.completed_at is not None:
            await save(self.broker, ran, result)

    async def _write(self, attempt: Attempt, work: Work, ran: Ran) -> Finished | None:
        outcome = ran.outcome
        if isinstance(outcome, HandBack) and work.kick is not None and not work.kick.can_be_sent_again:
            outcome = Unsuccessful("lost", f"its worker stopped it, and {NO_JSON}", outcome.reason)
        ending = decide(attempt, outcome)
        try:
            finished = await self._finish(attempt, ending)
        except Exception as error:  # noqa: BLE001 - not swallowed: the execution fails of it
            kind = type(error).__name__
            log.error("finish.impossible", task_id=str(attempt.task_id), attempt=attempt.attempt, error=kind)  # noqa: TRY400 - not its words: a database quotes the values it refuses
            ending = decide(attempt, UNSTORABLE)
            finished = await self._finish(attempt, ending)
        if finished is None:
            log.warning("finish.refused", task_id=str(attempt.task_id), attempt=attempt.attempt)
        else:
            tell_ending(attempt, ending, finished, self._on_event, worker=self._ledger.worker, seconds=ran.seconds)
        return finished

    async def _finish(self, attempt: Attempt, ending: Ending) -> Finished | None:
        """Finish, and try again for as long as Postgres is away; a stopping worker leaves it to the sweeper."""
        waited = False
        while True:
            try:
                return await self._ledger.finish(attempt, ending)
            except Unavailable as error:
                if not waited:
                    log.warning("finish.waits", task_id=str(attempt.task_id), attempt=attempt.attempt, error=str(error))
                waited = True
                if self._stopping:
                    return None
                await asyncio.sleep(FINISH_RETRY_SECONDS)
