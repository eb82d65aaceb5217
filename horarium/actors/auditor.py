"""Recomputes which ticks were due and compares them with the ledger: it trusts nobody, and mends nothing.

Under the leader's lease, a pass every `PASS_SECONDS`, and after each piece of work a rest of nine times what it took:
however many configs there are, the auditor takes a tenth of one connection. It looks at the last `WINDOW`, and further
back to the newest row before; where something was found, from there on, as far back as retention takes nothing
(`RETAINED`), so that a finding ends when it is mended and not because a quarter of an hour has passed.

Configs without a tick in `RETAINED` are passed over: they have nothing to be missing (`audit_calendar.py`). They could
have a row for what is no tick, so those that were given a row are looked at, whatever the calendar says.

What is wrong in one pass and right in the next was under way: a leader that has just taken over has not caught up, a
broker has only now come back. So a finding is what two passes in a row have seen. It is told once, and once when it is
over.
"""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING
from uuid import UUID

import anyio
import orjson
import structlog
from uuid_utils.compat import uuid7

from horarium.actors.patience import patiently
from horarium.audit import Audited, AuditPass, compare, counts_agree
from horarium.audit_calendar import PAGE_IDS, Calendar, first_look, read_page
from horarium.findings import Findings, Found
from horarium.ids import least_id
from horarium.leadership import ALONE
from horarium.schedule import ScheduleError
from horarium.schedule.instants import micros
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from datetime import datetime

    import asyncpg
    from anyio.abc import TaskStatus

    from horarium.audit import Audit, Finding, FindingKind
    from horarium.audit_calendar import Page
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
BATCH_CONFIGS = 200
"""Configs audited at a time: the event loop is ours for some ten milliseconds."""

LISTED_CONFIGS = 20_000
"""Configs whose pages are listed at a time: some ten milliseconds of Postgres, and a line for a thousand of them."""

IDLE_SHARE = 9.0
"""How many times as long as a piece of work took the auditor rests after it."""

READING_SHARE = 29.0
"""The same, after a page was read that will be remembered: a new leader has time for that."""

LONGEST_REST_SECONDS = 10.0
"""A statement that took long, on a machine in distress, is not made up for: the watchdog would take us for hung."""

PRESENT = timedelta(minutes=1)
"""How long an instant passes for the present in a pass: configs with equal schedules then share their arithmetic."""

WRITTEN = timedelta(seconds=10)
"""Rows of so long a time are asked for at once, so that a flood of them is not in one answer."""

GREATEST_ID = UUID(int=2**128 - 1)

WRITING = timedelta(minutes=2)
"""How much later than its id says a row may be committed: more than any transaction of ours may take."""

LOOKED_AT_CONFIGS = 20
"""Configs of a page that are gone through tick by tick; of the others it is told how many ticks and no more."""
LOOKED_AT_ROWS = 20_000


def slack(config: Audited) -> timedelta:
    """How long after its instant a tick of this config may be without a row."""
    return SLACK + timedelta(seconds=config.jitter_seconds)


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
        self._calendar = Calendar()
        self._written_until: datetime | None = None
        self._findings = Findings()
        self._pins: dict[int, datetime] = {}
        self._unnoticed: list[Finding] = []
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
        began, now = anyio.current_time(), self._clock()
        found = Found(began_at=now, now=now)
        await self._notice_written(now)
        await self._audit_configs(found)
        self._written_until = found.began_at
        await self._look_for_stuck(found)
        new, self._pins = self._findings.settle(found.wrong), found.pins
        self._audit.found.update(finding.kind for finding in new)
        self._unnoticed += [finding for finding in new if finding.kind == "missing"]
        await self._notice_missing()
        seconds = anyio.current_time() - began
        done = AuditPass(found.began_at, seconds, found.configs, found.ticks, found.unreadable, found.looked_at)
        self._publish(done)
        return done

    def _stand_by(self) -> None:
        """Forget everything: another process leads, and finds for itself."""
        self._findings, self._pins, self._unnoticed = Findings(), {}, []
        self._calendar, self._written_until = Calendar(), None
        self._audit.forget()

    async def _notice_written(self, now: datetime) -> None:
        """Look at configs that were given rows since the last pass; a page that is read asks for the time before."""
        if self._written_until is None:
            return
        first: datetime | None = self._written_until - WRITING
        while first is not None:
            last = first + WRITTEN if first + WRITTEN < now else None
            async with self._rested(IDLE_SHARE), self._database.connection() as connection:
                rows = await QUERIES.audit_written.rows(
                    connection, first=least_id(first), until=GREATEST_ID if last is None else least_id(last)
                )
            self._calendar.look_at_once(row["config_id"] for row in rows)
            first = last

    async def _audit_configs(self, found: Found) -> None:
        """Audit what is due, page by page."""
        first: int | None = 0
        pages: set[int] = set()
        while first is not None:
            listed, first = await self._listed(first)
            for row in listed:
                page = await self._page(row, found)
                await self._audit_due(page, found)
                pages.add(row["page"])
        self._calendar.keep(pages)

    async def _listed(self, first: int) -> tuple[list[asyncpg.Record], int | None]:
        """Some pages, as they are now; and from which id on there may be more."""
        async with self._rested(IDLE_SHARE), self._database.connection() as connection:
            rows = await QUERIES.audit_pages.rows(connection, first=first, page_ids=PAGE_IDS, max_rows=LISTED_CONFIGS)
        if sum(row["configs"] for row in rows) < LISTED_CONFIGS:
            return rows, None
        return rows[:-1], rows[-1]["page"] * PAGE_IDS

    async def _page(self, listed: asyncpg.Record, found: Found) -> Page:
        """A page as it is remembered, or else as it is read."""
        number = listed["page"]
        page = self._calendar.get(number, listed["fingerprint"], found.now)
        if page is None:
            since = self._present(found) - RETAINED
            async with self._rested(READING_SHARE):
                async with self._database.connection() as connection:
                    groups = await QUERIES.audit_page.rows(
                        connection, first=number * PAGE_IDS, until=(number + 1) * PAGE_IDS, since=since
                    )
                page = self._calendar.pages[number] = read_page(groups, now=found.now, since=since)
        found.configs, found.unreadable = found.configs + len(page.ids), found.unreadable + page.unreadable
        return page

    def _present(self, found: Found) -> datetime:
        """What a pass takes for now."""
        now = self._clock()
        if not timedelta(0) <= now - found.now < PRESENT:
            found.now = now
        return found.now

    @asynccontextmanager
    async def _rested(self, share: float) -> AsyncIterator[None]:
        """Do a piece of work, and rest so many times as long as it took."""
        began = anyio.current_time()
        yield
        self._beat()
        await anyio.sleep(min(share * (anyio.current_time() - began), LONGEST_REST_SECONDS))
        self._beat()

    async def _audit_due(self, page: Page, found: Found) -> None:
        """Audit the configs of a page that have ticks to compare; where something is wrong a config stays due."""
        due = page.due(micros(self._present(found) - SLACK))
        for first in range(0, len(due), BATCH_CONFIGS):
            async with self._rested(IDLE_SHARE):
                await self._audit_batch(due[first : first + BATCH_CONFIGS], page, found)

    async def _audit_batch(self, ids: list[int], page: Page, found: Found) -> None:
        async with self._database.connection() as connection:
            rows = await QUERIES.audit_configs.rows(connection, ids=ids)
        configs = {config.id: config for row in rows if (config := _readable(row)) is not None}
        found.unreadable += len(rows) - len(configs)
        looked_at = 0
        for covered in await self._covered(list(configs.values()), found.now):
            config = configs[covered["id"]]
            expected, agree = counts_agree(config, covered)
            found.looked_at, found.ticks = found.looked_at + 1, found.ticks + expected
            late = (covered["late_first"] or covered["since"], covered["late_last"] or covered["until"])
            found.note("late", f"config {config.id}", covered["late"], *late)
            if agree:
                page.look(config.id, first_look(config.schedule, found.now - RETAINED, config.start_at, config.end_at))
            elif looked_at < LOOKED_AT_CONFIGS and expected <= LOOKED_AT_ROWS:
                looked_at += 1
                await self._look_closely(config, covered, found)
            else:
                _note_counts(config, covered, expected, found)

    async def _covered(self, configs: Sequence[Audited], now: datetime) -> list[asyncpg.Record]:
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

    async def _look_closely(self, config: Audited, covered: asyncpg.Record, found: Found) -> None:
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

    async def _look_for_stuck(self, found: Found) -> None:
        served = set(chain.from_iterable(worker.queues for worker in await self._workers.living()))
        async with self._database.connection() as connection:
            rows = await QUERIES.audit_stuck.rows(connection, seconds=STUCK_SECONDS, served=sorted(served))
        for row in rows:
            subject = f"{row['status']} in queue {row['queue']}"
            found.note("stuck", subject, row["executions"], row["since"], row["until"])

    async def _notice_missing(self) -> None:
        """Let those know who want to be told: ticks without a row have no ending that would say it.

        What could not be written, as Postgres was away, is written with the next pass: a finding is new only once.
        """
        findings = self._unnoticed
        if not findings:
            return
        async with self._database.connection() as connection:
            await QUERIES.notification_notice_insert.rows(
                connection,
                subjects=[uuid7() for _ in findings],
                config_ids=[int(finding.subject.removeprefix("config ")) for finding in findings],
                details=[orjson.dumps(_details(finding)).decode() for finding in findings],
            )
        self._unnoticed = []

    def _publish(self, done: AuditPass) -> None:
        audit = self._audit
        audit.last, audit.findings, audit.passes = done, tuple(self._findings.open.values()), audit.passes + 1
        kinds: tuple[FindingKind, ...] = ("missing", "extra", "late", "stuck")
        totals = {kind: audit.count(kind) for kind in kinds}
        log.log(
            logging.INFO if any(totals.values()) or audit.passes == 1 else logging.DEBUG,
            "audit.passed",
            configs=done.configs,
            looked_at=done.looked_at,
            ticks=done.ticks,
            duration_ms=round(done.seconds * 1000, 1),
            missing=totals["missing"],
            extra=totals["extra"],
            late=totals["late"],
            stuck=totals["stuck"],
        )


def _readable(row: asyncpg.Record) -> Audited | None:
    """The config; None where its schedule makes no sense, which the loader says and the pass counts."""
    try:
        return Audited.of(row)
    except ScheduleError as error:
        log.debug("audit.config_unreadable", config_id=row["id"], error=str(error))
        return None


def _details(finding: Finding) -> dict[str, object]:
    """What there is to tell of ticks without a row."""
    return {
        "reason": "no_row",
        "tick_at": finding.since,
        "tick_until": finding.until,
        "tick_count": finding.count,
    }


def _note_counts(config: Audited, covered: asyncpg.Record, expected: int, found: Found) -> None:
    """Note a span that was only counted."""
    difference = expected - covered["ticks"]
    span = (covered["since"], covered["until"])
    found.note("missing", f"config {config.id}", max(difference, 0) if config.owes else 0, *span)
    found.note("extra", f"config {config.id}", max(-difference, 0), *span)
    found.pins[config.id] = covered["since"]
