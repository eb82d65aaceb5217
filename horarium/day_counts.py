"""How the days of configs went: counted once for each execution, and kept for longer than the executions are.

A year of a config that fires every minute is half a million rows, which are neither kept so long nor read in the time
that a page may take. So `execution_days` has sums. Nobody adds to them when an execution ends, since that is the
statement whose cost counts. Executions are counted when retention deletes them, in the transaction that does; and of a
config with many, those that have been final for hours are counted in advance, up to a mark. Whatever is beyond the mark
of its config has not been counted: it is counted as it is deleted, and read from the ledger until then.

Both are done by whoever cleans up, one at a time (`execution_days_lock`): a transaction that has waited reads marks and
rows afterwards. A reader takes sums, mark and rows from one snapshot. So at any moment each execution is told once.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import anyio.lowlevel

from horarium.days import Days, Stretch, day_of, first_shown, spread, ticks_of, zone_of
from horarium.ids import least_id
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import date, datetime
    from zoneinfo import ZoneInfo

    import asyncpg

    from horarium.sql.database import Database
    from horarium.sql.queries import Connection, Row

__all__ = ["COUNTED", "OUTCOMES", "DayCounter", "DaySums", "count_deleted", "forget", "sums_of"]

OUTCOMES = ("success", "failed", "timeout", "cancelled", "lost", "skipped")
"""What is final, and what is kept of it."""
COUNTED = (*OUTCOMES, "in_flight")

SETTLED = timedelta(hours=3)
"""How old an id must be for no row to come before it any more, and how long what ends is left to be read as it is."""
MANY_ROWS = 5000
"""Uncounted executions of a config, beyond those of the last hours, that are still read in a few milliseconds."""
BATCH_ROWS = 50_000
"""Executions that are counted in one transaction: a tenth of a second of Postgres."""
ROWS_AT_ONCE = 50
"""Rows of which each may be a stretch of ticks that are looked at one by one."""
PAGE_CONFIGS = 200
"""Configs that are looked at in one step: for each, an index is read as far as `MANY_ROWS`."""

FIRST, LAST = UUID(int=0), UUID(int=2**128 - 1)

DaySums = Counter[tuple["date", str]]
"""How many executions had which outcome on which day; of `skipped` ones, their ticks."""


class DayCounter:
    """Counts executions in advance, of one page of configs after the other."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._walked_until = 0

    async def step(self) -> bool:
        """Count a batch of each config of the next page that has many; answers whether one of them has more."""
        now = self._clock()
        async with self._database.connection() as connection:
            page = await QUERIES.task_config_ids.rows(connection, after=self._walked_until, max_rows=PAGE_CONFIGS)
            ids = [row["id"] for row in page]
            found = await QUERIES.execution_days_uncounted.rows(
                connection, config_ids=ids, made_before=least_id(now - SETTLED), many=MANY_ROWS
            )
        more = [row["config_id"] for row in found if await self._count(row["config_id"], now)]
        if not more:
            self._walked_until = max(ids) if len(ids) == PAGE_CONFIGS else 0
        return bool(more)

    async def _count(self, config_id: int, now: datetime) -> bool:
        """Count a batch of one config; whether it was a full one."""
        async with self._database.transaction() as connection:
            await QUERIES.execution_days_lock.rows(connection)
            config = await QUERIES.task_config_get.row(connection, id=config_id)
            after = await _mark(connection, config_id)
            last = await QUERIES.execution_days_countable.row(
                connection,
                config_id=config_id,
                after=after,
                made_before=least_id(now - SETTLED),
                max_rows=BATCH_ROWS,
            )
            if config is None or last is None:
                return False
            today = day_of(now, zone_of(config["schedule_config"]))
            days = Days.between(first_shown(today), today, zone_of(config["schedule_config"]))
            sums = await _rows_by_day(connection, config, days, after, last["id"])
            await _add(connection, {config_id: sums}, now)
            await QUERIES.execution_days_set_mark.rows(connection, config_id=config_id, counted_until=last["id"])
        return bool(last["number"] == BATCH_ROWS)


async def sums_of(connection: Connection, config: Row, days: Days) -> DaySums:
    """How these days of a config went, today's included; the connection is a snapshot of the database."""
    after = await _mark(connection, config["id"])
    sums = await _rows_by_day(connection, config, days, after, LAST)
    for row in await QUERIES.execution_days_kept.rows(connection, config_id=config["id"], since=days.first):
        sums.update({(row["day"], name): row[name] for name in OUTCOMES if row[name]})
    return sums


async def count_deleted(connection: Connection, deleted: Sequence[asyncpg.Record], now: datetime) -> None:
    """Count what has been deleted, in the transaction that deletes it and has the lock; all of it is final."""
    ids = sorted({row["config_id"] for row in deleted if row["config_id"] is not None})
    if not ids:
        return
    configs = {row["id"]: row for row in await QUERIES.task_config_zones.rows(connection, ids=ids)}
    marked = await QUERIES.execution_days_marks.rows(connection, config_ids=ids)
    marks = {row["config_id"]: row["counted_until"] for row in marked}
    sums: defaultdict[int, DaySums] = defaultdict(Counter)
    for number, row in enumerate(deleted):
        config = configs.get(row["config_id"])
        if config is not None and row["id"] > marks.get(config["id"], FIRST):
            sums[config["id"]] += _days_of(row, config)
        await _now_and_then(number)
    await _add(connection, sums, now)


async def forget(connection: Connection, config_ids: Sequence[int]) -> None:
    """Configs that are gone have no days."""
    if config_ids:
        await QUERIES.execution_days_forget.rows(connection, config_ids=config_ids)


def _days_of(row: Row, config: Row) -> DaySums:
    """The day of a row of the ledger; the days, where its ticks fall on several."""
    zone = zone_of(config["schedule_config"])
    day = day_of(row["tick_at"] or row["created_at"], zone)
    if row["tick_until"] is not None and day_of(row["tick_until"], zone) != day:
        return _spread(Stretch(row["tick_at"], row["tick_until"], row["tick_count"]), config, zone)
    return Counter({(day, row["status"]): row["tick_count"] if row["status"] == "skipped" else 1})


def _spread(stretch: Stretch, config: Row, zone: ZoneInfo) -> DaySums:
    fallen = spread(stretch, ticks_of(stretch, config), zone)
    return Counter({(day, "skipped"): number for day, number in fallen.items()})


async def _now_and_then(number: int) -> None:
    """Let others run after each so many rows, and not after each: a transaction is open meanwhile."""
    if number % ROWS_AT_ONCE == ROWS_AT_ONCE - 1:
        await anyio.lowlevel.checkpoint()


async def _mark(connection: Connection, config_id: int) -> UUID:
    rows = await QUERIES.execution_days_marks.rows(connection, config_ids=[config_id])
    return rows[0]["counted_until"] if rows else FIRST


async def _rows_by_day(connection: Connection, config: Row, days: Days, after: UUID, until: UUID) -> DaySums:
    """What the ledger has of a config between two ids, on these days."""
    sums: DaySums = Counter()
    rows = await QUERIES.execution_days_of_rows.rows(
        connection, config_id=config["id"], after=after, until=until, borders=days.borders
    )
    for number, row in enumerate(rows):
        if row["stretch_from"] is not None:
            stretch = Stretch(row["stretch_from"], row["stretch_until"], row["skipped"])
            sums += _spread(stretch, config, zone_of(config["schedule_config"]))
            await _now_and_then(number)
        elif 0 < row["day"] < len(days.borders):
            sums.update({(days.day(row["day"] - 1), name): row[name] for name in COUNTED})
    return +sums


async def _add(connection: Connection, sums: Mapping[int, DaySums], now: datetime) -> None:
    """Add sums of configs to what is kept of each; days that no calendar shows any more are left out."""
    since = first_shown((now.astimezone(UTC) - timedelta(days=1)).date())  # in some zone today is the day before
    days = sorted({(config_id, day) for config_id, of in sums.items() for day, _ in of if day >= since})
    if not days:
        return
    await QUERIES.execution_days_add.rows(
        connection,
        config_ids=[config_id for config_id, _ in days],
        days=[day for _, day in days],
        kept_since=since,
        **{name: [sums[config_id][day, name] for config_id, day in days] for name in OUTCOMES},
    )
