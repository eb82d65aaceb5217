"""The read side: what the API shows, put together from Postgres and Redis in a bounded number of queries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Self

from horarium.errors import NotFound
from horarium.ids import least_id
from horarium.kept import KEPT_TIMES_COST, Kept
from horarium.model import (
    ConfigName,
    ConfigOutcomes,
    Execution,
    ExecutionDetail,
    ExecutionLog,
    RelatedExecution,
    TaskConfig,
)
from horarium.sql import task_configs
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from horarium.keyspace.due_index import DueIndex
    from horarium.keyspace.history import History
    from horarium.sql.database import Database
    from horarium.sql.queries import Connection
    from horarium.sql.task_configs import ConfigFilter, ConfigPage

__all__ = ["LARGE_TOTAL", "ExecutionFilter", "ExecutionPage", "Views", "sums_good_for", "total_good_for"]


CLOCKS_DIFFER = timedelta(days=1)
"""How much earlier than its tick a row may say that it was made, at the most: by a clock that was set, or another's."""

LARGE_TOTAL = 10_000
"""From here on nobody misses one."""
QUICK_SECONDS = 0.1
LONGEST_SECONDS = 20.0

IN_FLIGHT = frozenset({"pending", "queued", "running", "retrying"})


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """What a list of executions is narrowed to; None leaves a filter out."""

    status: str | None = None
    config_id: int | None = None
    trigger: str | None = None
    since: Any = None
    until: Any = None
    worker: str | None = None

    def values(self) -> dict[str, Any]:
        """As the statements take them."""
        implied = {
            "made_since": None if self.since is None else least_id(self.since - CLOCKS_DIFFER),
            "in_flight": self.status in IN_FLIGHT,
            "outcome": None if self.status in IN_FLIGHT or self.status == "success" else self.status,
        }
        return {name: getattr(self, name) for name in self.__slots__} | implied


@dataclass(frozen=True, slots=True)
class ExecutionPage:
    """A page of executions; the next one begins `before` its last row, whose own id is not always the one shown."""

    items: list[Execution]
    before: UUID | None
    total: int

    @classmethod
    def of(cls, found: Sequence[asyncpg.Record], shown: list[Execution], total: int) -> Self:
        """The page that is shown of what was found, which is one row more where others follow."""
        return cls(shown, found[len(shown) - 1]["id"] if len(found) > len(shown) else None, int(total))


def sums_good_for(_sums: object, took: float) -> float:
    """For how many seconds sums over the ledger are good that took so many: what is quick is told as it is now."""
    return min(KEPT_TIMES_COST * took, LONGEST_SECONDS) if took > QUICK_SECONDS else 0.0


def total_good_for(total: int, took: float) -> float:
    """The same of the total of a list: one of three says three, at any moment."""
    return min(KEPT_TIMES_COST * took, LONGEST_SECONDS) if total >= LARGE_TOTAL else sums_good_for(total, took)


class Views:
    """Reads for the API; raises NotFound and Unavailable."""

    def __init__(self, database: Database, index: DueIndex, history: History) -> None:
        self.index = index
        self._database = database
        self._history = history
        self._totals = Kept(self._count, good_for=total_good_for)
        self._stats = Kept(self._read_stats, good_for=sums_good_for)

    async def config(self, config_id: int) -> TaskConfig:
        """One config."""
        async with self._database.connection() as connection:
            row = await QUERIES.task_config_shown.row(connection, id=config_id)
        if row is None:
            raise NotFound("task config", config_id)
        ticks = await self.index.ticks([config_id])
        return TaskConfig.of(row, next_run_at=ticks.get(config_id), last=row["last_execution"])

    async def named(self, config_ids: Sequence[int]) -> list[ConfigName]:
        """What these configs are called, deleted ones as well."""
        async with self._database.connection() as connection:
            rows = await QUERIES.task_config_named.rows(connection, ids=sorted({*config_ids}))
        return [ConfigName(**dict(row)) for row in rows]

    async def configs(self, wanted: ConfigFilter, at: ConfigPage) -> tuple[list[TaskConfig], int]:
        """A page of configs, and how many there are in all."""
        async with self._database.connection() as connection:
            rows = await task_configs.page(connection, wanted, at)
            total = await task_configs.count(connection, wanted)
        ticks = await self.index.ticks([row["id"] for row in rows])
        shown = [TaskConfig.of(row, next_run_at=ticks.get(row["id"]), last=row["last_execution"]) for row in rows]
        return shown, total

    async def decided_until(self, config: TaskConfig) -> datetime | None:
        """Up to when a config's ticks have rows or will be skipped; None when none is to come until somebody acts."""
        if config.status == "paused" and config.paused_until is not None:
            return config.paused_until - timedelta(microseconds=1)
        async with self._database.connection() as connection:
            row = await QUERIES.task_config_schedules.row(connection, ids=[config.id])
        return row["decided_until"] if row is not None else None

    async def is_scheduled(self, config_id: int) -> bool:
        """Whether the due index has the config, asked now."""
        return config_id in await self.index.ticks([config_id])

    async def stats(self, config_id: int) -> asyncpg.Record:
        """A config's figures over everything the ledger still holds."""
        return await self._stats.get(config_id)

    async def _read_stats(self, config_id: int) -> asyncpg.Record:
        async with self._database.connection() as connection:
            row = await QUERIES.execution_stats.row(connection, config_id=config_id)
        assert row is not None, "an aggregate without GROUP BY always answers a row"  # noqa: S101 - SQL's own promise
        return row

    async def history(self, config_id: int, limit: int) -> list[dict[str, Any]]:
        """The newest events of a config, newest first."""
        await self.config(config_id)
        return await self.recent_history(config_id, limit)

    async def recent_history(self, config_id: int, limit: int) -> list[dict[str, Any]]:
        """The same of a config that is known to be there."""
        return await self._history.newest(config_id, limit)

    async def execution(self, task_id: UUID) -> ExecutionDetail:
        """One execution."""
        async with self._database.connection() as connection:
            row = await _public(connection, task_id)
            said = await QUERIES.execution_report_progress.rows(connection, ids=[row["id"]])
        return ExecutionDetail.of(row, said[0] if said else None)

    async def related(self, task_id: UUID, *, limit: int) -> list[RelatedExecution]:
        """The executions that repeat this one, and those about the same tick, newest first."""
        async with self._database.connection() as connection:
            row = await _public(connection, task_id)
            rows = await QUERIES.execution_related.rows(connection, id=row["id"], max_rows=limit)
        return [RelatedExecution.of(each) for each in rows]

    async def log(self, task_id: UUID, attempt: int | None, after: int) -> ExecutionLog:
        """What an attempt has logged, from the line behind `after` on; by default the newest that has said anything."""
        async with self._database.connection() as connection:
            row = await _public(connection, task_id)
            said = [each["attempt"] for each in await QUERIES.execution_report_attempts.rows(connection, id=row["id"])]
            shown = attempt or (said[-1] if said else row["attempt"])
            lines = await QUERIES.execution_report_lines.row(connection, id=row["id"], attempt=shown)
        return ExecutionLog.of(task_id, shown, said, lines, after)

    async def executions(self, wanted: ExecutionFilter, *, before: UUID | None, limit: int) -> ExecutionPage:
        """A page of executions, newest first, and how many there are in all."""
        async with self._database.connection() as connection:
            found = await QUERIES.execution_list.rows(connection, **wanted.values(), before=before, max_rows=limit + 1)
            shown = await _with_progress(connection, found[:limit])
        return ExecutionPage.of(found, shown, await self._totals.get(wanted))

    async def _count(self, wanted: ExecutionFilter) -> int:
        async with self._database.connection() as connection:
            return int(await QUERIES.execution_count.value(connection, **wanted.values()))

    async def running_at(self, worker: str, *, limit: int) -> list[Execution]:
        """What a worker runs now, newest first."""
        async with self._database.connection() as connection:
            rows = await QUERIES.execution_running_at.rows(connection, worker=worker, max_rows=limit)
            return await _with_progress(connection, rows)

    async def outcomes(self, config_ids: Sequence[int], each: int) -> list[ConfigOutcomes]:
        """The newest executions of each of these configs, in short."""
        async with self._database.connection() as connection:
            rows = await QUERIES.execution_outcomes.rows(connection, config_ids=sorted({*config_ids}), each=each)
        return [ConfigOutcomes.of(config_id, found) for config_id, found in groupby(rows, itemgetter("config_id"))]

    async def active(self, *, before: UUID | None, limit: int) -> ExecutionPage:
        """A page of what is in flight, newest first, and how many there are in all."""
        async with self._database.connection() as connection:
            found = await QUERIES.execution_active.rows(connection, before=before, max_rows=limit + 1)
            total = await QUERIES.execution_count_active.value(connection)
            return ExecutionPage.of(found, await _with_progress(connection, found[:limit]), total)


async def _public(connection: Connection, task_id: UUID) -> asyncpg.Record:
    """The row that the API knows by this id."""
    row = await QUERIES.execution_public.row(connection, task_id=task_id)
    if row is None:
        raise NotFound("execution", task_id)
    return row


async def _with_progress(connection: Connection, rows: Sequence[asyncpg.Record]) -> list[Execution]:
    """The executions of these rows, in order; only what has run can have said anything."""
    ids = [row["id"] for row in rows if row["started_at"] is not None]
    said = await QUERIES.execution_report_progress.rows(connection, ids=ids) if ids else ()
    known = {each["execution_id"]: each for each in said}
    return [Execution.of(row, known.get(row["id"])) for row in rows]
