"""Cron ticks by arithmetic: a day's timetable is a virtual sorted sequence, and a day of ticks is a slice of it.

CronSim parses the expression and decides which days match; it is the authority on both. Which instants of a day
match is computed here, because CronSim walks: 3 to 30 microseconds a tick, no counting, and with four faults that
a ledger cannot live with (2.8): started inside a repeated hour it answers with instants of the past, it steps over
matching times when a zone shifts by half an hour (Australia/Lord_Howe), it never returns from a clock set back to
the day before (America/St_Johns, 2010), and it treats `0 30 2 * * *` unlike `30 2 * * *` on the days the clocks
change. Where none of these is in play the two agree tick by tick, which the property tests prove with CronSim as
the oracle.

A timetable of a day is hours x minutes x seconds. Its n-th entry and the rank of a time of day are both O(log n),
so a week of a per-second schedule is counted without enumerating it.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING

from cronsim import CronSim

from horarium.schedule.instants import DAY, LATEST, SECOND
from horarium.schedule.zones import stretches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from horarium.schedule.kinds import CronSchedule
    from horarium.schedule.zones import Stretch

__all__ = ["DayTicks", "compile_cron", "cron_ticks", "first_cron_tick"]

EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
HORIZON_YEARS = 50  # longer than the 40 years between two Mondays on 29 February around 2100


@dataclass(frozen=True, slots=True)
class Timetable:
    """The times of one day, in seconds since midnight: every combination of the three sorted tuples."""

    hours: tuple[int, ...]
    minutes: tuple[int, ...]
    seconds: tuple[int, ...]

    def rank(self, time: int) -> int:
        """Count the entries before a time of day; all of them from 24:00 on."""
        hour, minute, second = time // 3600, time // 60 % 60, time % 60
        at = bisect_left(self.hours, hour)
        whole = at * len(self.minutes)
        if at == len(self.hours) or self.hours[at] != hour:
            return whole * len(self.seconds)
        at = bisect_left(self.minutes, minute)
        whole += at
        if at == len(self.minutes) or self.minutes[at] != minute:
            return whole * len(self.seconds)
        return whole * len(self.seconds) + bisect_left(self.seconds, second)

    def minute(self, index: int) -> int:
        """Give the start of the `index`-th minute that has entries."""
        hour, minute = divmod(index, len(self.minutes))
        return self.hours[hour] * 3600 + self.minutes[minute] * 60


@dataclass(frozen=True, slots=True)
class DayTicks:
    """Ticks of one local day under one offset: entries `low` to `high` of a timetable whose midnight is `base`.

    `base` is in seconds since the epoch, the ticks that come out are microseconds.
    """

    times: Timetable
    base: int
    low: int
    high: int

    def __len__(self) -> int:
        return self.high - self.low

    def __getitem__(self, index: int) -> int:
        minute, second = divmod(self.low + index, len(self.times.seconds))
        return (self.base + self.times.minute(minute) + self.times.seconds[second]) * SECOND

    def __iter__(self) -> Iterator[int]:
        seconds = self.times.seconds
        width = len(seconds)
        for index in range(self.low // width, -(-self.high // width)):
            start = self.base + self.times.minute(index)
            first = index * width
            for second in seconds[max(self.low - first, 0) : self.high - first]:
                yield (start + second) * SECOND

    def clip(self, start: int, end: int) -> DayTicks:
        """Keep the ticks in start <= tick < end, in seconds since the epoch."""
        low = max(self.low, self.times.rank(max(start - self.base, 0)))
        high = min(self.high, self.times.rank(max(end - self.base, 0)))
        return DayTicks(self.times, self.base, low, max(low, high))


@dataclass(frozen=True, slots=True)
class Cron:
    """A parsed expression. `fixed` is Debian's word for neither minute nor hour starting with a star."""

    days: CronSim
    times: Timetable
    fixed: bool

    def matches(self, day: int) -> bool:
        """Say whether a day, counted from the epoch, has ticks by its date."""
        needle = date.fromordinal(day + EPOCH_ORDINAL)
        return needle.month in self.days.months and self.days.match_day(needle)

    def matching_day(self, day: int) -> int | None:
        """Give the first matching day from `day` on, counted from the epoch; None if there is none in 50 years."""
        needle = date.fromordinal(day + EPOCH_ORDINAL)
        last_year = min(needle.year + HORIZON_YEARS, 9998)
        while needle.year <= last_year:
            if needle.month not in self.days.months:
                needle = (needle.replace(day=1) + timedelta(days=32)).replace(day=1)
            elif self.days.match_day(needle):
                return needle.toordinal() - EPOCH_ORDINAL
            else:
                needle += timedelta(days=1)
        return None

    def local(self, start: int, end: int, offset: int) -> Iterator[DayTicks]:
        """Yield the ticks in start <= tick < end, all of it under one offset."""
        for day in range((start + offset) // DAY, (end + offset - 1) // DAY + 1):
            if self.matches(day):
                midnight = day * DAY - offset
                ticks = DayTicks(self.times, midnight, 0, self.times.rank(DAY)).clip(start, end)
                if ticks:
                    yield ticks

    def stretch(self, part: Stretch) -> Iterator[DayTicks]:
        """Yield the ticks of one stretch by the daylight-saving rules of the package's docstring."""
        if not self.fixed:
            yield from self.local(part.start, part.end, part.offset)
            return
        in_gap = any(self.local(part.start - part.skipped, part.start, part.offset))
        if in_gap and not any(self.local(part.start, part.start + 1, part.offset)):
            yield DayTicks(MIDNIGHT, part.start, 0, 1)
        yield from self.local(max(part.start, part.fresh), part.end, part.offset)


MIDNIGHT = Timetable((0,), (0,), (0,))


@lru_cache(maxsize=4096)
def compile_cron(expression: str) -> Cron:
    """Parse 5 or 6 fields; raises CronSimError."""
    parsed = CronSim(expression, datetime(2000, 1, 1, tzinfo=UTC))
    seconds, minutes, hours = (tuple(sorted(v)) for v in (parsed.seconds, parsed.minutes, parsed.hours))
    fixed = not any(part.startswith("*") for part in parsed.parts[1:3])
    return Cron(parsed, Timetable(hours, minutes, seconds), fixed)


@lru_cache(maxsize=8192)
def _day(schedule: CronSchedule, day: int) -> tuple[DayTicks, ...]:
    cron = compile_cron(schedule.expression)
    return tuple(ticks for part in stretches(schedule.timezone, day) for ticks in cron.stretch(part))


def cron_ticks(schedule: CronSchedule, start: int, end: int) -> Iterator[DayTicks]:
    """Yield the ticks in start <= tick < end (seconds since the epoch), ascending, a part of a day at a time."""
    cron = compile_cron(schedule.expression)
    day = start // DAY
    while day * DAY < end:
        local = cron.matching_day(day - 1)
        if local is None:
            return
        if local <= day + 1:  # a UTC day meets three local ones, from 12 hours behind to 14 ahead
            yield from (ticks for each in _day(schedule, day) if (ticks := each.clip(start, end)))
        day = max(day + 1, local - 1)


@lru_cache(maxsize=16384)
def first_cron_tick(schedule: CronSchedule, start: int) -> int | None:
    """Give the first tick at or after a second, in microseconds, computed once for all configs that ask."""
    ticks = next(cron_ticks(schedule, start, LATEST // SECOND), None)
    return None if ticks is None else ticks[0]
