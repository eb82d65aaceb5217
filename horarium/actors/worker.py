"""Runs tasks: in a process of its own (`horarium worker`), or inside `horarium up`.

It lives by its heartbeat (`tasks/heartbeat.py`); whoever stops giving it is taken for gone, and what it ran is given
to others. Twice a second it asks the ledger which of its attempts are to be stopped. It takes messages while nobody
has told it otherwise (`tasks/listening.py`). Asked to stop, or drained, it takes no more, lets what runs go on for a
while, and then cancels it and hands it back; a worker that has a process to itself and is drained returns, and its
process ends.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import anyio
import structlog

from horarium.actors.patience import first_contact
from horarium.errors import Unavailable
from horarium.keyspace.workers import WorkerBeat
from horarium.tasks.broker import taskiq_broker
from horarium.tasks.heartbeat import Heartbeat
from horarium.tasks.ledger import Ledger
from horarium.tasks.listening import Listening
from horarium.tasks.orders import ORDERS_SECONDS, Orders
from horarium.tasks.receiver import LedgerReceiver
from horarium.tasks.sync_pool import SyncPool
from horarium.tasks.traced import TracedPublisher, TracedReceiver, TracedSyncPool

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from anyio.abc import TaskStatus

    from horarium.keyspace.timeouts import TimeoutIndex
    from horarium.keyspace.workers import Workers
    from horarium.messages import Mailboxes
    from horarium.sql.database import Database
    from horarium.supervisor import ChildContext
    from horarium.tasks.broker import Broker
    from horarium.tracing.spans import Tracing

__all__ = ["Worker", "WorkerConfig"]

log = structlog.get_logger(__name__)

STOPS_SECONDS = 0.5
"""How often a worker that runs something asks the ledger whether it is to be stopped."""

DEADLINES_SECONDS = 0.25
"""How often a worker brings the timeout index up to date with what it runs."""

HOLDS_SECONDS = 2.0
"""How often a worker sees to it that it holds nothing that it does not run."""

HAND_BACK_SECONDS = 60.0
"""How long a worker that ends gives signs of life for tasks that take their time to stop: they still run here."""


@dataclass(frozen=True, slots=True)
class WorkerConfig:
    """Who a worker is and how much it takes on; `drain_seconds` is how long it lets tasks go on when it stops.

    `id` is its process', and `inline` says that it has that process not to itself. With `tracing`, runs are spans.
    """

    id: str
    queues: tuple[str, ...]
    concurrency: int
    sync_processes: int
    drain_seconds: float
    inline: bool = False
    tracing: Tracing | None = None


class Worker:
    """The actor."""

    def __init__(
        self,
        config: WorkerConfig,
        broker: Broker,
        database: Database,
        timeouts: TimeoutIndex,
        workers: Workers,
        mailboxes: Mailboxes,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._config = config
        self._broker = broker
        self._database = database
        self._timeouts = timeouts
        self._workers = workers
        self._mailboxes = mailboxes
        self._clock = clock
        self._orders = Orders(database, config.id)

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Receive messages until asked to stop, or drained."""
        # an id of its own for each incarnation: what the one before left behind is nobody's, and its heartbeat ends
        worker_id = f"{self._config.id}:{context.incarnation}"
        sync_pool, ledger, receiver = self._parts(worker_id)
        drain_seconds, leaves = self._config.drain_seconds, not self._config.inline
        listening = Listening(receiver, self._orders, drain_seconds=drain_seconds, leaves=leaves)
        try:
            await first_contact(context, self._broker.startup, "the broker's start")
            async with anyio.create_task_group() as group:
                await group.start(self._heartbeat(worker_id, receiver, listening).keep, context.beat)
                group.start_soon(_repeat, self._orders.heed, ORDERS_SECONDS)
                group.start_soon(_repeat, receiver.heed_ledger, STOPS_SECONDS)
                group.start_soon(_repeat, receiver.let_go_rest, HOLDS_SECONDS)
                group.start_soon(_repeat, ledger.follow_deadlines, DEADLINES_SECONDS)
                task_status.started()
                await listening.run(context.stopping)
                with anyio.move_on_after(HAND_BACK_SECONDS):
                    await receiver.hand_back_all()
                group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                await receiver.hand_back_all()
                await self._leave(worker_id)
                await self._broker.shutdown()
            sync_pool.stop()

    def _parts(self, worker_id: str) -> tuple[SyncPool, Ledger, LedgerReceiver]:
        """What runs messages: plain, or with spans around it."""
        config, broker, record = self._config, self._broker, self._mailboxes.record
        options: dict[str, Any] = {"concurrency": config.concurrency, "drain_seconds": config.drain_seconds}
        if config.tracing is None:
            pool = SyncPool(config.sync_processes)
            ledger = Ledger(self._database, broker, self._timeouts, worker_id, record)
            return pool, ledger, LedgerReceiver(taskiq_broker(broker), ledger, pool, record, **options)
        pool, sender = TracedSyncPool(config.sync_processes), TracedPublisher(broker, config.tracing)
        ledger = Ledger(self._database, sender, self._timeouts, worker_id, record)
        return pool, ledger, TracedReceiver.over(broker, ledger, pool, record, tracing=config.tracing, **options)

    def _heartbeat(self, worker_id: str, receiver: LedgerReceiver, listening: Listening) -> Heartbeat:
        config, started_at = self._config, self._clock().isoformat()
        host, pid, release = socket.gethostname(), os.getpid(), version("horarium")

        def describe() -> WorkerBeat:
            return WorkerBeat(
                worker_id,
                config.queues,
                config.concurrency,
                receiver.active,
                started_at,
                process=config.id,
                inline=config.inline,
                host=host,
                pid=pid,
                version=release,
                state=listening.state,
                beaten_at=self._clock().isoformat(),
            )

        return Heartbeat(worker_id, self._workers, self._database, describe, receiver)

    async def _leave(self, worker_id: str) -> None:
        try:
            await self._workers.leave(worker_id)
        except Unavailable as error:
            log.warning("heartbeat.left_to_expire", worker=worker_id, error=str(error))


async def _repeat(step: Callable[[], Awaitable[None]], seconds: float) -> None:
    """Do `step` again and again; what a server is away for is done the next time, and said once."""
    waited = False
    while True:
        try:
            await step()
        except Unavailable as error:
            if not waited:
                log.warning("ledger.unheard", error=str(error))
            waited = True
        else:
            waited = False
        await anyio.sleep(seconds)
