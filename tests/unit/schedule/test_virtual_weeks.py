"""A virtual week around every change of clocks from 2020 to 2035, to the second, against an oracle of its own.

Twelve zones: changes of an hour, of half an hour and of two, at midnight and off the full hour of UTC, on either side
of the equator and of the date line, given up in the middle of the years, and zones without any. The weeks of leap days
are there too.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache, partial
from itertools import chain, pairwise
from typing import TYPE_CHECKING

import pytest

from horarium.schedule import (
    CatchUp,
    CronSchedule,
    DateSchedule,
    IntervalSchedule,
    Schedule,
    next_tick,
    parse_schedule,
    plan,
    ticks_between,
)
from tests.support.cron_oracle import Week, changes, instant_of, is_fixed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

ZONES = [
    "America/New_York",
    "Europe/Berlin",
    "Australia/Lord_Howe",
    "Africa/Casablanca",
    "Pacific/Apia",
    "Asia/Tehran",
    "Antarctica/Troll",
    "Asia/Gaza",
    "America/Santiago",
    "America/Havana",
    "Asia/Kolkata",
    "America/Sao_Paulo",
]
FIXED = [
    "30 2 * * *",
    "0 0 * * *",
    "30 0 * * *",
    "59 23 * * *",
    "5,35 1-3 * * *",
    "0-59/7 0-4/2 * * *",
    "0 0-23 * * *",
    "15 2 * * SUN",
    "30 1 * * SUN#2",
    "20 0,3 1-7 * SAT",
    "0 0 29 2 *",
    "0 12 L * *",
    "45 2 L MAR,OCT *",
    "15 30 2 * * *",
    "1,59 0,30 0-3 * * *",
    "0-10 0 0,1 * * *",
    "* 59 1 * * *",
]
WILDCARD = [
    "*/15 * * * *",
    "30 * * * *",
    "0 */2 * * *",
    "*/20 2 * * *",
    "*/30 0-3 29 2 *",
    "*/30 0,2 1-7 * MON",
    "* 1-3 * * SUN",
    "0 30 * * * *",
    "*/17 */10 1-3 * * *",
    "7,8 */30 * L * *",
]
EVERY_SECOND = ["* * * * * *", "*/7 * 0-3 * * *", "0-59 0-59 0-23 * * *"]
"""Looked at for a few hours only: a week of them is six hundred thousand ticks."""

CHANGES = 238
"""At least so many are found, whichever edition of the time zone database is installed."""

HOUR, DAY = 3600, 86_400
STEPS = [-HOUR, -1, 0, 1, 1800, HOUR, HOUR + 1, 2 * HOUR, 3 * HOUR, DAY]
"""When a dispatcher looks, in seconds from the change; and at both ends of the week."""


def utc(second: float) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def leap_days() -> list[int]:
    return [int(datetime(year, 2, 29, 12, tzinfo=UTC).timestamp()) for year in (2020, 2024, 2028, 2032)]


@cache
def weeks(zone: str) -> list[Week]:
    """One around each change, and one around each leap day."""
    return [Week(zone, middle) for middle in (*changes(zone, 2020, 2035), *leap_days())]


def due(week: Week, expression: str) -> tuple[int, ...]:
    """What the oracle says of a week."""
    return _all_due(week.zone, week.middle)[expression]


@cache
def _all_due(zone: str, middle: int) -> dict[str, tuple[int, ...]]:
    """Of a week's minutes only the ticks are kept, for all tests."""
    week = Week(zone, middle)
    return {expression: week.due(expression) for expression in [*FIXED, *WILDCARD]}


def told(schedule: Schedule, week: Week) -> list[int]:
    """What the package says of a week, all at once."""
    return _between(schedule, week.start, week.end - 1)


def _between(schedule: Schedule, first: int, last: int) -> list[int]:
    return [int(tick.timestamp()) for tick in ticks_between(schedule, utc(first - 1), utc(last))]


def one_by_one(schedule: Schedule, week: Week) -> Iterator[int]:
    """What it says, each asked for from the one before."""
    tick = next_tick(schedule, utc(week.start - 1))
    while tick is not None and tick < utc(week.end):
        yield int(tick.timestamp())
        tick = next_tick(schedule, tick)


def decided(catchup: CatchUp, schedule: Schedule, week: Week) -> list[int]:
    """What a dispatcher that looks now and then puts into rows; of a row for several, each that it counts."""
    covered: list[int] = []
    cursor: datetime | None = utc(week.start)
    for now in [*(week.middle + step for step in STEPS), week.end - 1]:
        if cursor is None:
            break
        made = plan(schedule, cursor, utc(now), catchup)
        missed = [_between(schedule, int(m.first.timestamp()), int(m.last.timestamp())) for m in made.missed]
        assert [len(ticks) for ticks in missed] == [each.count for each in made.missed]
        covered += sorted(chain((int(tick.timestamp()) for tick in made.run), *missed))
        cursor = made.next
    return covered


def faults(found: Iterable[int], expected: Iterable[int], what: str) -> list[str]:
    """How two lists of ticks differ; they are lists, so that nothing twice goes unseen."""
    one, other = list(found), list(expected)
    differ = [] if one == other else sorted(set(one) ^ set(other)) or ["twice, or out of order"]
    return [f"{what}: {each if isinstance(each, str) else utc(each)}" for each in differ[:5]]


def differing(zone: str, expressions: list[str], says: Callable[[Schedule, Week], Iterable[int]]) -> list[str]:
    """Where what is said of a zone's weeks is not what the oracle says."""
    return [
        fault
        for week in weeks(zone)
        for expression in expressions
        for fault in faults(says(CronSchedule(expression, zone), week), due(week, expression), f"{expression} {zone}")
    ]


@pytest.mark.parametrize("zone", ZONES)
def test_fixed_times_run_once_whatever_the_clocks_do(zone: str) -> None:
    assert differing(zone, FIXED, told) == []


@pytest.mark.parametrize("zone", ZONES)
def test_wildcards_run_as_the_clock_shows_whatever_the_clocks_do(zone: str) -> None:
    assert differing(zone, WILDCARD, told) == []


@pytest.mark.parametrize("zone", ZONES)
def test_schedules_of_every_second_are_right_to_the_second_around_a_change(zone: str) -> None:
    hours = [Week(zone, middle, days=1 / 48) for middle in changes(zone, 2020, 2035)]

    differ = [
        faults(told(CronSchedule(expression, zone), hour), hour.due(expression), expression)
        for hour in hours
        for expression in EVERY_SECOND
    ]

    assert [each for each in differ if each] == []


@pytest.mark.parametrize("zone", ZONES)
def test_the_next_tick_is_never_of_the_past_and_leaves_none_out(zone: str) -> None:
    assert differing(zone, [*FIXED[:12], *WILDCARD[:6]], one_by_one) == []


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("catchup", [CatchUp("skip", 0, 0), CatchUp("latest", HOUR, 0), CatchUp("all", 2 * HOUR, 3)])
def test_a_dispatcher_decides_every_tick_once_whatever_the_clocks_do(zone: str, catchup: CatchUp) -> None:
    assert differing(zone, [*FIXED[:6], *WILDCARD[:3]], partial(decided, catchup)) == []


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("seconds", [420, HOUR, 25 * HOUR])
def test_intervals_count_real_time(zone: str, seconds: int) -> None:
    for week in weeks(zone):
        anchor = week.start - 5 * seconds + 17
        counted = [tick for tick in range(anchor, week.end, seconds) if tick >= week.start]
        schedule = IntervalSchedule(seconds, utc(anchor))

        assert faults(told(schedule, week), counted, zone) == []
        assert faults(decided(CatchUp("all", HOUR, 3), schedule, week), counted, zone) == []


@pytest.mark.parametrize("zone", ZONES)
def test_a_naive_date_means_its_first_pass_or_the_end_of_its_gap(zone: str) -> None:
    for middle in changes(zone, 2020, 2035):
        about = utc(middle).replace(tzinfo=None)
        walls = [about + timedelta(minutes=n) for n in range(-14 * 60, 14 * 60, 10)]

        read = [parse_schedule("date", {"run_date": w.isoformat(), "timezone": zone}, now=utc(middle)) for w in walls]

        assert read == [DateSchedule(utc(instant_of(wall, zone, middle))) for wall in walls]


def test_the_years_have_the_changes_that_this_is_about() -> None:
    """Without them all of the above would be true of nothing."""
    found = {zone: changes(zone, 2020, 2035) for zone in ZONES}

    assert sum(map(len, found.values())) >= CHANGES
    assert all(change % 60 == 0 for each in found.values() for change in each)
    assert all(later - earlier > 8 * DAY for each in found.values() for earlier, later in pairwise(each))


def test_the_oracle_knows_the_rules_where_they_are_well_known() -> None:
    """Berlin, 2024: the hour from two on 31 March is left out, the one on 27 October comes twice."""
    gap, fold = Week("Europe/Berlin", 1711846800), Week("Europe/Berlin", 1729990800)

    on_the_day = {
        each: [
            [(tick - week.middle) // 60 for tick in week.due(each) if abs(tick - week.middle) <= 2 * HOUR]
            for week in (gap, fold)
        ]
        for each in ("30 2 * * *", "*/30 2 * * *", "0 3 * * *")
    }

    assert on_the_day == {"30 2 * * *": [[0], [-30]], "*/30 2 * * *": [[], [-60, -30, 0, 30]], "0 3 * * *": [[0], [60]]}
    assert [is_fixed(each) for each in ("30 2 * * *", "5 30 2 * * *", "*/30 2 * * *", "30 * * * *")] == [
        True, True, False, False,
    ]  # fmt: skip
