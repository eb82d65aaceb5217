"""Backfills over a rig, in seconds after noon, and the rows that they make."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from horarium.model import BackfillRequest
from tests.support.coverage import Faults, expected_ticks, faults
from tests.support.rig import NOON

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from horarium.model import Backfill
    from tests.support.rig import Rig

__all__ = ["at", "backfill", "backfilled", "counts", "faults_of_schedule", "seconds_of", "states"]


def at(seconds: float) -> datetime:
    """An instant, in seconds after noon."""
    return NOON + timedelta(seconds=seconds)


async def backfill(rig: Rig, config: int, first: float, last: float, **more: Any) -> Backfill:
    """Backfill from one second after noon, or before, to another."""
    body = BackfillRequest(start=at(first), end=at(last), **more)
    return await rig.backfills.make(config, body)


async def counts(rig: Rig, config: int, first: float, last: float, **more: Any) -> tuple[int, int]:
    done = await backfill(rig, config, first, last, **more)
    return done.created, done.skipped


async def faults_of_schedule(rig: Rig, config: int, *, after: datetime = NOON) -> Faults:
    """What is wrong with the schedule's own rows, for the ticks it has owed since `after`."""
    rows = [row for row in await rig.rows(config) if row["trigger"] == "schedule"]
    return faults(rows, expected_ticks(await rig.config_row(config), after, rig.clock.now))


async def backfilled(rig: Rig, config: int) -> list[asyncpg.Record]:
    """The rows that were made, in the order of the ticks they are about."""
    rows = [row for row in await rig.rows(config) if row["trigger"] == "backfill"]
    return sorted(rows, key=lambda row: row["tick_at"] or row["for_tick"])


async def seconds_of(rig: Rig, config: int, column: str) -> list[float]:
    rows = await backfilled(rig, config)
    return [(row[column] - NOON).total_seconds() for row in rows if row[column] is not None]


async def states(rig: Rig, config: int) -> list[str]:
    return [f"{row['status']}{' buffered' if row['buffered'] else ''}" for row in await backfilled(rig, config)]
