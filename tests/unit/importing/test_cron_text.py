"""Sets of numbers become cron expressions that match the very same days, or none at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from horarium.importing.carrying import CannotCarry
from horarium.importing.cron_text import ALL_DAYS, ALL_WEEKDAYS, CronSets
from horarium.schedule import parse_schedule, ticks_between

START = datetime(2027, 1, 1, tzinfo=UTC)
SPAN = timedelta(days=366)
DATES = [START + timedelta(days=number) for number in range(SPAN.days)]
AT_NOON = {"minutes": frozenset({0}), "hours": frozenset({12})}


def dates(sets: CronSets) -> list[tuple[int, int]]:
    """The dates of a year on which the expression is due."""
    config = {"cron_expression": sets.expression()}
    schedule = parse_schedule("cron", config, now=START)
    return [(tick.month, tick.day) for tick in ticks_between(schedule, START, START + SPAN)]


@given(st.frozensets(st.integers(0, 59), min_size=1), st.frozensets(st.integers(0, 23), min_size=1))
def test_minutes_and_hours_are_the_sets_they_came_from(minutes: frozenset[int], hours: frozenset[int]) -> None:
    expression = CronSets(minutes=minutes, hours=hours).expression()

    schedule = parse_schedule("cron", {"cron_expression": expression}, now=START)
    due = list(ticks_between(schedule, START - timedelta(seconds=1), START + timedelta(hours=23, minutes=59)))
    assert {(tick.hour, tick.minute) for tick in due} == {(hour, minute) for hour in hours for minute in minutes}


@given(st.frozensets(st.sampled_from(sorted(ALL_DAYS)), min_size=1), st.frozensets(st.integers(0, 6), min_size=1))
def test_days_that_are_to_match_both_do_or_are_refused(days: frozenset[int], weekdays: frozenset[int]) -> None:
    wanted = [(d.month, d.day) for d in DATES if d.day in days and d.isoweekday() % 7 in weekdays]

    try:
        due = dates(CronSets(days=days, weekdays=weekdays, **AT_NOON))
    except CannotCarry:
        assert 1 not in days
        assert 0 not in weekdays
    else:
        assert due == wanted


@given(st.frozensets(st.sampled_from(sorted(ALL_DAYS)), min_size=1), st.frozensets(st.integers(0, 6), min_size=1))
def test_days_that_are_to_match_either_do(days: frozenset[int], weekdays: frozenset[int]) -> None:
    wanted = [(d.month, d.day) for d in DATES if d.day in days or d.isoweekday() % 7 in weekdays]

    assert dates(CronSets(days=days, weekdays=weekdays, either=True, **AT_NOON)) == wanted


@pytest.mark.parametrize(
    ("sets", "expression"),
    [
        (CronSets(), "* * * * *"),
        (CronSets(minutes=frozenset(range(0, 60, 15))), "*/15 * * * *"),
        (CronSets(hours=frozenset(range(9, 18)), weekdays=frozenset(range(1, 6))), "* 9-17 * * 1-5"),
        (CronSets(seconds=frozenset({0, 30}), minutes=frozenset({5})), "0,30 5 * * * *"),
        (CronSets(days=frozenset({1}), weekdays=frozenset({1})), "* * */31 * 1"),
        (CronSets(days=frozenset(range(8, 15)), weekdays=frozenset({1})), "* * * * 1#2"),
        (CronSets(days=frozenset(), last_day=True), "* * L * *"),
        (CronSets(days=frozenset(), nth=frozenset({(5, "L")})), "* * * * 5L"),
    ],
)
def test_expressions_are_as_short_as_people_write_them(sets: CronSets, expression: str) -> None:
    assert sets.expression() == expression


def test_days_that_are_to_match_both_and_have_no_form_are_refused() -> None:
    with pytest.raises(CannotCarry, match="cron here takes either"):
        CronSets(days=frozenset({13}), weekdays=frozenset({5})).expression()


def test_a_field_that_matches_nothing_never_fires() -> None:
    with pytest.raises(CannotCarry, match="never fires"):
        CronSets(weekdays=frozenset()).expression()


def test_every_day_of_one_field_is_every_day_where_either_is_enough() -> None:
    assert CronSets(days=frozenset({13}), weekdays=ALL_WEEKDAYS, either=True).expression() == "* * * * *"
