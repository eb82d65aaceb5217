"""How a config has gone, for its page: a calendar of a year, and what its newest runs have taken.

Both are read once for all who look (`horarium.kept`). The calendar is the sums of what was counted and what the ledger
has beyond them (`horarium.day_counts`), the durations are the end of an index; neither grows with the ledger.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.day_counts import COUNTED, sums_of
from horarium.days import Days, day_of, first_shown, zone_of
from horarium.errors import NotFound
from horarium.kept import Kept
from horarium.model import CalendarDay, ConfigCalendar, ConfigDurations, RunDuration
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import asyncpg

    from horarium.day_counts import DaySums
    from horarium.sql.database import Database
    from horarium.sql.queries import Connection

__all__ = ["Figures", "percentile"]

NEWEST_ROWS = 2000
"""Among which runs are looked for: a config may have a million ticks that were skipped."""


class Figures:
    """Reads them; raises NotFound and Unavailable."""

    def __init__(self, database: Database, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._clock = clock
        self._calendars = Kept(self._read_calendar)
        self._durations = Kept(self._read_durations)

    async def calendar(self, config_id: int) -> bytes:
        """A ConfigCalendar as JSON."""
        return await self._calendars.get(config_id)

    async def durations(self, config_id: int, limit: int) -> bytes:
        """A ConfigDurations as JSON, of so many runs at most."""
        return await self._durations.get((config_id, limit))

    async def _read_calendar(self, config_id: int) -> bytes:
        async with self._database.snapshot() as connection:
            config = await _config(connection, config_id)
            zone = zone_of(config["schedule_config"])
            today = day_of(self._clock(), zone)
            days = Days.between(first_shown(today), today, zone)
            sums = await sums_of(connection, config, days)
        shown = ConfigCalendar(timezone=zone.key, first=days.first, today=today, days=_shown(days, sums))
        return shown.model_dump_json().encode()

    async def _read_durations(self, asked: tuple[int, int]) -> bytes:
        config_id, limit = asked
        async with self._database.connection() as connection:
            config = await _config(connection, config_id)
            rows = await QUERIES.execution_durations.rows(
                connection, config_id=config_id, newest_rows=NEWEST_ROWS, max_rows=limit
            )
        runs = [RunDuration(**dict(row)) for row in reversed(rows)]
        taken = sorted(run.duration_seconds for run in runs if run.status == "success")
        shown = ConfigDurations(
            items=runs,
            median_seconds=percentile(taken, 0.5),
            p95_seconds=percentile(taken, 0.95),
            timeout_seconds=config["timeout_seconds"],
        )
        return shown.model_dump_json().encode()


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """The value below which this share of the ordered values lies, between two of them as Postgres' percentile_cont."""
    if not ordered:
        return None
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _shown(days: Days, sums: DaySums) -> list[CalendarDay]:
    places = sorted({(day - days.first).days for day, _ in sums})
    return [
        CalendarDay(
            date=days.day(place),
            since=days.borders[place],
            until=days.borders[place + 1],
            **{name: sums[days.day(place), name] for name in COUNTED},
        )
        for place in places
        if 0 <= place < len(days.borders) - 1
    ]


async def _config(connection: Connection, config_id: int) -> asyncpg.Record:
    config = await QUERIES.task_config_get.row(connection, id=config_id)
    if config is None:
        raise NotFound("task config", config_id)
    return config
