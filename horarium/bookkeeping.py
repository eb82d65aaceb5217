"""The ticks that a change of configs passes over: what was due by then and never written becomes a row that says why.

Whoever changes a config holds its row and writes these before the change, since they are copied from the config as it
was. One `skipped` row stands for all the ticks of a config; however many configs change at once, it is two statements.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal

import structlog
from uuid_utils.compat import uuid7

from horarium.config_rules import SCHEDULE_FIELDS
from horarium.schedule import ScheduleError, missed_between, parse_schedule
from horarium.sql.executions import last_ticks
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from horarium.schedule import Missed
    from horarium.sql.queries import Connection, Row

__all__ = ["PassedOver", "Why", "end_of_pause", "pass_over", "rescheduled"]

log = structlog.get_logger(__name__)

Why = Literal["edited", "stopped", "paused", "deleted"]
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class PassedOver:
    """A config, held, whose ticks up to `until` that have no row will not run, and why."""

    config: Row
    why: Why
    until: datetime


def end_of_pause(config: Row, now: datetime) -> datetime:
    """Up to when ticks are passed over by a start or a resume: `until` itself is not paused any more."""
    if config["status"] != "paused" or config["paused_until"] is None:
        return now
    ended: datetime = max(config["paused_until"] - MICROSECOND, config["scheduled_from"])
    return min(now, ended)


def rescheduled(old: Row, wanted: Mapping[str, object], now: datetime) -> Sequence[PassedOver]:
    """What an edit passes over: nothing, unless the schedule is another."""
    if all(old[name] == wanted[name] for name in SCHEDULE_FIELDS):
        return ()
    return (PassedOver(old, "paused" if old["status"] == "paused" else "edited", now),)


async def pass_over(connection: Connection, *changes: PassedOver) -> dict[int, datetime]:
    """Write the ticks of each config that were due and have no row as one skipped row.

    Answers from where on each may owe ticks again: after what has a row, which may lie ahead of a clock that was set
    back, or of one that is slow.
    """
    if not changes:
        return {}
    last = await last_ticks(connection, [each.config["id"] for each in changes])
    owing = [each for each in changes if each.config["status"] in ("active", "paused")]
    rows = [(each, missed) for each in owing if (missed := _missed(each, last.get(each.config["id"])))]
    await _write(connection, rows)
    return {each.config["id"]: max(each.until, last.get(each.config["id"], each.until)) for each in changes}


async def _write(connection: Connection, rows: Sequence[tuple[PassedOver, Missed]]) -> None:
    if not rows:
        return
    await QUERIES.execution_insert_skipped.rows(
        connection,
        ids=[uuid7() for _ in rows],
        config_ids=[each.config["id"] for each, _ in rows],
        tick_ats=[missed.first for _, missed in rows],
        tick_untils=[missed.last if missed.count > 1 else None for _, missed in rows],
        tick_counts=[missed.count for _, missed in rows],
        reasons=[each.why for each, _ in rows],
    )


def _missed(change: PassedOver, last_tick: datetime | None) -> Missed | None:
    config, until = change.config, change.until
    try:
        schedule = parse_schedule(config["scheduler_type"], config["schedule_config"], now=until)
    except ScheduleError as error:
        # Nobody can say what it owed, and it must still be possible to stop or mend it; started, it becomes `error`.
        log.warning("passed_over.unknown", config_id=config["id"], error=str(error))
        return None
    since = max(config["scheduled_from"], last_tick or config["scheduled_from"])
    return missed_between(schedule, since, until, change.why, not_before=config["start_at"], end_at=config["end_at"])
