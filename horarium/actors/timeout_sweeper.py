"""Ends what nobody else will end: executions past their deadline, executions whose worker is gone, pauses run out.

A worker times its own tasks out; the sweeper is for workers that cannot, because they hang or are dead. The timeout
index in Redis says cheaply which deadlines have passed; Postgres decides, by the same fenced statement a worker
uses, so a late answer from a worker that was given up is refused.

A worker is gone when its heartbeat has been missing for `GONE_SECONDS`, counted here by the monotonic clock: one
flush of Redis takes all heartbeats away at once and they are back within seconds, which is not the end of anybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import structlog

from horarium.actors.patience import patiently
from horarium.endings import tell_ending
from horarium.errors import Conflict, NotFound
from horarium.keyspace.timeouts import Watch
from horarium.outcome import Unsuccessful, decide
from horarium.sql import executions
from horarium.sql.executions import Finish, attempt_of
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from datetime import datetime

    import asyncpg
    from anyio.abc import TaskStatus

    from horarium.keyspace.timeouts import TimeoutIndex
    from horarium.keyspace.workers import Workers
    from horarium.messages import Mailboxes
    from horarium.sql.database import Database
    from horarium.supervisor import ChildContext

__all__ = ["Swept", "TimeoutSweeper"]

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 1.0
REBUILD_EVERY_SWEEPS = 30
"""How many sweeps pass between two rebuilds of the timeout index from Postgres."""

DEADLINE_GRACE = timedelta(seconds=5)
"""How far past its deadline an execution is left to its worker."""

GONE_SECONDS = 10.0
"""How long a heartbeat must be missing; a worker renews it every three seconds."""

SWEEP_ROWS = 1000

PAST_DEADLINE = Unsuccessful("timeout", "ran past its deadline, and its worker did not stop it", "deadline_passed")
ORPHANED = Unsuccessful("lost", "its worker is gone", "worker_gone")


@dataclass(frozen=True, slots=True)
class Swept:
    """What one step ended: executions past their deadline, executions of workers that are gone, pauses."""

    timed_out: int
    orphaned: int
    resumed: int


class TimeoutSweeper:
    """The actor; `resume` is told of each config whose pause has run out."""

    def __init__(
        self,
        database: Database,
        timeouts: TimeoutIndex,
        workers: Workers,
        mailboxes: Mailboxes,
        *,
        clock: Callable[[], datetime],
        resume: Callable[[int], Awaitable[object]],
    ) -> None:
        self._database = database
        self._timeouts = timeouts
        self._workers = workers
        self._mailboxes = mailboxes
        self._clock = clock
        self._resume = resume
        self._missing_since: dict[str, float] = {}

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Sweep every second; now and then make the timeout index anew."""
        task_status.started()
        sweeps = 0
        while True:
            if sweeps % REBUILD_EVERY_SWEEPS == 0:
                await patiently(context.id, self.rebuild)
            swept = await patiently(context.id, self.step)
            if swept != Swept(0, 0, 0):
                log.info("swept", timed_out=swept.timed_out, orphaned=swept.orphaned, resumed=swept.resumed)
            sweeps += 1
            await anyio.sleep(SWEEP_SECONDS)

    async def step(self) -> Swept:
        """End what is to be ended now."""
        running = await self._running()
        timed_out = await self._end(await self._overdue(running), PAST_DEADLINE)
        orphaned = await self._end(await self._orphans(running), ORPHANED)
        return Swept(timed_out, orphaned, await self._resume_paused())

    async def rebuild(self) -> None:
        """Make the timeout index equal to what runs."""
        running = await self._running()
        known = await self._timeouts.watched()
        await self._timeouts.unwatch(list(known - {row["id"] for row in running}))
        await self._timeouts.watch([Watch(row["id"], row["attempt"], row["deadline_at"]) for row in running])

    async def _running(self) -> list[asyncpg.Record]:
        async with self._database.connection() as connection:
            return await executions.running(connection)

    async def _overdue(self, running: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
        overdue = set(await self._timeouts.overdue(self._clock() - DEADLINE_GRACE, SWEEP_ROWS))
        await self._timeouts.unwatch(list(overdue - {row["id"] for row in running}))
        return [row for row in running if row["id"] in overdue]

    async def _orphans(self, running: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
        """What runs at workers whose heartbeat has been missing long enough."""
        now = anyio.current_time()
        missing = await self._workers.gone({row["worker"] for row in running})
        self._missing_since = {worker: self._missing_since.get(worker, now) for worker in missing}
        gone = {worker for worker, since in self._missing_since.items() if now - since >= GONE_SECONDS}
        return [row for row in running if row["worker"] in gone]

    async def _end(self, rows: Sequence[asyncpg.Record], outcome: Unsuccessful) -> int:
        """End these attempts as their policy has it; returns how many were still there to be ended."""
        if not rows:
            return 0
        attempts = [attempt_of(row) for row in rows]
        finishes = [Finish(a.execution_id, a.attempt, decide(a, outcome)) for a in attempts]
        async with self._database.connection() as connection:
            ended = await executions.finish(connection, finishes)
        await self._timeouts.unwatch([a.execution_id for a in attempts])
        for attempt, finish, done in zip(attempts, finishes, ended, strict=True):
            if done is not None:
                tell_ending(attempt, finish.ending, done, self._mailboxes.record)
        return sum(done is not None for done in ended)

    async def _resume_paused(self) -> int:
        async with self._database.connection() as connection:
            rows = await QUERIES.task_config_due_to_resume.rows(connection)
        return sum([await self._resumed(row["id"]) for row in rows])

    async def _resumed(self, config_id: int) -> bool:
        """End a pause; False when somebody else (another supervisor's sweeper, a user) was first."""
        try:
            await self._resume(config_id)
        except (Conflict, NotFound) as error:
            log.info("resume.not_needed", config_id=config_id, error=str(error))
            return False
        return True
