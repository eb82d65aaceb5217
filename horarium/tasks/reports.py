"""The reports of all that a worker runs: written to Postgres, so that they outlive it, and told live.

An attempt that says nothing costs neither a row nor a statement. What others have said is written down once a second,
all of it in one batch; large reports less often, `BYTES_A_SECOND` each, so that a hundred talkative tasks do not keep
Postgres busy with their lines. When an attempt ends, what is unwritten goes before its finish, in one batch with that
of others. Its finish waits for it only so long, and not at all once Postgres is known to be away: then it is kept, with
a bound, and tried again. Batches go one after the other, and what is older than the row is refused
(`execution_report_write`).

The stream of events is told of an attempt at most about twice a second, and of `TOLD_EACH_TICK` attempts each time, in
turn: a worker adds `TOLD_EACH_TICK` * 2 / `TICK_SECONDS` events a second at most, however much its tasks have to say.
"""

from __future__ import annotations

import asyncio
import contextvars
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import structlog

from horarium.errors import Unavailable
from horarium.live_events import LiveEvent
from horarium.sql.executions import Claim
from horarium.sql.reports import write_reports
from horarium.tasks.batching import Batcher
from horarium.tasks.log_capture import capture_logs
from horarium.tasks.report import Report, current

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from horarium.live_events import Tell
    from horarium.outcome import Attempt
    from horarium.sql.database import Database
    from horarium.tasks.report import News

__all__ = ["Reports"]

log = structlog.get_logger(__name__)

TICK_SECONDS = 0.5
WRITE_SECONDS = 1.0
BYTES_A_SECOND = 16 * 1024
SETTLE_SECONDS = 1.0
"""How long the finish of an attempt waits for its report to be written."""

MOST_LEFT = 200
"""Reports of ended attempts that wait for Postgres: 12 MiB at most. The oldest are given up first."""

MOST_BATCH = 32
"""Reports in one statement: 2 MiB at most."""

TOLD_EACH_TICK = 10
LINES_TOLD = 5
LINE_CHARS_TOLD = 200


class Reports:
    """Of one worker; `tell` is told of progress and of new lines."""

    def __init__(self, database: Database, tell: Tell) -> None:
        self._database = database
        self._tell = tell
        self._open: dict[Claim, Report] = {}
        self._left: dict[Claim, Report] = {}
        self._writes: Batcher[Report, None] = Batcher(self._write_all, max_batch=MOST_BATCH)
        self._ticking: asyncio.Task[None] | None = None
        self._turns_left = TOLD_EACH_TICK
        self._is_away = False

    @contextmanager
    def running(self, attempt: Attempt) -> Iterator[Report]:
        """Take what is said within the block as the attempt's; `settle` is what comes after it."""
        capture_logs()
        report = self._open[_claim(attempt)] = Report(attempt)
        if self._ticking is None:
            # a context of its own: it outlives the attempt, and what it logs is not the task's
            self._ticking = asyncio.create_task(self._tick(), context=contextvars.Context())
        entered = current.set(report)
        try:
            yield report
        finally:
            current.reset(entered)
            report.close()

    async def settle(self, attempt: Attempt) -> None:
        """Write down what an attempt has said that is over; what Postgres does not take soon is tried again."""
        report = self._open.pop(_claim(attempt), None)
        if report is None:
            return
        if report.is_untold and self._turns_left:
            self._tell_of(report)
        if report.is_unwritten:
            self._keep(report)
            if not self._is_away:
                await self._write_soon([report])

    async def stop(self) -> None:
        """Try once more to write what is left, and end."""
        if self._left and not self._is_away:
            await self._write_soon([*self._left.values()])
        if self._left:
            log.warning("reports.lost", executions=len(self._left))
        if self._ticking is not None:
            self._ticking.cancel()
            await asyncio.wait([self._ticking])

    async def write_changed(self) -> None:
        """Write down what is new and has waited long enough."""
        now = time.monotonic()
        await self._write_each([each for each in (*self._open.values(), *self._left.values()) if _is_due(each, now)])

    def tell_news(self) -> None:
        """Tell of what is new: of those attempts first of which nothing has been told for longest."""
        self._turns_left = TOLD_EACH_TICK
        waiting = sorted((each for each in self._open.values() if each.is_untold), key=lambda each: each.told_at)
        for report in waiting[:TOLD_EACH_TICK]:
            self._tell_of(report)

    async def _tick(self) -> None:
        """As long as anything is open or left; the next attempt begins it anew."""
        try:
            wrote_at = time.monotonic()
            while self._open or self._left:
                await asyncio.sleep(TICK_SECONDS)
                self.tell_news()
                if time.monotonic() - wrote_at >= WRITE_SECONDS - TICK_SECONDS / 2:
                    wrote_at = time.monotonic()
                    await self.write_changed()
        finally:
            self._ticking = None

    def _tell_of(self, report: Report) -> None:
        self._turns_left -= 1
        report.told_at = time.monotonic()
        for event in _events(report.attempt, report.news(LINES_TOLD)):
            self._tell(event)

    def _keep(self, report: Report) -> None:
        self._left[_claim(report.attempt)] = report
        while len(self._left) > MOST_LEFT:
            given_up = self._left.pop(next(iter(self._left))).attempt
            log.warning("report.given_up", task_id=str(given_up.task_id), attempt=given_up.attempt)

    async def _write_soon(self, reports: Sequence[Report]) -> None:
        """Write them, and wait for it only so long."""
        try:
            async with asyncio.timeout(SETTLE_SECONDS):
                await self._write_each(reports)
        except TimeoutError:
            self._away("it took too long")

    async def _write_each(self, reports: Sequence[Report]) -> None:
        await asyncio.gather(*map(self._write, reports))

    async def _write(self, report: Report) -> None:
        """Write one report, together with others; one that cannot be stored costs only itself."""
        try:
            await self._writes.submit(report)
        except Unavailable as error:
            self._away(str(error))
        except Exception as error:  # noqa: BLE001 - not swallowed: logged
            attempt, kind = report.attempt, type(error).__name__
            log.error("report.impossible", task_id=str(attempt.task_id), attempt=attempt.attempt, error=kind)  # noqa: TRY400 - not its words: a database quotes the values it refuses
            report.give_up()
            self._left.pop(_claim(attempt), None)

    def _away(self, error: str) -> None:
        """Say once that reports wait; until one is written, no finish waits for its own."""
        if not self._is_away:
            log.warning("reports.wait", error=error)
        self._is_away = True

    async def _write_all(self, reports: Sequence[Report]) -> list[None]:
        unwritten = [(each, each.snapshot()) for each in dict.fromkeys(reports) if each.is_unwritten]
        if unwritten:
            async with self._database.connection() as connection:
                await write_reports(connection, [(report.attempt, said) for report, said in unwritten])
        now, self._is_away = time.monotonic(), False
        for report, said in unwritten:
            report.written(said)
            report.written_at = now
            if not report.is_unwritten:
                self._left.pop(_claim(report.attempt), None)
        return [None] * len(reports)


def _claim(attempt: Attempt) -> Claim:
    return Claim(attempt.execution_id, attempt.attempt)


def _is_due(report: Report, now: float) -> bool:
    """Whether there is something to write, and as much time has gone by as is due to its size."""
    return report.is_unwritten and now - report.written_at >= report.size / BYTES_A_SECOND


def _events(attempt: Attempt, news: News) -> Iterator[LiveEvent]:
    known = {"task_id": attempt.task_id, "config_id": attempt.config_id, "attempt": attempt.attempt}
    told = known | {"timestamp": datetime.now(UTC)}
    if news.has_moved:
        yield LiveEvent("progress", attempt.config_id, told | {"progress": news.progress, "message": news.message})
    if news.lines:
        lines = [
            {"at": at, "level": level, "logger": logger, "text": text[:LINE_CHARS_TOLD]}
            for at, level, logger, text in news.lines
        ]
        yield LiveEvent("log", attempt.config_id, told | {"lines": lines, "total": news.total})
