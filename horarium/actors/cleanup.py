"""Takes away what nobody needs any more: executions past their retention, and deleted configs that none speaks of.

In small batches with a pause between them, so that a first clean-up of a year's rows does not stand in the way of
the next tick. What Redis keeps runs out by itself, and acknowledged messages are deleted by the broker. The newest
tick row of every config stays: after a flush it is where the due index starts again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import structlog

from horarium.actors.patience import patiently
from horarium.keyspace.due_index import to_ms
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime, timedelta

    from anyio.abc import TaskStatus

    from horarium.sql.database import Database
    from horarium.supervisor import ChildContext

__all__ = ["Cleaned", "Cleanup"]

log = structlog.get_logger(__name__)

EVERY_SECONDS = 60.0
BETWEEN_BATCHES_SECONDS = 0.2
BATCH_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What one step took away."""

    executions: int = 0
    configs: int = 0

    @property
    def more(self) -> bool:
        """Whether a batch was full, so that there may be more to take away at once."""
        return BATCH_ROWS in (self.executions, self.configs)


class Cleanup:
    """The actor; executions are kept for `retention` after they ended."""

    def __init__(self, database: Database, *, retention: timedelta, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._retention = retention
        self._clock = clock

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Clean up every minute, a batch at a time while there is much."""
        task_status.started()
        while True:
            cleaned = await patiently(context, self.step, "what has expired")
            if cleaned != Cleaned():
                log.info("cleaned", executions=cleaned.executions, configs=cleaned.configs)
            await context.sleep(BETWEEN_BATCHES_SECONDS if cleaned.more else EVERY_SECONDS)

    async def step(self) -> Cleaned:
        """Take away one batch of each kind."""
        before = self._clock() - self._retention
        async with self._database.connection() as connection:
            executions = await QUERIES.execution_delete_expired.rows(
                connection, completed_before=before, created_before=_least_id(before), max_rows=BATCH_ROWS
            )
            configs = await QUERIES.task_config_purge.rows(connection, max_rows=BATCH_ROWS)
        return Cleaned(len(executions), len(configs))


def _least_id(instant: datetime) -> UUID:
    """The least UUIDv7 that can be made at `instant`: its first 48 bits are Unix milliseconds (RFC 9562 5.7)."""
    return UUID(int=to_ms(instant) << 80)
