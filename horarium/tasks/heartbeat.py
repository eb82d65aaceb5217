"""A worker's sign of life, and what it does when nobody can have heard of it: then it may be taken for gone.

The sign goes to Redis, and where Redis does not take it, to Postgres: a worker that has lost one of the two goes on
with its work. One that reaches neither cannot know whether others do, and have given it up. So it is *fenced* before
they can have: what it runs is stopped, and it starts nothing until it is heard again.

The timing is one inequality, all of it by monotonic clocks. The sweeper gives a worker up when it has missed its sign
for `timeout_sweeper.GONE_SECONDS`, and a sign can be missing from the instant it was sent, for Redis may be flushed at
any moment. The worker counts from that instant, too:

    FENCE_SECONDS + LAST_TRY_SECONDS + the time to stop what runs < GONE_SECONDS

A worker that is frozen, with its whole machine or by a call that blocks its loop, can stop nothing. It tries to be
heard first when it wakes, and learns from the ledger within half a second what is its own no more (`heed_ledger`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import anyio
import structlog

from horarium.errors import Unavailable
from horarium.keyspace.workers import HEARTBEAT_TTL_SECONDS
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskStatus

    from horarium.keyspace.workers import WorkerBeat, Workers
    from horarium.sql.database import Database

__all__ = ["Fenced", "Heartbeat"]

log = structlog.get_logger(__name__)

BEAT_SECONDS = HEARTBEAT_TTL_SECONDS / 3
TELL_SECONDS = 1.5
"""How long each of the two servers has to take a sign."""

AGAIN_SECONDS = 0.25
"""The pause after a sign that neither took."""

FENCE_SECONDS = 5.0
"""How long after its last sign, counted from when that was sent, a worker trusts that it is known to live."""

LAST_TRY_SECONDS = 1.0
"""How long it tries all the same where this is over already: it has been frozen, or is fenced."""


class Fenced(Protocol):
    """What is kept within the fence."""

    def fence(self) -> int:
        """Stop all that runs, and start nothing; returns how many attempts were stopped."""

    def lift_fence(self) -> None:
        """Start again."""


@dataclass(slots=True)
class Heartbeat:
    """Says of one worker that it lives; `describe` answers what it says of itself, `clock` is in seconds, monotonic."""

    worker: str
    workers: Workers
    database: Database
    describe: Callable[[], WorkerBeat]
    fenced: Fenced
    clock: Callable[[], float] = anyio.current_time
    _told_at: float = 0.0
    _is_fenced: bool = False
    _by_postgres: bool = False

    async def keep(self, on_beat: Callable[[], None], *, task_status: TaskStatus[None]) -> None:
        """Say so until cancelled; `on_beat` is called with each sign, `task_status` after the first, taken or not."""
        self._told_at = self.clock()
        told = await self._beat()
        task_status.started()
        while True:
            on_beat()
            await anyio.sleep(BEAT_SECONDS if told else AGAIN_SECONDS)
            told = await self._beat()

    async def _beat(self) -> bool:
        """One sign; whether it was taken before the worker had to be fenced."""
        sent_at, told = self.clock(), False
        with anyio.move_on_after(max(self._told_at + FENCE_SECONDS - sent_at, LAST_TRY_SECONDS)):
            told = await self._tell()
        if told:
            self._told_at = sent_at
            self._lift_fence()
        elif self.clock() - self._told_at >= FENCE_SECONDS:
            self._fence()
        return told

    async def _tell(self) -> bool:
        """Whether one of the two servers took the sign."""
        refused = await _refusal(self.workers.beat(self.describe()))
        if self._by_postgres != (refused is not None):
            self._by_postgres = not self._by_postgres
            log.warning("heartbeat.moved", worker=self.worker, server="postgres" if refused else "redis", error=refused)
        return refused is None or await _refusal(self._tell_postgres()) is None

    async def _tell_postgres(self) -> None:
        async with self.database.connection() as connection:
            await QUERIES.worker_beat.value(connection, worker=self.worker)

    def _fence(self) -> None:
        if not self._is_fenced:
            self._is_fenced = True
            log.error("worker.fenced", worker=self.worker, executions=self.fenced.fence())

    def _lift_fence(self) -> None:
        if self._is_fenced:
            self._is_fenced = False
            self.fenced.lift_fence()
            log.warning("worker.fence_lifted", worker=self.worker)


async def _refusal(telling: Awaitable[None]) -> str | None:
    """Why a sign was not taken; None when it was."""
    try:
        with anyio.fail_after(TELL_SECONDS):
            await telling
    except (Unavailable, TimeoutError) as error:
        return str(error) or "it took too long"
    return None
