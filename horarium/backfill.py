"""Running ticks of the past: those that were skipped, for whatever reason, and those that nobody owed.

Every tick keeps its one row. A tick without a row, from before the config existed or while it was inactive, gets the
execution as its row. A tick that was skipped, alone or in a stretch, has a row that is final: its execution is a row
beside it, linked to it by `retry_of`, and tells its task that tick (`for_tick`). What has had an execution, however
that ended, gets no other one here; so the same backfill again makes nothing.

Ticks that the schedule still owes are left to it: the dispatcher's place is the newest tick row, and a row of ours past
it would cover ticks that never got theirs. The config is locked meanwhile, so that nobody moves that place, and all
rows come in one transaction. The ticks of a pause so far are written down first, as a resume would do it.

A dry run counts by the same rules in one snapshot, and locks nothing: what happens meanwhile may change the number.

The runs wait for their turn behind what the schedule starts (`execution_release_buffered`), and jitter is not for them.
"""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING

import structlog
from uuid_utils.compat import uuid7

from horarium.audit_log import SYSTEM, note
from horarium.bookkeeping import PassedOver, end_of_pause, pass_over
from horarium.clock import utc_now
from horarium.config_rules import ConfigRules
from horarium.crashpoints import crashpoint
from horarium.errors import Conflict, FieldError, InvalidInput, NotFound
from horarium.keyspace.history import HistoryEvent
from horarium.lifecycle import target_of
from horarium.messages import Publish
from horarium.model import Backfill
from horarium.schedule import ScheduleError, parse_schedule, ticks_between
from horarium.sql.executions import insert_backfill, last_ticks, release_buffered
from horarium.sql.queries import QUERIES
from horarium.stages import NAMED
from horarium.tracing.carried import note_trace

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime
    from uuid import UUID

    import asyncpg

    from horarium.audit_log import Author
    from horarium.messages import Mailboxes
    from horarium.model import BackfillRequest
    from horarium.sql.database import Database
    from horarium.sql.queries import Connection
    from horarium.tasks.registry import TaskTypes

__all__ = ["MOST_TICKS", "Backfills"]

log = structlog.get_logger(__name__)

MOST_TICKS = 10_000
"""Ticks of one backfill: a second or so of one transaction, during which the config's own ticks wait."""

LONGEST_SPAN = timedelta(days=3660)
"""Ten years, so that the ticks of a sparse cron are found within some 70 ms of the event loop."""

MICROSECOND = timedelta(microseconds=1)


class Backfills:
    """Makes backfills; raises NotFound, Conflict, InvalidInput and Unavailable."""

    def __init__(
        self,
        database: Database,
        task_types: TaskTypes,
        mailboxes: Mailboxes,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._rules = ConfigRules(task_types)
        self._mailboxes = mailboxes
        self._clock = clock

    async def make(self, config_id: int, body: BackfillRequest, *, by: Author = SYSTEM) -> Backfill:
        """One execution for each tick of the span that has none; all of them, or none, as in a dry run."""
        if body.dry_run:
            return await self._count(config_id, body)
        async with self._database.transaction() as connection:
            config = _ticking(await QUERIES.task_config_lock.row(connection, ids=[config_id]), config_id)
            now = self._clock()
            ticks = self._checked(config, body, now)
            if config["status"] == "paused":
                await pass_over(connection, PassedOver(config, "paused", end_of_pause(config, now)))
            decided = await _decided_until(connection, config, now)
            overlap = body.overlap or ("allow_all" if config["overlap"] == "allow_all" else "buffer_all")
            made, sent = await _write(connection, config_id, [t for t in ticks if t <= decided], overlap)
            done = Backfill(created=len(made), skipped=len(ticks) - len(made))
            asked = body.model_dump(mode="json", exclude_none=True, exclude={"dry_run"}) | done.model_dump()
            await note(connection, by, "task_config.backfilled", target_of(config), after=asked)
            crashpoint("backfill.inserted")
        crashpoint("backfill.committed")
        if sent:
            self._mailboxes.publisher.send_nowait(Publish(tuple(sent)))
        if made:
            log.info("backfill.created", config_id=config_id, executions=len(made), task_ids=[*map(str, made[:NAMED])])
            event = HistoryEvent.now(config_id, "task_executed", trigger="backfill", created=len(made), by=by.name)
            self._mailboxes.record(event)
        return done

    async def _count(self, config_id: int, body: BackfillRequest) -> Backfill:
        """What the same call would make now."""
        async with self._database.snapshot() as connection:
            config = _ticking(await QUERIES.task_config_get.row(connection, id=config_id), config_id)
            now = self._clock()
            ticks = self._checked(config, body, now)
            decided = await _decided_until(connection, config, now)
            if config["status"] == "paused":  # its ticks so far would be written down first
                decided = max(decided, end_of_pause(config, now))
            number = await QUERIES.execution_count_backfill.value(
                connection, config_id=config_id, ticks=[t for t in ticks if t <= decided]
            )
        return Backfill(created=number, skipped=len(ticks) - number)

    def _checked(self, config: asyncpg.Record, body: BackfillRequest, now: datetime) -> list[datetime]:
        """The ticks of the span, of a config that can run."""
        _check_span(body, now)
        self._rules.check_runnable(config["task_type"], config["parameters"])
        return _ticks(config, body)


def _ticking(config: asyncpg.Record | None, config_id: int) -> asyncpg.Record:
    if config is None:
        raise NotFound("task config", config_id)
    if config["scheduler_type"] == "manual":
        raise Conflict("state", "a manual config has no ticks to backfill; run it")
    return config


def _check_span(body: BackfillRequest, now: datetime) -> None:
    if body.end > now:
        raise InvalidInput(
            FieldError(("end",), "must not be in the future: the schedule itself sees to what is to come")
        )
    if body.start > body.end:
        raise InvalidInput(FieldError(("start",), "must not be after end"))
    if body.end - body.start > LONGEST_SPAN:
        raise InvalidInput(FieldError(("start",), f"must be at most {LONGEST_SPAN.days} days before end"))


def _ticks(config: asyncpg.Record, body: BackfillRequest) -> list[datetime]:
    """The ticks of the span, oldest first; raises InvalidInput when they are too many."""
    try:
        schedule = parse_schedule(config["scheduler_type"], config["schedule_config"], now=body.end)
    except ScheduleError as error:
        raise Conflict("state", f"its schedule makes no sense, mend it first: {error}") from None
    limits = {"not_before": config["start_at"], "end_at": config["end_at"]}
    found = ticks_between(schedule, body.start - MICROSECOND, body.end, **limits)
    ticks = list(islice(found, MOST_TICKS + 1))
    if len(ticks) > MOST_TICKS:
        upto = f"the first {MOST_TICKS:,} end at {ticks[-2].isoformat()}"
        raise InvalidInput(FieldError(("end",), f"makes more than {MOST_TICKS:,} ticks, too many at once; {upto}"))
    return ticks


async def _decided_until(connection: Connection, config: asyncpg.Record, now: datetime) -> datetime:
    """Up to when the schedule is done with the config's ticks: those after it are still its own to write."""
    if config["status"] not in ("active", "paused"):
        return now
    since: datetime = config["scheduled_from"]
    last = await last_ticks(connection, [config["id"]])
    return max(since, last.get(config["id"], since))


async def _write(
    connection: Connection, config_id: int, ticks: Sequence[datetime], overlap: str
) -> tuple[Sequence[UUID], Sequence[UUID]]:
    """The executions that were made, and those of them that are to be sent now."""
    ids = [uuid7() for _ in ticks]
    made = await insert_backfill(
        connection, config_id, list(zip(ids, ticks, strict=True)), buffered=overlap != "allow_all"
    )
    await note_trace(connection, made, apart=True)
    if overlap == "allow_all" or not made:
        return made, made
    return made, [row["id"] for row in await release_buffered(connection, [config_id])]
