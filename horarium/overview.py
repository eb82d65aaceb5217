"""The last hour and the next one: read once for everybody who looks, and kept for a moment.

A dashboard asks again whenever something happens, and a hundred of them ask together; they share one reading
(`kept.py`). The last hour comes from Postgres by a range of the primary key, the next one from the due index, where
many configs are told by a sample of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio.lowlevel

from horarium.firing import FiringSpec
from horarium.ids import least_id
from horarium.kept import Kept
from horarium.model import (
    FailedExecution,
    InFlight,
    InFlightExecution,
    Lane,
    Mark,
    OverviewAnswer,
    OverviewBin,
)
from horarium.outlook import outlook
from horarium.packing import Packed
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from horarium.keyspace.due_index import DueConfig, DueIndex
    from horarium.outlook import Outlook
    from horarium.sql.database import Database
    from horarium.sql.queries import Connection

__all__ = ["Overview"]

BIN_SECONDS = 60.0
BINS = 60
"""Of the hour before the present minute, and of the one after it."""
MARK_SECONDS = 30.0
LATE_SECONDS = 5.0
"""What is on time is up to so late (docs/decisions/0009)."""
LANES = 10
NEWEST_ROWS = 400
"""Among which the configs are looked for that ran last."""
SAMPLE = 400
"""Configs by which the next hour is told, if there are more."""
SHOWN = 12
FAILURES = 60
FAILED_DAYS = 7
CLOCKS_DIFFER = timedelta(minutes=1)
"""How much earlier than its tick a row may say that it was made, by another's clock."""


@dataclass(frozen=True, slots=True)
class _Span:
    """The stretch of time that is shown."""

    now: datetime
    since: datetime

    @classmethod
    def around(cls, now: datetime) -> _Span:
        minute = now.replace(second=0, microsecond=0)
        return cls(now, minute - timedelta(seconds=BINS * BIN_SECONDS))

    @property
    def until(self) -> datetime:
        return self.since + timedelta(seconds=(2 * BINS + 1) * BIN_SECONDS)

    @property
    def made_since(self) -> UUID:
        return least_id(self.since - CLOCKS_DIFFER)


class Overview:
    """Reads it; raises Unavailable."""

    def __init__(self, database: Database, index: DueIndex, *, clock: Callable[[], datetime]) -> None:
        self._database = database
        self._index = index
        self._clock = clock
        self._kept = Kept(self._packed)

    async def read(self) -> Packed:
        """An OverviewAnswer as JSON, a moment old at most."""
        return await self._kept.get("overview")

    async def step(self, span: _Span) -> OverviewAnswer:
        """Read it now."""
        async with self._database.connection() as connection:
            bins = await _bins(connection, span)
            running = await QUERIES.overview_in_flight.rows(connection, max_rows=SHOWN)
            waiting = await QUERIES.execution_in_flight.rows(connection)
            failed = await QUERIES.overview_failures.rows(
                connection, made_since=least_id(span.now - timedelta(days=FAILED_DAYS)), max_rows=FAILURES
            )
            configs = await QUERIES.overview_config_counts.rows(connection)
            recent = await _recent(connection, span)
        due, to_come = await self._index.firing_before(span.until, SAMPLE)
        outlooks = await _look_ahead(due, span, bins, weight=to_come / max(len(due), 1))
        lately = [row for row in failed if row["completed_at"] >= span.since]
        wanted = _first(LANES, (_config_ids(lately), _config_ids(running), recent, outlooks))
        return OverviewAnswer(
            at=span.now,
            since=span.since,
            bin_seconds=BIN_SECONDS,
            now_bin=BINS,
            late_after_seconds=LATE_SECONDS,
            bins=bins,
            configs_to_come=to_come,
            lanes=await self._lanes(wanted, span, outlooks),
            in_flight=InFlight(**{row["status"]: row["number"] for row in waiting}),
            running=[InFlightExecution(**dict(row)) for row in running],
            failed=[FailedExecution(**dict(row)) for row in failed],
            configs={row["status"]: row["number"] for row in configs},
        )

    async def _packed(self, _: str) -> Packed:
        return Packed((await self.step(_Span.around(self._clock()))).model_dump_json().encode())

    async def _lanes(self, config_ids: list[int], span: _Span, outlooks: Mapping[int, Outlook]) -> list[Lane]:
        """The timelines of these configs, by name: one that stays is found again in its place."""
        async with self._database.connection() as connection:
            named = await QUERIES.task_config_named.rows(connection, ids=config_ids)
            marks = await QUERIES.overview_marks.rows(
                connection,
                config_ids=config_ids,
                made_since=span.made_since,
                since=span.since,
                bin_seconds=MARK_SECONDS,
                late_seconds=LATE_SECONDS,
            )
        lanes = [_lane(row, marks, outlooks.get(row["id"])) for row in named if not row["is_deleted"]]
        return sorted(lanes, key=lambda lane: (lane.name.casefold(), lane.config_id))


async def _bins(connection: Connection, span: _Span) -> list[OverviewBin]:
    rows = await QUERIES.overview_bins.rows(
        connection,
        made_since=span.made_since,
        since=span.since,
        until=span.until,
        bin_seconds=BIN_SECONDS,
        late_seconds=LATE_SECONDS,
    )
    known = {row["bin"]: {name: value for name, value in row.items() if name != "bin"} for row in rows}
    return [OverviewBin(**known.get(place, {})) for place in range(2 * BINS + 1)]


async def _recent(connection: Connection, span: _Span) -> list[int]:
    rows = await QUERIES.overview_recent_configs.rows(
        connection, made_since=span.made_since, newest_rows=NEWEST_ROWS, max_rows=LANES
    )
    return _config_ids(rows)


async def _look_ahead(
    due: list[DueConfig], span: _Span, bins: list[OverviewBin], *, weight: float
) -> dict[int, Outlook]:
    """What each of these configs has before it, in the order in which they fire next; counted into `bins`."""
    planned = [0.0] * len(bins)
    outlooks: dict[int, Outlook] = {}
    for config in due:
        if config.spec:
            ahead = outlook(FiringSpec.from_json(config.spec), span.now, span.until)
            ahead.count(planned, span.since, BIN_SECONDS, weight)
            outlooks[config.config_id] = ahead
        await anyio.lowlevel.checkpoint()  # each may be a hundred ticks of a cron
    for place, number in enumerate(planned):
        bins[place] = bins[place].model_copy(update={"planned": round(number, 2)})
    return outlooks


def _lane(row: asyncpg.Record, marks: Iterable[asyncpg.Record], ahead: Outlook | None) -> Lane:
    own = [{**mark} for mark in marks if mark["config_id"] == row["id"]]
    return Lane(
        config_id=row["id"],
        name=row["name"],
        status=row["status"],
        marks=[Mark(**{name: mark[name] for name in Mark.model_fields}) for mark in own],
        planned=[] if ahead is None else list(ahead.ticks),
        planned_every_seconds=None if ahead is None else ahead.every_seconds,
    )


def _config_ids(rows: Iterable[asyncpg.Record]) -> list[int]:
    return [row["config_id"] for row in rows if row["config_id"] is not None]


def _first(most: int, wanted: Iterable[Iterable[int]]) -> list[int]:
    """The first of all these in their order, each once."""
    return list(dict.fromkeys(each for some in wanted for each in some))[:most]
