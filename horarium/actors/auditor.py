"""Recomputes which ticks were due and compares them with the ledger: it trusts nobody, and mends nothing.

Under the leader's lease, a pass every `PASS_SECONDS`, a page of configs at a time, and after each page a rest of nine
times what it took: however many configs there are, the auditor takes a tenth of one connection. It looks at the last
`WINDOW`, and further back to the newest row before; where something was found, from there on, as far back as retention
takes nothing (`RETAINED`), so that a finding ends when it is mended and not because a quarter of an hour has passed.

What is wrong in one pass and right in the next was under way: a leader that has just taken over has not caught up, a
broker has only now come back. So a finding is what two passes in a row have seen. It is told once, and once when it is
over.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING

import anyio
import structlog

from horarium.actors.patience import patiently
from horarium.audit import Audited, AuditPass, Finding, compare, counts_agree
from horarium.leadership import ALONE
from horarium.schedule import ScheduleError
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    import asyncpg
    from anyio.abc import TaskStatus

    from horarium.audit import Audit, FindingKind
    from horarium.keyspace.workers import Workers
    from horarium.leadership import Leads
    from horarium.sql.database import Database
    from horarium.supervisor import ChildContext

__all__ = ["Auditor", "slack"]

log = structlog.get_logger(__name__)

PASS_SECONDS = 30.0
STANDBY_SECONDS = 1.0
WINDOW = timedelta(minutes=15)
RETAINED = timedelta(hours=2)
"""How far back a finding is followed. Cleanup leaves everything alone that ended within three hours."""

SLACK = timedelta(seconds=30)
"""How long after its tick a row may come: ten seconds to heal whatever it was, ten to take over, ten to catch up."""

STUCK_SECONDS = 60.0
PAGE_CONFIGS = 200
"""Configs audited at a time: the event loop is ours for some ten milliseconds."""

IDLE_SHARE = 9.0
"""How many times as long as a page took the auditor rests after it."""

LOOKED_AT_CONFIGS = 20
"""Configs of a page that are gone through tick by tick; of the others it is told how many ticks and no more."""
LOOKED_AT_ROWS = 20_000

TOLD_FINDINGS = 50
"""Findings of a pass that are told one by one."""

Key = tuple["FindingKind", str]


def slack(config: Audited) -> timedelta:
    """How long after its instant a tick of this config may be without a row."""
    return SLACK + timedelta(seconds=config.jitter_seconds)


@dataclass
class _Found:
    """What a pass has come upon so far."""

    began_at: datetime
    configs: int = 0
    ticks: int = 0
    unreadable: int = 0
    wrong: dict[Key, Finding] = field(default_factory=dict)
    pins: dict[int, datetime] = field(default_factory=dict)

    def note(self, kind: FindingKind, subject: str, count: int, since: datetime, until: datetime) -> None:
        """Something wrong."""
        if count:
            self.wrong[kind, subject] = Finding(kind, subject, count, since, until, self.began_at)


class Auditor:
    """The actor; what it finds is in `audit`, for the API."""

    def __init__(
        self,
        database: Database,
        workers: Workers,
        audit: Audit,
        *,
        clock: Callable[[], datetime],
        leadership: Leads = ALONE,
    ) -> None:
        self._database = database
        self._workers = workers
        self._audit = audit
        self._clock = clock
        self._leadership = leadership
        self._suspected: set[Key] = set()
        self._open: dict[Key, Finding] = {}
        self._pins: dict[int, datetime] = {}
        self._beat: Callable[[], None] = lambda: None

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Audit again and again while this process leads; never at once, for a new leader has to catch up first."""
        self._beat = context.beat
        task_status.started()
        while True:
            if not self._leadership.leads:
                self._stand_by()
                await context.sleep(STANDBY_SECONDS)
                continue
            await context.sleep(PASS_SECONDS)
            if self._leadership.leads:
                await patiently(context, self.step, "an audit of the ledger")

    async def step(self) -> AuditPass:
        """Audit every config and everything in flight once."""
        began, found, after = anyio.current_time(), _Found(self._clock()), 0
        while page := await self._page(after):
            page_began, after = anyio.current_time(), page[-1]["id"]
            await self._audit_page(page, found)
            self._beat()
            await anyio.sleep(IDLE_SHARE * (anyio.current_time() - page_began))
            self._beat()
        await self._look_for_stuck(found)
        self._settle(found)
        seconds = anyio.current_time() - began
        done = AuditPass(found.began_at, seconds, found.configs, found.ticks, found.unreadable)
        self._publish(done)
        return done

    def _stand_by(self) -> None:
        """Forget everything: another process leads, and finds for itself."""
        self._suspected, self._open, self._pins = set(), {}, {}
        self._audit.forget()

    async def _page(self, after: int) -> list[asyncpg.Record]:
        async with self._database.connection() as connection:
            return await QUERIES.audit_configs.rows(connection, after=after, max_rows=PAGE_CONFIGS)

    async def _audit_page(self, page: Sequence[asyncpg.Record], found: _Found) -> None:
        configs = {config.id: config for row in page if (config := _readable(row)) is not None}
        found.unreadable += len(page) - len(configs)
        looked_at = 0
        for covered in await self._covered(list(configs.values())):
            config = configs[covered["id"]]
            expected, agree = counts_agree(config, covered)
            found.configs, found.ticks = found.configs + 1, found.ticks + expected
            late = (covered["late_first"] or covered["since"], covered["late_last"] or covered["until"])
            found.note("late", f"config {config.id}", covered["late"], *late)
            if not agree and looked_at < LOOKED_AT_CONFIGS and expected <= LOOKED_AT_ROWS:
                looked_at += 1
                await self._look_closely(config, covered, found)
            elif not agree:
                _note_counts(config, covered, expected, found)

    async def _covered(self, configs: Sequence[Audited]) -> list[asyncpg.Record]:
        now = self._clock()
        async with self._database.connection() as connection:
            return await QUERIES.audit_ledger.rows(
                connection,
                ids=[config.id for config in configs],
                versions=[config.version for config in configs],
                sinces=[min(now - WINDOW, self._pins.get(config.id, now)) for config in configs],
                untils=[now - slack(config) for config in configs],
                earliest=now - RETAINED,
                late_seconds=SLACK.total_seconds(),
            )

    async def _look_closely(self, config: Audited, covered: asyncpg.Record, found: _Found) -> None:
        """Say exactly which ticks of a span are wrong."""
        async with self._database.connection() as connection:
            rows = await QUERIES.audit_rows.rows(
                connection,
                config_id=config.id,
                since=covered["since"],
                until=covered["until"],
                max_rows=LOOKED_AT_ROWS,
            )
        wrong = compare(config, covered, rows)
        if wrong is not None:
            found.note("missing", f"config {config.id}", wrong.missing, wrong.first, wrong.last)
            found.note("extra", f"config {config.id}", wrong.extra, wrong.first, wrong.last)
            found.pins[config.id] = covered["since"]

    async def _look_for_stuck(self, found: _Found) -> None:
        served = set(chain.from_iterable(worker.queues for worker in await self._workers.living()))
        async with self._database.connection() as connection:
            rows = await QUERIES.audit_stuck.rows(connection, seconds=STUCK_SECONDS, served=sorted(served))
        for row in rows:
            subject = f"{row['status']} in queue {row['queue']}"
            found.note("stuck", subject, row["executions"], row["since"], row["until"])

    def _settle(self, found: _Found) -> None:
        """Tell what is new and what is over; a finding is what this pass and the one before have seen."""
        still = {
            key: _aged(self._open.get(key), finding)
            for key, finding in found.wrong.items()
            if key in self._open or key in self._suspected
        }
        new = [finding for key, finding in still.items() if key not in self._open]
        self._audit.found.update(finding.kind for finding in new)
        _tell("found", new, log.warning)
        _tell("over", [finding for key, finding in self._open.items() if key not in still], log.info)
        self._open, self._suspected, self._pins = still, set(found.wrong), found.pins

    def _publish(self, done: AuditPass) -> None:
        audit = self._audit
        audit.last, audit.findings, audit.passes = done, tuple(self._open.values()), audit.passes + 1
        kinds: tuple[FindingKind, ...] = ("missing", "extra", "late", "stuck")
        totals = {kind: audit.count(kind) for kind in kinds}
        tell = log.info if any(totals.values()) or audit.passes == 1 else log.debug
        tell("audit.passed", configs=done.configs, ticks=done.ticks, seconds=round(done.seconds, 3), **totals)


def _readable(row: asyncpg.Record) -> Audited | None:
    """The config; None where its schedule makes no sense, which the loader says and the pass counts."""
    try:
        return Audited.of(row)
    except ScheduleError as error:
        log.debug("schedule.unreadable", config_id=row["id"], error=str(error))
        return None


def _note_counts(config: Audited, covered: asyncpg.Record, expected: int, found: _Found) -> None:
    """Note a span that was only counted."""
    difference = expected - covered["ticks"]
    span = (covered["since"], covered["until"])
    found.note("missing", f"config {config.id}", max(difference, 0) if config.owes else 0, *span)
    found.note("extra", f"config {config.id}", max(-difference, 0), *span)
    found.pins[config.id] = covered["since"]


def _aged(before: Finding | None, now: Finding) -> Finding:
    """A finding as this pass has it; one that has not grown is no newer than it was."""
    return replace(now, grown_at=before.grown_at) if before is not None and now.count <= before.count else now


def _tell(state: str, findings: Sequence[Finding], tell: Callable[..., None]) -> None:
    """A line for each, up to a bound: when nothing is dispatched, every config has its finding."""
    for finding in findings[:TOLD_FINDINGS]:
        tell(
            "audit.finding",
            state=state,
            kind=finding.kind,
            subject=finding.subject,
            count=finding.count,
            since=finding.since.isoformat(),
            until=finding.until.isoformat(),
        )
    if len(findings) > TOLD_FINDINGS:
        tell("audit.findings_untold", state=state, findings=len(findings) - TOLD_FINDINGS)
