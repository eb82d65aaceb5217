"""The ticks of any schedule, as ascending runs of microseconds: the one form that everything else is computed from.

A run is a `range` for an interval or a date and a part of a day for a cron. All of them know their length and any
entry without enumerating, so counting a long outage costs a few operations a day of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from horarium.schedule.cron import cron_ticks, first_cron_tick
from horarium.schedule.instants import EARLIEST, LATEST, SECOND, from_micros, micros
from horarium.schedule.kinds import CronSchedule, DateSchedule, IntervalSchedule

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from horarium.schedule.kinds import Schedule

__all__ = ["Ticks", "first_tick", "next_tick", "runs", "ticks_between", "within"]


class Ticks(Protocol):
    """A non-empty ascending run of ticks, in microseconds since the epoch."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> int: ...

    def __iter__(self) -> Iterator[int]: ...


def runs(schedule: Schedule, start: int, end: int) -> Iterator[Ticks]:
    """Yield the ticks in start <= tick < end, lazily and ascending."""
    if isinstance(schedule, CronSchedule):
        yield from cron_ticks(schedule, -(-start // SECOND), -(-end // SECOND))
        return
    if isinstance(schedule, IntervalSchedule):
        ticks = _interval(schedule, start, end)
    elif isinstance(schedule, DateSchedule) and start <= micros(schedule.run_at) < end:
        ticks = range(micros(schedule.run_at), micros(schedule.run_at) + 1)
    else:
        return
    if ticks:
        yield ticks


def _interval(schedule: IntervalSchedule, start: int, end: int) -> range:
    step, anchor = schedule.seconds * SECOND, micros(schedule.anchor)
    skipped = max(0, -(-(start - anchor) // step))
    return range(anchor + skipped * step, end, step)


def within(start: int, end: int, not_before: datetime | None, end_at: datetime | None) -> tuple[int, int]:
    """Narrow start <= tick < end to a config's `start_at` and `end_at`, and to the calendar."""
    start = max(start, EARLIEST if not_before is None else micros(not_before), EARLIEST)
    return start, min(end, LATEST if end_at is None else micros(end_at) + 1, LATEST)


def first_tick(schedule: Schedule, start: int, end: int) -> int | None:
    """Give the first tick in start <= tick < end."""
    if isinstance(schedule, CronSchedule):
        tick = first_cron_tick(schedule, -(-start // SECOND))
        return tick if tick is not None and tick < end else None
    return next((ticks[0] for ticks in runs(schedule, start, end)), None)


def next_tick(
    schedule: Schedule,
    after: datetime,
    *,
    not_before: datetime | None = None,
    end_at: datetime | None = None,
) -> datetime | None:
    """First tick strictly after `after`, not before `not_before` and not after `end_at`; None if there is none.

    A cron that matches no day for 50 years has no next tick.
    """
    tick = first_tick(schedule, *within(micros(after) + 1, LATEST, not_before, end_at))
    return None if tick is None else from_micros(tick)


def ticks_between(
    schedule: Schedule,
    after: datetime,
    until: datetime,
    *,
    not_before: datetime | None = None,
    end_at: datetime | None = None,
) -> Iterator[datetime]:
    """Yield the ticks with after < tick <= until, ascending and lazily, under the same limits as `next_tick`."""
    start, end = within(micros(after) + 1, micros(until) + 1, not_before, end_at)
    for ticks in runs(schedule, start, end):
        yield from map(from_micros, ticks)
