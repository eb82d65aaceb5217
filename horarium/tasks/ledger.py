"""The worker's hold on the ledger: claims and finishes of concurrent messages, each committed in groups.

The timeout index in Redis follows Postgres and never leads: an attempt is watched after it is claimed, and no
longer after it is finished. When Redis is away the attempt runs on; the sweeper rebuilds the index.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from horarium.errors import Unavailable
from horarium.keyspace.timeouts import Watch
from horarium.sql import executions
from horarium.sql.executions import Claim, Finish
from horarium.tasks.batching import Batcher

if TYPE_CHECKING:
    from collections.abc import Awaitable, Sequence

    from horarium.keyspace.timeouts import TimeoutIndex
    from horarium.outcome import Attempt, Ending
    from horarium.sql.database import Database
    from horarium.sql.executions import Finished

__all__ = ["Ledger"]

log = structlog.get_logger(__name__)


class Ledger:
    """Claims and finishes for one worker."""

    def __init__(self, database: Database, timeouts: TimeoutIndex, worker: str) -> None:
        self._database = database
        self._timeouts = timeouts
        self._worker = worker
        self._claims: Batcher[Claim, Attempt | None] = Batcher(self._claim_all)
        self._finishes: Batcher[Finish, Finished | None] = Batcher(self._finish_all)

    async def claim(self, claim: Claim) -> Attempt | None:
        """The attempt, now running here; None when it is not to be run. Raises Unavailable."""
        return await self._claims.submit(claim)

    async def finish(self, attempt: Attempt, ending: Ending) -> Finished | None:
        """What the ledger says now; None when this attempt had been superseded. Raises Unavailable."""
        return await self._finishes.submit(Finish(attempt.execution_id, attempt.attempt, ending))

    async def _claim_all(self, claims: Sequence[Claim]) -> list[Attempt | None]:
        async with self._database.connection() as connection:
            attempts = await executions.claim(connection, self._worker, claims)
        won = [Watch(a.execution_id, a.attempt, a.deadline_at) for a in attempts if a is not None]
        await self._follow(self._timeouts.watch(won))
        return attempts

    async def _finish_all(self, finishes: Sequence[Finish]) -> list[Finished | None]:
        async with self._database.connection() as connection:
            ended = await executions.finish(connection, finishes)
        # a refused finish speaks of an attempt that was given up; the one that is watched now is another
        done = [f.execution_id for f, end in zip(finishes, ended, strict=True) if end is not None]
        await self._follow(self._timeouts.unwatch(done))
        return ended

    async def _follow(self, update: Awaitable[None]) -> None:
        try:
            await update
        except Unavailable as error:
            log.warning("timeout_index.behind", worker=self._worker, error=str(error))
