"""Ends what nobody else will end: executions past their deadline, executions whose worker is gone, pauses run out.

A worker times its own tasks out, and stops those that are cancelled; the sweeper is for workers that cannot, because
they hang or are dead, and for tasks that do not heed it. An attempt that is ended here while its worker lives may still
run there: the worker goes on holding it (`held_by`), so that neither a retry nor the config's next tick runs beside it,
until the worker says that it is over, or is gone.

The timeout index in Redis says which deadlines have passed, Postgres says so by the clock that set them, and ends the
attempt by the same fenced statement a worker uses, so a late answer from a worker that was given up is refused.

Both waits are counted here, by the monotonic clock. A worker is gone when it has given no sign of life for
`GONE_SECONDS`: one flush of Redis takes all heartbeats away at once, and they are back within seconds. Those that are
missing in Redis are looked for in Postgres, where a worker goes that Redis does not hear; one that nobody hears has
stopped its work by then (`tasks/heartbeat.py`). A deadline is past for `DEADLINE_GRACE_SECONDS`: when Postgres returns
after a while, workers first say what ended meanwhile.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import anyio
import structlog

from horarium.actors.patience import patiently
from horarium.crashpoints import crashpoint
from horarium.endings import tell_ending
from horarium.keyspace.timeouts import Watch
from horarium.keyspace.workers import HEARTBEAT_TTL_SECONDS
from horarium.leadership import ALONE
from horarium.outcome import Cancelled, Unsuccessful, decide
from horarium.sql import executions
from horarium.sql.executions import Claim, Finish, attempt_of
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
    from datetime import datetime

    import asyncpg
    from anyio.abc import TaskStatus

    from horarium.keyspace.timeouts import TimeoutIndex
    from horarium.keyspace.workers import Workers
    from horarium.leadership import Leads
    from horarium.messages import Mailboxes
    from horarium.outcome import Outcome
    from horarium.sql.database import Database
    from horarium.sql.queries import Row
    from horarium.supervisor import ChildContext

__all__ = ["Swept", "TimeoutSweeper"]

Key = TypeVar("Key")

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 1.0
DEADLINE_GRACE_SECONDS = 5.0
"""How long past its deadline an execution is left to its worker, counted from when it is first seen so."""

CANCEL_GRACE_SECONDS = 5.0
"""How long a worker has to stop what was cancelled, counted from when the sweeper first sees it so."""

GONE_SECONDS = 8.0
"""How long a sign of life must be missing. After a kill it is missed once it has run out: 4.5 s, so 14 s in all."""

SWEEP_ROWS = 1000

PORTION_PAUSES = 100
"""Pauses ended together: the event loop waits while their ticks are counted, some 80 us for each day of a cron."""

PAST_DEADLINE = Unsuccessful("timeout", "ran past its deadline, and its worker did not stop it", "deadline_passed")
UNHEEDED = Cancelled("requested", "it was cancelled, and its worker did not stop it")
ORPHANED = Unsuccessful("lost", "its worker is gone", "worker_gone")


@dataclass(frozen=True, slots=True)
class Swept:
    """What one step ended: executions past their deadline, of workers that are gone, and cancelled; pauses; holds."""

    timed_out: int
    orphaned: int
    resumed: int
    cancelled: int = 0
    freed: int = 0


class TimeoutSweeper:
    """The actor; `end_pauses` is given the configs whose pause has run out, and says how many it has resumed."""

    def __init__(
        self,
        database: Database,
        timeouts: TimeoutIndex,
        workers: Workers,
        mailboxes: Mailboxes,
        *,
        clock: Callable[[], datetime],
        end_pauses: Callable[[Sequence[Row]], Awaitable[int]],
        leadership: Leads = ALONE,
    ) -> None:
        self._database = database
        self._timeouts = timeouts
        self._workers = workers
        self._mailboxes = mailboxes
        self._clock = clock
        self._end_pauses = end_pauses
        self._leadership = leadership
        self._looked_at = 0.0
        self._missing_since: dict[str, float] = {}
        self._beaten_at: dict[str, datetime] = {}
        self._overdue_since: dict[Claim, float] = {}
        self._cancelled_since: dict[Claim, float] = {}

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Sweep every second; now and then make the timeout index anew."""
        task_status.started()
        while True:
            if not self._leadership.leads:
                # nobody counts while standing by
                self._missing_since, self._overdue_since, self._cancelled_since = {}, {}, {}
                await context.sleep(SWEEP_SECONDS)
                continue
            swept = await patiently(context, self.step, "what is overdue")
            if swept != Swept(0, 0, 0):
                log.info(
                    "executions.swept",
                    timed_out=swept.timed_out,
                    orphaned=swept.orphaned,
                    cancelled=swept.cancelled,
                    freed=swept.freed,
                    resumed=swept.resumed,
                )
            await context.sleep(SWEEP_SECONDS)

    async def step(self) -> Swept:
        """End what is to be ended now."""
        running = await self._running()
        overdue = await self._overdue(running)
        await self._keep_index(running)
        crashpoint("timeout_sweeper.index_kept")
        holders = await self._holders()
        gone = await self._gone({row["worker"] for row in running} | holders)
        return Swept(
            timed_out=await self._end(overdue, PAST_DEADLINE, gone),
            cancelled=await self._end(self._unheeded(running), UNHEEDED, gone),
            orphaned=await self._end([row for row in running if row["worker"] in gone], ORPHANED, gone),
            freed=await self._free(holders & gone),
            resumed=await self._resume(),
        )

    async def _running(self) -> list[asyncpg.Record]:
        async with self._database.connection() as connection:
            return await executions.running(connection)

    async def _keep_index(self, running: Sequence[asyncpg.Record]) -> None:
        """Make the timeout index equal to what runs: a flush, or a worker that died, leaves it behind."""
        known = await self._timeouts.watched()
        await self._timeouts.unwatch(list(known - {row["id"] for row in running}))
        missing = [row for row in running if row["id"] not in known]
        await self._timeouts.watch([Watch(row["id"], row["attempt"], row["deadline_at"]) for row in missing])

    async def _overdue(self, running: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
        """What has been past its deadline long enough for its worker to have ended it."""
        suspects = set(await self._timeouts.overdue(self._clock(), SWEEP_ROWS))
        late = {Claim(row["id"], row["attempt"]) for row in running if row["overdue"] and row["id"] in suspects}
        self._overdue_since = _since(self._overdue_since, late)
        over = _longer_than(self._overdue_since, DEADLINE_GRACE_SECONDS)
        return [row for row in running if Claim(row["id"], row["attempt"]) in over]

    def _unheeded(self, running: Sequence[asyncpg.Record]) -> list[asyncpg.Record]:
        """What was cancelled long enough ago for its worker to have stopped it."""
        cancelled = {Claim(row["id"], row["attempt"]) for row in running if row["cancelled"]}
        self._cancelled_since = _since(self._cancelled_since, cancelled)
        over = _longer_than(self._cancelled_since, CANCEL_GRACE_SECONDS)
        return [row for row in running if Claim(row["id"], row["attempt"]) in over]

    async def _holders(self) -> set[str]:
        """The workers that hold what was ended without them."""
        async with self._database.connection() as connection:
            return {row["worker"] for row in await QUERIES.execution_holders.rows(connection)}

    async def _gone(self, workers: set[str]) -> set[str]:
        """Which of these workers have given no sign of life for long enough."""
        before, self._looked_at = self._looked_at, anyio.current_time()
        missing = await self._workers.gone(workers)
        if missing:
            missing -= await self._heard_by_postgres(missing)
        if anyio.current_time() - before > HEARTBEAT_TTL_SECONDS:
            self._missing_since = {}  # signs may have come and run out between this look and the last
        self._missing_since = _since(self._missing_since, missing)
        return _longer_than(self._missing_since, GONE_SECONDS)

    async def _heard_by_postgres(self, workers: set[str]) -> set[str]:
        """Which of these workers have given a sign there since the last look, or may have, where it is the first."""
        async with self._database.connection() as connection:
            rows = await QUERIES.worker_beats.rows(connection, workers=sorted(workers))
        before, self._beaten_at = self._beaten_at, {row["worker"]: row["beaten_at"] for row in rows}
        return {worker for worker, instant in self._beaten_at.items() if before.get(worker) != instant}

    async def _end(self, rows: Sequence[asyncpg.Record], outcome: Outcome, gone: set[str]) -> int:
        """End these attempts as their policy has it; returns how many were still there to be ended."""
        if not rows:
            return 0
        attempts = [attempt_of(row) for row in rows]
        finishes = [
            Finish(a.execution_id, a.attempt, decide(a, outcome), held=row["worker"] not in gone)
            for a, row in zip(attempts, rows, strict=True)
        ]
        async with self._database.connection() as connection:
            ended = await executions.finish(connection, finishes)
        crashpoint("timeout_sweeper.attempts_ended")
        await self._timeouts.unwatch([a.execution_id for a in attempts])
        for attempt, finish, done, row in zip(attempts, finishes, ended, rows, strict=True):
            if done is not None:
                tell_ending(attempt, finish.ending, done, self._mailboxes.record, worker=row["worker"])
        return sum(done is not None for done in ended)

    async def _free(self, workers: set[str]) -> int:
        """Free what workers held that are gone; returns how many executions."""
        if not workers:
            return 0
        async with self._database.connection() as connection:
            return len(await QUERIES.execution_free_held_by.rows(connection, workers=sorted(workers)))

    async def _resume(self) -> int:
        """End the pauses that have run out, many together: a thousand may end at one instant, with ticks at it."""
        async with self._database.connection() as connection:
            rows = await QUERIES.task_config_due_to_resume.rows(connection)
        resumed = 0
        for first in range(0, len(rows), PORTION_PAUSES):
            resumed += await self._end_pauses(rows[first : first + PORTION_PAUSES])
            crashpoint("timeout_sweeper.pauses_ended")
        return resumed


def _since(before: Mapping[Key, float], seen: Iterable[Key]) -> dict[Key, float]:
    """Since when each of `seen` has been so without a break, by the monotonic clock."""
    now = anyio.current_time()
    return {key: before.get(key, now) for key in seen}


def _longer_than(since: Mapping[Key, float], seconds: float) -> set[Key]:
    now = anyio.current_time()
    return {key for key, start in since.items() if now - start >= seconds}
