"""Days as a zone's calendar has them, and which ticks fall on which. Pure."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from horarium.days import MOST_TICKS, Days, Stretch, day_of, first_shown, spread, ticks_of, zone_of

BERLIN = ZoneInfo("Europe/Berlin")
EARLY, LATE = datetime(2000, 1, 1), datetime(2037, 1, 1)  # noqa: DTZ001 - hypothesis adds the zone
WEEKDAYS_AT_NINE = {
    "scheduler_type": "cron",
    "schedule_config": {"cron_expression": "0 9 * * 1-5", "timezone": "Europe/Berlin"},
}


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def hours(zone: str, first: str, last: str) -> list[float]:
    """How long each of these days is."""
    days = Days.between(date.fromisoformat(first), date.fromisoformat(last), ZoneInfo(zone))
    return [(end - begin) / timedelta(hours=1) for begin, end in zip(days.borders, days.borders[1:], strict=False)]


@pytest.mark.parametrize(
    ("zone", "first", "last", "lengths"),
    [
        ("UTC", "2026-03-28", "2026-03-30", [24, 24, 24]),
        ("Europe/Berlin", "2026-03-28", "2026-03-30", [24, 23, 24]),
        ("Europe/Berlin", "2026-10-24", "2026-10-26", [24, 25, 24]),
        ("Australia/Lord_Howe", "2026-04-04", "2026-04-06", [24, 24.5, 24]),
        ("Asia/Beirut", "2026-03-28", "2026-03-30", [24, 23, 24]),
        ("America/Havana", "2024-11-02", "2024-11-04", [24, 25, 24]),
        ("Pacific/Apia", "2011-12-29", "2011-12-31", [24, 0, 24]),
    ],
    ids=["no change", "spring", "autumn", "half an hour", "no midnight", "two midnights", "no such day"],
)
def test_a_day_is_as_long_as_the_zones_clock_shows_its_date(
    zone: str, first: str, last: str, lengths: list[float]
) -> None:
    assert hours(zone, first, last) == lengths


@given(
    st.datetimes(EARLY, LATE, timezones=st.just(UTC)),
    st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kathmandu", "America/Havana", "Asia/Beirut", "Pacific/Apia"]),
)
def test_borders_and_the_zones_own_date_agree_on_every_instant(instant: datetime, name: str) -> None:
    """Postgres counts by the borders, and what is deleted is counted by the date: both must mean the same day."""
    zone = ZoneInfo(name)
    own = day_of(instant, zone)
    days = Days.between(own - timedelta(days=2), own + timedelta(days=2), zone)

    place = days.place(instant)

    assert place is not None
    assert days.day(place) == own


def test_what_is_on_none_of_the_days_has_no_place() -> None:
    days = Days.between(date(2026, 11, 2), date(2026, 11, 3), ZoneInfo("UTC"))

    assert [days.place(at(text)) for text in ("2026-11-01T23:59", "2026-11-02", "2026-11-03T23:59", "2026-11-04")] == [
        None, 0, 1, None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("today", "first"), [("2026-11-28", "2025-11-24"), ("2026-11-30", "2025-12-01"), ("2024-02-29", "2023-02-27")]
)
def test_a_calendar_begins_on_a_monday_a_year_ago(today: str, first: str) -> None:
    found = first_shown(date.fromisoformat(today))

    assert found == date.fromisoformat(first)
    assert found.weekday() == 0


def test_the_ticks_of_a_stretch_fall_where_the_schedule_has_them() -> None:
    """Two weeks of a pause over two weekends, and a change of the clocks."""
    stretch = Stretch(at("2026-10-19T07:00"), at("2026-10-30T08:00"), 10)

    fallen = spread(stretch, ticks_of(stretch, WEEKDAYS_AT_NINE), BERLIN)

    assert fallen == Counter([*(date(2026, 10, day) for day in (19, 20, 21, 22, 23, 26, 27, 28, 29, 30))])


def test_a_schedule_that_has_another_number_of_ticks_by_now_says_nothing() -> None:
    stretch = Stretch(at("2026-10-19T07:00"), at("2026-10-30T08:00"), 12)

    assert ticks_of(stretch, WEEKDAYS_AT_NINE) == ()


def test_a_schedule_that_makes_no_sense_any_more_says_nothing() -> None:
    broken = {"scheduler_type": "cron", "schedule_config": {"cron_expression": "not a cron"}}

    assert ticks_of(Stretch(at("2026-10-19T07:00"), at("2026-10-30T08:00"), 12), broken) == ()


def test_many_ticks_are_not_looked_at_one_by_one() -> None:
    every_minute = {"scheduler_type": "cron", "schedule_config": {"cron_expression": "* * * * *"}}
    first = at("2026-10-19T00:00")

    assert ticks_of(Stretch(first, first + timedelta(minutes=MOST_TICKS), MOST_TICKS + 1), every_minute) == ()


def test_ticks_at_even_distances_are_spread_exactly() -> None:
    """Every minute from 22:00 on a Saturday, over the night in which the clocks are put forward."""
    stretch = Stretch(at("2026-03-28T21:00"), at("2026-03-29T22:30"), 25 * 60 + 31)

    assert spread(stretch, (), BERLIN) == Counter(
        {date(2026, 3, 28): 2 * 60, date(2026, 3, 29): 23 * 60, date(2026, 3, 30): 31}
    )


@given(
    st.datetimes(EARLY, LATE, timezones=st.just(UTC)),
    st.timedeltas(timedelta(days=1), timedelta(days=60)),
    st.integers(2, 100_000),
)
def test_whatever_is_spread_keeps_its_sum_and_its_ends(first: datetime, length: timedelta, count: int) -> None:
    stretch = Stretch(first, first + length, count)

    fallen = spread(stretch, (), BERLIN)

    assert fallen.total() == count
    assert min(fallen.values()) >= 0
    assert fallen[day_of(first, BERLIN)] >= 1
    assert fallen[day_of(stretch.last, BERLIN)] >= 1


def test_days_of_a_config_without_a_zone_or_of_one_that_is_gone_are_those_of_utc() -> None:
    assert [zone_of(each).key for each in ({}, {"timezone": "Mars/Olympus"}, {"timezone": "Asia/Tokyo"})] == [
        "UTC", "UTC", "Asia/Tokyo",
    ]  # fmt: skip
