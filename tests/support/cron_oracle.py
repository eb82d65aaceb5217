"""When a cron is due, by looking at every minute: an oracle that shares nothing with `horarium.schedule` but its rules.

It knows numbers, names, `*`, lists, ranges, steps, `L` and `MON#2`; days of month and week are both to match where
either begins with `*`, and one of them is enough otherwise. The rules for the days on which clocks change are those
that the package's docstring states:

* a wildcard cron is due at each instant whose wall clock matches, whichever pass of a repeated hour it is in;
* a fixed one is due for each wall clock time that matches: at its first pass, or where there is no such time, at the
  first instant after the gap; several that are due at one instant are one tick.

Everything is Unix seconds. zoneinfo is asked about single instants, and changes of offset are found by asking often.
"""

from __future__ import annotations

import calendar
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, cached_property
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["Week", "changes", "instant_of", "is_fixed"]

MINUTE, HOUR, DAY = 60, 3600, 86_400
NAMES = {name.upper(): number for number, name in enumerate(calendar.month_abbr) if name} | {
    name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"))
}
RANGES = ((0, 59), (0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
LONGEST_CHANGE = timedelta(hours=3)

Dates = dict[tuple[int, int, int, int], list[tuple[int, int, int, int]]]
"""By year, month, day and weekday (Sunday 0): minutes as instant, what the clock shows, its hour and its minute."""


@dataclass(frozen=True)
class Cron:
    """An expression, as sets of what its fields match."""

    expression: str

    @cached_property
    def fields(self) -> list[str]:
        given = self.expression.split()
        return given if len(given) == 6 else ["0", *given]

    @cached_property
    def seconds(self) -> list[int]:
        return sorted(numbers(self.fields[0], 0))

    @cached_property
    def minutes(self) -> set[int]:
        return numbers(self.fields[1], 1)

    @cached_property
    def hours(self) -> set[int]:
        return numbers(self.fields[2], 2)

    @cached_property
    def months(self) -> set[int]:
        return numbers(self.fields[4], 4)

    @cache  # noqa: B019 - a few days of a few expressions
    def on(self, year: int, month: int, day: int, weekday: int) -> bool:
        """Whether the date matches."""
        if month not in self.months:
            return False
        of_month = self._day_of_month(year, month, day)
        of_week = self._day_of_week(day, weekday)
        if self.fields[3].startswith("*") or self.fields[5].startswith("*"):
            return of_month and of_week
        return of_month or of_week

    def _day_of_month(self, year: int, month: int, day: int) -> bool:
        if self.fields[3] == "L":
            return day == calendar.monthrange(year, month)[1]
        return day in numbers(self.fields[3], 3)

    def _day_of_week(self, day: int, weekday: int) -> bool:
        name, _, nth = self.fields[5].partition("#")
        in_week = {number % 7 for number in numbers(name, 5)}
        return weekday in in_week and (not nth or (day - 1) // 7 + 1 == int(nth))


def numbers(field: str, place: int) -> set[int]:
    """What one field matches."""
    found: set[int] = set()
    for part in field.split(","):
        span, _, step = part.partition("/")
        low, _, high = span.partition("-")
        first, last = RANGES[place] if span == "*" else (_number(low), _number(high or low))
        found.update(range(first, last + 1, int(step or 1)))
    return found


def _number(text: str) -> int:
    return NAMES[text] if text in NAMES else int(text)


@cache
def _cron(expression: str) -> Cron:
    return Cron(expression)


@cache
def is_fixed(expression: str) -> bool:
    """Neither the minute nor the hour begins with a star."""
    minute, hour = _cron(expression).fields[1:3]
    return not (minute.startswith("*") or hour.startswith("*"))


@cache
def changes(zone: str, first_year: int, last_year: int) -> tuple[int, ...]:
    """The instants at which the zone's offset changes, to the second."""
    start = int(datetime(first_year, 1, 1, tzinfo=UTC).timestamp())
    end = int(datetime(last_year + 1, 1, 1, tzinfo=UTC).timestamp())
    step = 6 * HOUR
    changed = [at for at in range(start, end, step) if offset(zone, at) != offset(zone, at + step)]
    return tuple(
        at + bisect_left(range(step), 1, key=lambda s, at=at: offset(zone, at + s) != offset(zone, at))
        for at in changed
    )


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _wall(zone: str, at: int) -> datetime:
    return datetime.fromtimestamp(at, _zone(zone)).replace(tzinfo=None, fold=0)


@cache
def offset(zone: str, at: int) -> int:
    return int((_wall(zone, at) - datetime.fromtimestamp(at, UTC).replace(tzinfo=None)).total_seconds())


def instant_of(wall: datetime, zone: str, change: int) -> int:
    """Which instant a wall clock time means, when `change` is the only change near it."""
    return _meant(_shown(wall), zone, change)


def _meant(shown: int, zone: str, change: int) -> int:
    before, after = offset(zone, change - 1), offset(zone, change)
    return shown - before if shown - before < change else max(shown - after, change)


def _shown(wall: datetime) -> int:
    """What a clock shows, as if it were UTC."""
    return int(wall.replace(tzinfo=UTC).timestamp())


@dataclass(frozen=True)
class Week:
    """`days` either side of an instant, which is a change of the zone's offset or stands alone."""

    zone: str
    middle: int
    days: float = 3.5

    @property
    def start(self) -> int:
        return self.middle - int(self.days * DAY)

    @property
    def end(self) -> int:
        return self.middle + int(self.days * DAY)

    @cached_property
    def instants(self) -> Dates:
        """Each minute of real time, by what the wall clock shows in it."""
        return _by_date((at, at, _wall(self.zone, at)) for at in range(self.start, self.end, MINUTE))

    @cached_property
    def walls(self) -> Dates:
        """Each minute that a wall clock could show, whether the zone has it or not, and which instant it means."""
        first, last = _wall(self.zone, self.start) - LONGEST_CHANGE, _wall(self.zone, self.end) + LONGEST_CHANGE
        every_minute = range(_shown(first), _shown(last), MINUTE)
        return _by_date((_meant(at, self.zone, self.middle), at, _wall("UTC", at)) for at in every_minute)

    def due(self, expression: str) -> tuple[int, ...]:
        """The ticks with start <= tick < end."""
        cron = _cron(expression)
        found = self._fixed(cron) if is_fixed(expression) else self._wild(cron)
        return tuple(sorted({at for at in found if self.start <= at < self.end}))

    def _wild(self, cron: Cron) -> Iterator[int]:
        for at, _ in _matching(cron, self.instants):
            yield from (at + second for second in cron.seconds)

    def _fixed(self, cron: Cron) -> Iterator[int]:
        """Gaps begin and end with a minute, so a minute is left out whole or not at all."""
        for at, wall in _matching(cron, self.walls):
            there = offset(self.zone, at) == wall - at
            yield from (at + second if there else at for second in cron.seconds)


def _by_date(minutes: Iterable[tuple[int, int, datetime]]) -> Dates:
    dates: Dates = {}
    for at, shown, wall in minutes:
        date = wall.year, wall.month, wall.day, wall.isoweekday() % 7
        dates.setdefault(date, []).append((at, shown, wall.hour, wall.minute))
    return dates


def _matching(cron: Cron, dates: Dates) -> Iterator[tuple[int, int]]:
    hours, minutes = cron.hours, cron.minutes
    for date, each in dates.items():
        if cron.on(*date):
            yield from ((at, shown) for at, shown, hour, minute in each if hour in hours and minute in minutes)
