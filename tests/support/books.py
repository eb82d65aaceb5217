"""What must be true of a ledger, in books of our own: which ticks each config owes, and how each execution has ended.

They are kept apart from Horarium's: ticks come from an oracle that looks at every second (`tests.support.coverage`), in
*eras*, times in which a config owes the ticks of one schedule. `check` holds the ledger against them.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.support.coverage import SOUND, expected_ticks, faults

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from tests.support.rig import Rig

__all__ = ["MOST_JITTER", "Books", "Era"]

MOST_JITTER = timedelta(seconds=3)


@dataclass
class Era:
    """A time in which a config owes the ticks of one schedule; `config` is its row, `until` None while it lasts."""

    config: asyncpg.Record
    after: datetime
    until: datetime | None = None
    ticks: list[datetime] = field(default_factory=list)

    def owed(self, now: datetime) -> list[datetime]:
        """Its ticks by now; each second is looked at once."""
        end = self.until or now
        if end > self.after:
            self.ticks += expected_ticks(self.config, self.after, end)
            self.after = end
        return self.ticks


@dataclass
class Books:
    """The books of one life of a ledger; `gone` is what cleanup has taken."""

    rig: Rig
    tally: Counter[str]
    eras: dict[int, list[Era]] = field(default_factory=dict)
    final: dict[UUID, tuple[Any, ...]] = field(default_factory=dict)
    gone: list[asyncpg.Record] = field(default_factory=list)

    async def check(self) -> None:
        """What is true at every moment: no tick twice, no row for what is no tick, what is final stays."""
        rows = await self._rows()
        for config in self.eras:
            found = faults(self._of_schedule(rows, config), self._owed(config))
            assert replace(found, missing=()) == SOUND, (config, found)
            self._check_backfilled([row for row in rows if row["config_id"] == config], config)
        for row in rows:
            if row["completed_at"] is not None:
                said = (row["status"], row["reason"], row["attempt"], row["result"], row["error"], row["completed_at"])
                assert self.final.setdefault(row["id"], said) == said, row
        self.tally["most rows"] = max(self.tally["most rows"], len(rows))

    def _check_backfilled(self, rows: list[asyncpg.Record], config: int) -> None:
        """A backfill has one execution for a tick, and takes none that the schedule owes."""
        made = [row for row in rows if row["trigger"] == "backfill"]
        if not made:
            return
        assert max(Counter(row["tick_at"] or row["for_tick"] for row in made).values(), default=1) == 1, made
        owed = set(self._owed(config)) - {tick for row in self.gone for tick in self._covered(row, config)}
        assert {row["tick_at"] for row in made}.isdisjoint(owed), made

    def check_all_written(self, rows: list[asyncpg.Record]) -> None:
        """In the end no tick is without a row, but for those that jitter may still put off."""
        for config in self.eras:
            found = faults(self._of_schedule(rows, config), self._owed(config))
            late = [tick for tick in found.missing if tick <= self.rig.clock.now - MOST_JITTER]
            assert replace(found, missing=tuple(late)) == SOUND, (config, found)

    async def _rows(self) -> list[asyncpg.Record]:
        async with self.rig.database.connection() as connection:
            return await connection.fetch("SELECT * FROM executions ORDER BY id")

    def _owed(self, config: int) -> list[datetime]:
        return [tick for era in self.eras[config] for tick in era.owed(self.rig.clock.now)]

    def _of_schedule(self, rows: list[asyncpg.Record], config: int) -> list[asyncpg.Record]:
        """The rows that a config's own schedule has written, and what is gone of them."""
        return [row for row in [*self.gone, *rows] if row["config_id"] == config and row["trigger"] != "backfill"]

    def _covered(self, row: asyncpg.Record, config: int) -> list[datetime]:
        if row["config_id"] != config or row["tick_at"] is None:
            return []
        return [tick for tick in self._owed(config) if row["tick_at"] <= tick <= (row["tick_until"] or row["tick_at"])]

    async def _status(self, config: int) -> str | None:
        """None of a config that was deleted."""
        status: str | None = await self.rig.sql(
            "SELECT status FROM task_configs WHERE id = $1 AND deleted_at IS NULL", config
        )
        return status

    async def _decided_until(self, config: int) -> datetime:
        """Up to when nothing is to be decided any more: now, or where the clock was set back the newest row."""
        ends = [row["tick_until"] or row["tick_at"] for row in await self.rig.rows(config) if row["tick_at"]]
        return max([self.rig.clock.now, *ends])

    async def _era_ends(self, config: int) -> None:
        last = self.eras[config][-1]
        if last.until is None:
            last.until = await self._decided_until(config)
            last.ticks = [tick for tick in last.owed(last.until) if tick <= last.until]

    async def _era_begins(self, config: int) -> None:
        self.eras[config].append(Era(await self.rig.config_row(config), await self._decided_until(config)))
