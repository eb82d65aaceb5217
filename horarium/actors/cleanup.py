"""Takes away what nobody needs any more: old executions, deleted configs that none speaks of, orphans in Redis.

In small batches with a pause between them, so that a first clean-up of a year's rows does not stand in the way of the
next tick; and each walk goes on where the last step left off, so that what stays is not looked at every minute. The
newest tick row of every config stays: after a flush it is where the due index starts again. What ended within `LATELY`
stays as well, however many rows a config may keep: somebody may wait to read it, and the auditor counts it. What is
deleted is counted by its day in the same transaction (`horarium.day_counts`).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import anyio
import structlog

from horarium.actors.patience import patiently
from horarium.crashpoints import crashpoint
from horarium.day_counts import DayCounter, count_deleted, forget
from horarium.ids import least_id
from horarium.leadership import ALONE
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from anyio.abc import TaskStatus

    from horarium.keyspace.orphans import Orphans
    from horarium.leadership import Leads
    from horarium.sql.database import Database
    from horarium.supervisor import ChildContext

__all__ = ["Cleaned", "Cleanup", "Retention"]

log = structlog.get_logger(__name__)

EVERY_SECONDS = 60.0
BETWEEN_BATCHES_SECONDS = 0.2
STANDBY_SECONDS = 1.0
BATCH_ROWS = 1000
PAGE_CONFIGS = 500
"""Configs whose rows are counted in one step: for each, an index is read as far as its rows are kept."""

LATELY = timedelta(hours=3)
BEATS_SECONDS = 3600.0
"""How long what a worker wrote of itself in Postgres is kept, and what it was told, since it last read that."""

AGAIN_SECONDS = 3600.0
"""How often the walks by age and by number begin anew: for what was in flight, or newest, when they came by."""

FIRST = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Retention:
    """How long finished executions are kept, and how many of one config, 0: any number; how long the audit log is."""

    age: timedelta
    rows: int
    audit_log: timedelta = timedelta(days=365)


@dataclass(frozen=True, slots=True)
class Cleaned:
    """What one step took away; `more` says that there may be more to take away at once."""

    executions: int = 0
    configs: int = 0
    surplus: int = 0
    audit_entries: int = 0
    keys: int = 0
    more: bool = False

    @property
    def anything(self) -> bool:
        """Whether it took away anything at all."""
        return any((self.executions, self.configs, self.surplus, self.audit_entries, self.keys))


class Cleanup:
    """The actor; `tidy` deletes what is left of the broker's past, where it needs that."""

    def __init__(
        self,
        database: Database,
        orphans: Orphans,
        retention: Retention,
        *,
        tidy: Callable[[], Awaitable[int]] | None = None,
        clock: Callable[[], datetime],
        leadership: Leads = ALONE,
    ) -> None:
        self._database = database
        self._orphans = orphans
        self._retention = retention
        self._tidy = tidy
        self._clock = clock
        self._leadership = leadership
        self._day_counter = DayCounter(database, clock=clock)
        self._walked_until = FIRST
        self._counted_until = 0
        self._began_at = 0.0

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Clean up every minute, a batch at a time while there is much."""
        task_status.started()
        while True:
            if not self._leadership.leads:
                await context.sleep(STANDBY_SECONDS)
                continue
            cleaned = await patiently(context, self.step, "what has expired")
            if cleaned.anything:
                log.info(
                    "retention.cleaned",
                    executions=cleaned.executions + cleaned.surplus,
                    configs=cleaned.configs,
                    audit_entries=cleaned.audit_entries,
                    keys=cleaned.keys,
                )
            await context.sleep(BETWEEN_BATCHES_SECONDS if cleaned.more else EVERY_SECONDS)

    async def step(self) -> Cleaned:
        """Take away one batch of each kind; of what Redis holds, when there is no more of the others."""
        self._begin_anew()
        executions, more_old = await self._expired()
        surplus, more_configs = await self._surplus()
        more_to_count = await self._day_counter.step()
        async with self._database.transaction() as connection:
            configs = await QUERIES.task_config_purge.rows(connection, max_rows=BATCH_ROWS)
            await forget(connection, [row["id"] for row in configs])
        async with self._database.connection() as connection:
            await QUERIES.worker_beats_expire.rows(connection, seconds=BEATS_SECONDS)
            await QUERIES.worker_orders_expire.rows(connection, seconds=BEATS_SECONDS)
            messages = await QUERIES.notification_expire.rows(
                connection, before=least_id(self._clock() - self._retention.age), max_rows=BATCH_ROWS
            )
            entries = await QUERIES.audit_log_expire.rows(
                connection, before=self._clock() - self._retention.audit_log, max_rows=BATCH_ROWS
            )
        more = more_old or more_configs or more_to_count
        more = more or BATCH_ROWS in (len(configs), len(entries), len(messages))
        keys = 0 if more else await self._in_redis()  # once a minute is enough, however long the walks take
        return Cleaned(executions, len(configs), surplus, len(entries), keys, more)

    def _begin_anew(self) -> None:
        if anyio.current_time() - self._began_at >= AGAIN_SECONDS or self._began_at == 0.0:
            self._began_at, self._walked_until, self._counted_until = anyio.current_time(), FIRST, 0

    async def _expired(self) -> tuple[int, bool]:
        """Executions past their age: how many went, and whether there may be more."""
        before = self._clock() - self._retention.age
        async with self._database.transaction() as connection:
            await QUERIES.execution_days_lock.rows(connection)
            page = await QUERIES.execution_delete_expired.rows(
                connection,
                after=self._walked_until,
                completed_before=before,
                created_before=least_id(before),
                max_rows=BATCH_ROWS,
            )
            deleted = [row for row in page if row["is_deleted"]]
            await count_deleted(connection, deleted, self._clock())
        crashpoint("cleanup.executions_deleted")
        self._walked_until = page[-1]["id"] if page else self._walked_until
        return len(deleted), len(page) == BATCH_ROWS

    async def _surplus(self) -> tuple[int, bool]:
        """Executions beyond their number, of the next page of configs; the page again while there is more of it."""
        if not self._retention.rows:
            return 0, False
        async with self._database.transaction() as connection:
            await QUERIES.execution_days_lock.rows(connection)
            page = await QUERIES.task_config_ids.rows(connection, after=self._counted_until, max_rows=PAGE_CONFIGS)
            ids = [row["id"] for row in page]
            gone = await QUERIES.execution_delete_surplus.rows(
                connection,
                config_ids=ids,
                kept_rows=self._retention.rows,
                completed_before=self._clock() - LATELY,
                max_rows=BATCH_ROWS,
            )
            await count_deleted(connection, gone, self._clock())
        if len(gone) < BATCH_ROWS:
            self._counted_until = max(ids, default=self._counted_until)
        return len(gone), len(gone) == BATCH_ROWS or len(ids) == PAGE_CONFIGS

    async def _in_redis(self) -> int:
        """Orphans among the keys, in the timeout index, in the queues."""
        named = await self._orphans.configs()
        async with self._database.connection() as connection:
            gone = await QUERIES.task_config_gone.rows(connection, ids=sorted(named))
        deleted = await self._orphans.forget(row["id"] for row in gone)
        deleted += await self._orphans.trim_timeouts()
        return deleted + (0 if self._tidy is None else await self._tidy())
