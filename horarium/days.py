"""Days of a zone's calendar as instants, and how ticks fall on them. Pure, the present is passed in.

A day begins where the zone's clock first shows its date: at midnight, or where clocks are put forward over midnight, at
what follows the gap. So a day has 23, 24 or 25 hours, or any other number; one that a zone has left out has none.

A stretch of skipped ticks is one row that may span many days. Where the schedule, as it is now, has as many ticks in
the stretch as the row says, each falls on its own day. Where it has not, since it was edited later, or where there are
too many to be looked at one by one, they are spread evenly between the first and the last: exact for whatever ticks at
even distances, and their sum is right in any case.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from horarium.schedule import ScheduleError, parse_schedule, ticks_between
from horarium.schedule.instants import micros

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from horarium.sql.queries import Row

__all__ = ["Days", "Stretch", "day_of", "first_shown", "spread", "ticks_of", "zone_of"]

WEEKS_BEFORE = 52
"""Weeks of a calendar before the present one, which has only begun."""
MOST_TICKS = 500
"""Ticks of a stretch that are looked at one by one: half a millisecond of them."""
DAY = timedelta(days=1)
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Days:
    """Consecutive days; `borders` has where each begins, and at last where the last one ends."""

    first: date
    borders: tuple[datetime, ...]

    @classmethod
    def between(cls, first: date, last: date, zone: ZoneInfo) -> Days:
        """The days from the first to the last, both included."""
        number = (last - first).days + 1
        return cls(first, tuple(_begin(first + place * DAY, zone) for place in range(number + 1)))

    def day(self, place: int) -> date:
        """The day at a place, from 0 on."""
        return self.first + place * DAY

    def place(self, instant: datetime) -> int | None:
        """Where the day of an instant is; None where it is none of these."""
        place = bisect_right(self.borders, instant) - 1
        return place if 0 <= place < len(self.borders) - 1 else None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Ticks that did not run and are one row: the first, the last, and how many."""

    first: datetime
    last: datetime
    count: int


def zone_of(schedule_config: Mapping[str, Any]) -> ZoneInfo:
    """The zone in which a config's days are counted; UTC where it has none, or one that is known no more."""
    try:
        return ZoneInfo(str(schedule_config.get("timezone", "UTC")))
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


def day_of(instant: datetime, zone: ZoneInfo) -> date:
    """The day of an instant."""
    return instant.astimezone(zone).date()


def first_shown(today: date) -> date:
    """The Monday with which a calendar of a year begins."""
    return today - timedelta(days=today.weekday(), weeks=WEEKS_BEFORE)


def ticks_of(stretch: Stretch, config: Row) -> Collection[datetime]:
    """The ticks of a stretch by the config's schedule; none where they are many, or the schedule has another number."""
    if stretch.count > MOST_TICKS:
        return ()
    try:
        schedule = parse_schedule(config["scheduler_type"], config["schedule_config"], now=stretch.last)
    except ScheduleError:  # such a config is `error`; its ticks of old days are still to be counted
        return ()
    ticks = list(islice(ticks_between(schedule, stretch.first - MICROSECOND, stretch.last), stretch.count + 1))
    return ticks if len(ticks) == stretch.count else ()


def spread(stretch: Stretch, ticks: Collection[datetime], zone: ZoneInfo) -> Counter[date]:
    """How many ticks of a stretch fall on which day: those that are known, or else evenly spread ones."""
    if ticks:
        return Counter(day_of(tick, zone) for tick in ticks)
    days = Days.between(day_of(stretch.first, zone), day_of(stretch.last, zone), zone)
    before = [0, *(_before(border, stretch) for border in days.borders[1:-1]), stretch.count]
    return Counter({days.day(place): upto - so_far for place, (so_far, upto) in enumerate(pairwise(before))})


def _begin(day: date, zone: ZoneInfo) -> datetime:
    """When a day begins: a midnight in a gap is reckoned by the offset before it, which leads to the end of the gap."""
    return datetime.combine(day, time(), zone).astimezone(UTC)


def _before(border: datetime, stretch: Stretch) -> int:
    """How many of evenly spread ticks come before an instant that lies between the first and the last."""
    gone = micros(border) - micros(stretch.first)
    whole = micros(stretch.last) - micros(stretch.first)
    return -(-gone * (stretch.count - 1) // whole)
