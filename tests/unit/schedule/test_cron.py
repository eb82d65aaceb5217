"""Cron: which instants match, and the agreement with CronSim where CronSim is right."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, takewhile
from zoneinfo import ZoneInfo

import pytest
from cronsim import CronSim, CronSimError
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from horarium.schedule import CronSchedule, next_tick, ticks_between

MICROSECOND = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
CHANGES = [  # the UTC days of 2024 on which the zones of ZONES change their clocks, and two ordinary ones
    datetime(2024, month, day, tzinfo=UTC)
    for month, day in [(2, 29), (3, 10), (3, 31), (4, 6), (4, 14), (7, 1), (10, 5), (10, 27), (11, 3)]
]
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "Africa/Casablanca", "Australia/Lord_Howe"]


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc,arg-type]  # mypy cannot count a tuple


def upcoming(expression: str, after: datetime, count: int, zone: str = "UTC") -> list[datetime]:
    return list(islice(ticks_between(CronSchedule(expression, zone), after, utc(2500, 1, 1)), count))


def field(low: int, high: int, *others: str) -> st.SearchStrategy[str]:
    number = st.integers(low, high)
    span = st.tuples(number, number).map(sorted).map("{0[0]}-{0[1]}".format)
    steps = st.integers(1, 12)
    return st.one_of(
        st.just("*"),
        number.map(str),
        span,
        st.builds("{}/{}".format, st.one_of(st.just("*"), span, number.map(str)), steps),
        st.lists(number, min_size=2, max_size=4).map(lambda each: ",".join(map(str, each))),
        st.sampled_from(others or ("*",)),
    )


MINUTES, HOURS = field(0, 59), st.one_of(field(0, 4), field(0, 23))
DAYS = st.one_of(st.just("*"), field(1, 31, "L", "LW", "*/2"))
MONTHS = st.one_of(st.just("*"), field(1, 12, "JAN-JUN", "MAR,OCT", "FEB"))
WEEKDAYS = st.one_of(st.just("*"), field(0, 7, "SUN", "MON-FRI", "TUE#2", "5L", "SAT,SUN"))
FIVE = st.builds("{} {} {} {} {}".format, MINUTES, HOURS, DAYS, MONTHS, WEEKDAYS)
SIX = st.builds("{} {}".format, field(0, 59), FIVE)
INSTANTS = st.one_of(
    st.builds(
        lambda day, seconds: day + timedelta(seconds=seconds),
        st.sampled_from(CHANGES),
        st.one_of(st.integers(-36 * 3600, 36 * 3600), st.integers(-72, 72).map(lambda half: half * 1800)),
    ),
    st.datetimes(datetime(2020, 1, 1), datetime(2035, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001  # hypothesis wants naive bounds
)


def is_fixed(expression: str) -> bool:
    return not any(part.startswith("*") for part in expression.split()[-5:-3])


def assume_sound_in_cronsim(expression: str, zone: str) -> None:
    """Leave out what CronSim 2.8 gets wrong: see the module docstring of horarium.schedule.cron."""
    assume(len(expression.split()) == 5 or not is_fixed(expression))
    assume(zone != "Australia/Lord_Howe" or is_fixed(expression))


def cronsim_ticks(expression: str, zone: str, after: datetime) -> list[datetime]:
    """Walk CronSim, dropping the instants of the past that it gives when started inside a repeated hour."""
    local = after.astimezone(UTC if zone == "UTC" else ZoneInfo(zone))
    try:
        walk = (tick.astimezone(UTC) for tick in CronSim(expression, local))
    except CronSimError:
        assume(False)
    return list(islice((tick for tick in walk if tick > after), 12))


@settings(max_examples=400, deadline=None)
@example(expression="30 2 * * *", zone="Europe/Berlin", after=utc(2024, 3, 30, 12))
@example(expression="30 2 * * *", zone="Europe/Berlin", after=utc(2024, 10, 27, 1, 10))
@example(expression="*/20 2 * * *", zone="Europe/Berlin", after=utc(2024, 10, 26, 23))
@example(expression="15,45 0-3 * * *", zone="America/New_York", after=utc(2024, 3, 10, 5))
@example(expression="10,40 1-2 * * *", zone="Australia/Lord_Howe", after=utc(2024, 4, 6, 14))
@given(expression=st.one_of(FIVE, SIX), zone=st.sampled_from(ZONES), after=INSTANTS)
def test_ticks_are_those_of_cronsim(expression: str, zone: str, after: datetime) -> None:
    assume_sound_in_cronsim(expression, zone)
    expected = cronsim_ticks(expression, zone, after)

    ticks = upcoming(expression, after, len(expected), zone)

    assert ticks == expected


@settings(max_examples=60, deadline=None)
@given(
    minutes=MINUTES,
    hours=st.one_of(st.just("*/3"), HOURS),
    zone=st.sampled_from([*ZONES, "America/Sao_Paulo", "America/St_Johns"]),
    after=st.one_of(INSTANTS, st.sampled_from([utc(2018, 11, 4), utc(2010, 11, 7), utc(2010, 3, 14)])),
)
def test_a_wildcard_cron_ticks_whenever_the_wall_clock_matches(
    minutes: str, hours: str, zone: str, after: datetime
) -> None:
    """An oracle with nothing in common: look at the wall clock of every minute of a day."""
    expression = f"{minutes} {hours} * * *"
    assume(not is_fixed(expression))
    start = after.replace(second=0, microsecond=0)
    parsed = CronSim(expression, start)
    clock = [start + timedelta(minutes=minute) for minute in range(26 * 60)]
    local = [tick.astimezone(ZoneInfo(zone)) for tick in clock]

    ticks = list(ticks_between(CronSchedule(expression, zone), start - MICROSECOND, clock[-1]))

    assert ticks == [
        tick
        for tick, wall in zip(clock, local, strict=True)
        if wall.hour in parsed.hours and wall.minute in parsed.minutes
    ]


@settings(max_examples=200, deadline=None)
@given(expression=st.one_of(FIVE, SIX), zone=st.sampled_from(ZONES), after=INSTANTS)
def test_next_tick_repeated_gives_ticks_between(expression: str, zone: str, after: datetime) -> None:
    schedule = CronSchedule(expression, zone)
    until = after + timedelta(days=4)
    try:
        listed = list(islice(ticks_between(schedule, after, until), 30))
    except CronSimError:
        assume(False)

    cursors = [after, *listed]
    stepped = [next_tick(schedule, cursor, end_at=until) for cursor in cursors[:30]]

    assert list(takewhile(lambda tick: tick is not None, stepped)) == listed


@settings(max_examples=100, deadline=None)
@given(expression=FIVE, zone=st.sampled_from(ZONES), after=INSTANTS)
def test_six_fields_with_second_zero_mean_the_five(expression: str, zone: str, after: datetime) -> None:
    until = after + timedelta(days=3)
    try:
        five = list(ticks_between(CronSchedule(expression, zone), after, until))
    except CronSimError:
        assume(False)

    six = list(ticks_between(CronSchedule(f"0 {expression}", zone), after, until))

    assert six == five


@pytest.mark.parametrize(
    ("expression", "dates"),
    [
        ("0 0 29 2 *", [(2024, 2, 29), (2028, 2, 29), (2032, 2, 29)]),
        ("0 0 L 2 *", [(2023, 2, 28), (2024, 2, 29), (2025, 2, 28)]),
        ("0 0 L * *", [(2023, 1, 31), (2023, 2, 28), (2023, 3, 31)]),
        ("0 0 LW 4,7,9 *", [(2023, 4, 28), (2023, 7, 31), (2023, 9, 29)]),
        ("0 0 31 * *", [(2023, 1, 31), (2023, 3, 31), (2023, 5, 31)]),
        ("0 0 * * MON#1", [(2023, 1, 2), (2023, 2, 6), (2023, 3, 6)]),
        ("0 0 * * MON#5", [(2023, 1, 30), (2023, 5, 29), (2023, 7, 31)]),
        ("0 0 * * 5L", [(2023, 1, 27), (2023, 2, 24), (2023, 3, 31)]),
        ("0 0 * * 7", [(2023, 1, 1), (2023, 1, 8), (2023, 1, 15)]),
        ("0 0 * * mon-wed", [(2023, 1, 2), (2023, 1, 3), (2023, 1, 4)]),
        ("0 0 1 jan,JUL *", [(2023, 1, 1), (2023, 7, 1), (2024, 1, 1)]),
        ("0 0 10-20/5 * *", [(2023, 1, 10), (2023, 1, 15), (2023, 1, 20)]),
        ("0 0 13 * FRI", [(2023, 1, 6), (2023, 1, 13), (2023, 1, 20)]),  # two day fields: either will do
        ("0 0 */13 * FRI", [(2023, 1, 27), (2023, 4, 14), (2023, 7, 14)]),  # a leading star: both must match
    ],
)
def test_days_are_chosen_as_debian_chooses_them(expression: str, dates: list[tuple[int, int, int]]) -> None:
    ticks = upcoming(expression, utc(2022, 12, 31, 23, 59), 3)

    assert ticks == [utc(*date) for date in dates]


@pytest.mark.parametrize(
    ("expression", "times"),
    [
        ("*/25 * * * *", [(12, 25, 0), (12, 50, 0), (13, 0, 0)]),
        ("7/20 12,14 * * *", [(12, 7, 0), (12, 27, 0), (12, 47, 0)]),
        ("5-7 13 * * *", [(13, 5, 0), (13, 6, 0), (13, 7, 0)]),
        ("*/40 * * * * *", [(12, 0, 40), (12, 1, 0), (12, 1, 40)]),
        ("1,59 59 12-13 * * *", [(12, 59, 1), (12, 59, 59), (13, 59, 1)]),
        ("* * * * * *", [(12, 0, 1), (12, 0, 2), (12, 0, 3)]),
    ],
)
def test_times_of_day_follow_lists_ranges_and_steps(expression: str, times: list[tuple[int, int, int]]) -> None:
    ticks = upcoming(expression, utc(2024, 5, 8, 12), 3)

    assert ticks == [utc(2024, 5, 8, *time) for time in times]


def test_a_monday_the_29th_of_february_is_found_forty_years_on() -> None:
    schedule = CronSchedule("0 0 * 2 MON#5")

    assert next_tick(schedule, utc(2072, 3, 1)) == utc(2112, 2, 29)


def test_a_zone_shifts_the_ticks_and_not_the_wall_clock() -> None:
    winter, summer = (next_tick(CronSchedule("0 9 * * *", "Europe/Berlin"), utc(2024, month, 1)) for month in (1, 7))

    assert (winter, summer) == (utc(2024, 1, 1, 8), utc(2024, 7, 1, 7))


def test_a_fraction_of_a_second_after_a_tick_is_after_it() -> None:
    schedule = CronSchedule("* * * * * *")

    before, after = (next_tick(schedule, utc(2024, 5, 8) + step) for step in (-MICROSECOND, MICROSECOND))

    assert (before, after) == (utc(2024, 5, 8), utc(2024, 5, 8, 0, 0, 1))


def test_the_end_of_the_calendar_is_the_end_of_the_ticks() -> None:
    assert next_tick(CronSchedule("0 0 1 1 *"), utc(9999, 1, 2)) is None
