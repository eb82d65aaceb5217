"""When a zone's clocks are set, and what that does to a schedule by the rules of the package's docstring.

Only a cron goes by a zone's clocks; an interval counts real time, and a date is one instant. A cron that runs in every
hour and is no fixed one goes on by real time as well, so a change does nothing to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from horarium.schedule.cron import compile_cron
from horarium.schedule.instants import DAY, SECOND, from_micros, micros
from horarium.schedule.kinds import CronSchedule
from horarium.schedule.zones import change_on

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from horarium.schedule.cron import DayTicks
    from horarium.schedule.kinds import Schedule
    from horarium.schedule.zones import Change

__all__ = ["ClockChange", "ClockEffect", "clock_changes", "is_by_real_time", "notes"]

HOURS_OF_A_DAY = 24

ClockEffect = Literal["none", "moved", "left_out", "first_only", "both"]
"""What becomes of the ticks in a time that is skipped (moved to its end, or left out) or that comes twice."""


@dataclass(frozen=True, slots=True)
class ClockChange:
    """The clocks of a zone are set, on a local date; offsets are in seconds, east of UTC."""

    changes_at: datetime
    date: str
    offset_before_seconds: int
    offset_after_seconds: int
    effect: ClockEffect
    message: str


def clock_changes(schedule: Schedule, start: int, end: int) -> Iterator[ClockChange]:
    """Yield the changes in start <= instant < end, in seconds since the epoch; none where the schedule has no zone."""
    if not isinstance(schedule, CronSchedule):
        return
    for day in range(start // DAY, end // DAY + 1):
        change = change_on(schedule.timezone, day)
        if change is not None and start <= change.at < end:
            yield _judged(schedule, change)


def is_by_real_time(schedule: CronSchedule) -> bool:
    """Whether no change of clocks matters to it: it runs in every hour, as the time passes."""
    cron = compile_cron(schedule.expression)
    return not cron.fixed and len(cron.times.hours) == HOURS_OF_A_DAY


def notes(schedule: Schedule, ticks: Sequence[datetime], clocks: ZoneInfo) -> list[str]:
    """What may surprise about each of these ticks, by the clocks of this zone; empty for most."""
    local = [tick.astimezone(clocks) for tick in ticks]
    return [
        "; ".join(_notes(each, moved=before.utcoffset() != each.utcoffset(), after_gap=_ends_gap(schedule, tick)))
        for tick, (before, each) in zip(ticks, pairwise([*local[:1], *local]), strict=True)
    ]


def _notes(local: datetime, *, moved: bool, after_gap: bool) -> list[str]:
    said = []
    if after_gap:
        said.append("right after a time that the clocks skip")
    if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
        said.append(f"this time comes twice: the {'second' if local.fold else 'first'} one")
    if moved:
        said.append(f"clocks have changed to {local:%Z}")
    return said


def _ends_gap(schedule: Schedule, tick: datetime) -> bool:
    """Whether the tick is at the end of a gap that swallows others."""
    second = micros(tick) // SECOND
    if not isinstance(schedule, CronSchedule) or micros(tick) % SECOND:
        return False
    change = change_on(schedule.timezone, second // DAY)
    if change is None or change.at != second:
        return False
    return _judged(schedule, change).effect in ("moved", "left_out")


def _judged(schedule: CronSchedule, change: Change) -> ClockChange:
    at, name = from_micros(change.at * SECOND), schedule.timezone
    date = at.astimezone(ZoneInfo(name)).date().isoformat()
    effect, what = _effect(schedule, change)
    message = f"on {date} the clocks change in {name}: {what}"
    return ClockChange(at, date, change.before, change.after, effect, message)


def _effect(schedule: CronSchedule, change: Change) -> tuple[ClockEffect, str]:
    if is_by_real_time(schedule):
        return "none", "it goes on by the time that passes"
    cron, name = compile_cron(schedule.expression), schedule.timezone
    skipped = max(change.after - change.before, 0)
    begins, ends = (change.at - skipped, change.at) if skipped else (change.at, change.fresh)
    touched = next(cron.local(begins, ends, change.after), None)
    if touched is None:
        return "none", f"nothing is due in the time that {'is skipped' if skipped else 'comes twice'}"
    first = f"{_time(touched, change)}, and what is due then"
    if skipped and cron.fixed:
        return "moved", f"there is no {first} runs once, at {_clock(change.at, name)}, right after it"
    if skipped:
        return "left_out", f"there is no {first} does not run"
    if cron.fixed:
        return "first_only", f"there are two of {first} runs the first time only"
    return "both", f"there are two of {first} runs both times"


def _time(ticks: DayTicks, change: Change) -> str:
    """The first of these ticks as a time of day, by the clock as it is set after the change."""
    return (from_micros(ticks[0]) + timedelta(seconds=change.after)).strftime("%H:%M:%S")


def _clock(second: int, name: str) -> str:
    return from_micros(second * SECOND).astimezone(ZoneInfo(name)).strftime("%H:%M:%S")
