"""Holding the ledger against the schedules: which ticks have no row, and which rows are no tick. No I/O, no clock.

An audit looks at a *span* of a config's past, after `since` up to `until`. How many ticks it holds follows from the
schedule by arithmetic, what the rows cover is counted by Postgres; only where the two differ is the span gone through
tick by tick. Rows that are as many as the ticks, but other ones, are found by their ends and the sum of their instants.

The dispatcher and this module share the arithmetic of `schedule/`, which has its oracle in its tests: a tick that it
gets wrong is wrong for both. What an audit finds is what was lost on the way.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING, Literal

import orjson

from horarium.schedule import missed_between, parse_schedule, ticks_between
from horarium.schedule.instants import micros

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import timedelta

    from horarium.schedule import Schedule
    from horarium.sql.queries import Row

__all__ = [
    "Audit",
    "AuditPass",
    "Audited",
    "Discrepancy",
    "Finding",
    "FindingKind",
    "compare",
    "counts_agree",
    "stored_schedule",
]

SAVED = datetime(2020, 1, 1, tzinfo=UTC)
"""Stands for the present where a stored schedule is read, as in `firing.py`."""

SUMMED_TICKS = 1000
"""Spans with more ticks are judged by their number and their ends alone."""

FindingKind = Literal["missing", "extra", "late", "stuck"]


@dataclass(frozen=True, slots=True)
class Audited:
    """A config to be audited, as it was read; `owes` is False for a paused one, whose ticks are written later."""

    id: int
    version: int
    schedule: Schedule
    start_at: datetime | None
    end_at: datetime | None
    jitter_seconds: int
    owes: bool

    @classmethod
    def of(cls, row: Row) -> Audited:
        """From a row of `audit_configs`; raises ScheduleError when the stored schedule makes no sense."""
        return cls(
            id=row["id"],
            version=row["version"],
            schedule=stored_schedule(row),
            start_at=row["start_at"],
            end_at=row["end_at"],
            jitter_seconds=row["jitter_seconds"],
            owes=row["status"] == "active",
        )


def stored_schedule(row: Row) -> Schedule:
    """The schedule of a row; raises ScheduleError when it makes no sense."""
    return _stored_schedule(row["scheduler_type"], orjson.dumps(row["schedule_config"]))


@lru_cache(maxsize=16_384)
def _stored_schedule(scheduler_type: str, config: bytes) -> Schedule:
    return parse_schedule(scheduler_type, orjson.loads(config), now=SAVED)


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """How many ticks of a span have no row, how many rows are no tick or one too many, and between which instants."""

    missing: int
    extra: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class _Expected:
    """The ticks of a span: how many, the first and the last; the sum of their instants, if they are not too many."""

    count: int
    first: datetime
    last: datetime
    instants: int | None


def counts_agree(config: Audited, covered: Row) -> tuple[int, bool]:
    """How many ticks a span holds, and whether its rows (a row of `audit_ledger`) can be those."""
    expected = _expected(config.schedule, covered["since"], covered["until"], config.start_at, config.end_at)
    if expected is None:
        return 0, covered["rows"] == 0
    if not config.owes:
        return expected.count, covered["ticks"] <= expected.count
    agree = (expected.count, expected.first, expected.last) == (covered["ticks"], covered["first"], covered["last"])
    if not agree or covered["stretches"] or expected.instants is None:
        return expected.count, agree
    return expected.count, expected.instants == int(covered["instants"])


@lru_cache(maxsize=4096)
def _expected(
    schedule: Schedule, since: datetime, until: datetime, start_at: datetime | None, end_at: datetime | None
) -> _Expected | None:
    """The ticks of a span, if there are any; computed once for all configs with equal schedules and spans."""
    found = missed_between(schedule, since, until, "missed", not_before=start_at, end_at=end_at)
    if found is None:
        return None
    ticks = ticks_between(schedule, since, until, not_before=start_at, end_at=end_at)
    instants = sum(map(micros, ticks)) if found.count <= SUMMED_TICKS else None
    return _Expected(found.count, found.first, found.last, instants)


def compare(config: Audited, covered: Row, rows: Iterable[Row]) -> Discrepancy | None:
    """Go through a span tick by tick; `rows` are its rows. None when all is well, or what is wrong is not owed."""
    ticks = list(_ticks(config, covered))
    times: Counter[datetime] = Counter(dict.fromkeys(ticks, 0))
    strangers: list[datetime] = []
    for row in rows:
        first, last = row["tick_at"], row["tick_until"] or row["tick_at"]
        within = [tick for tick in ticks if first <= tick <= last] if first != last else [first]
        strangers += [] if first in times else [first]
        times.update(tick for tick in within if tick in times)
    missing = [tick for tick in ticks if times[tick] == 0] if config.owes else []
    extra = sorted(strangers + [tick for tick in ticks if times[tick] > 1])
    if not missing and not extra:
        return None
    instants = [*missing[:1], *missing[-1:], *extra[:1], *extra[-1:]]
    return Discrepancy(len(missing), len(extra), min(instants), max(instants))


def _ticks(config: Audited, covered: Row) -> Iterable[datetime]:
    found = ticks_between(
        config.schedule, covered["since"], covered["until"], not_before=config.start_at, end_at=config.end_at
    )
    return islice(found, covered["ticks"] + 10 * SUMMED_TICKS)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong that two audits in a row have seen: with a config, or with a queue's executions."""

    kind: FindingKind
    subject: str
    count: int
    since: datetime
    until: datetime
    grown_at: datetime


@dataclass(frozen=True, slots=True)
class AuditPass:
    """One audit of everything: when it began, how long it took in seconds, what it went through.

    `looked_at` of the configs had ticks to compare; the others were known to have none.
    """

    began_at: datetime
    seconds: float
    configs: int
    ticks: int
    unreadable: int
    looked_at: int = 0


@dataclass
class Audit:
    """What this process' auditor knows; everybody else reads. Empty while another process leads."""

    last: AuditPass | None = None
    findings: tuple[Finding, ...] = ()
    passes: int = 0
    found: Counter[str] = field(default_factory=Counter)

    def count(self, kind: FindingKind) -> int:
        """How many ticks or executions the findings of a kind are about."""
        return sum(finding.count for finding in self.findings if finding.kind == kind)

    def blocks(self, now: datetime, lately: timedelta) -> bool:
        """Whether something is going wrong: executions are stuck, or ticks have gone missing lately."""
        return any(
            finding.kind == "stuck" or (finding.kind == "missing" and now - finding.grown_at <= lately)
            for finding in self.findings
        )

    def forget(self) -> None:
        """Know nothing: whoever leads now audits for itself."""
        self.last, self.findings = None, ()
