"""Celery's texts of a crontab are read as Celery itself reads them, and refused where it refuses them."""

from __future__ import annotations

from typing import Any

import pytest
from celery.schedules import ParseException, crontab
from hypothesis import given
from hypothesis import strategies as st

from horarium.importing.carrying import CannotCarry
from horarium.importing.celery_schedules import text_sets

NAMES = ("minute", "hour", "day_of_month", "month_of_year", "day_of_week")
EVERY = dict.fromkeys(NAMES, "*")
NUMBER = st.integers(0, 62).map(str)
WORD = NUMBER | st.sampled_from(["mon", "friday", "SUN", "jan", "december", "*", "x"])
RANGE = st.tuples(WORD, WORD).map("-".join)
PART = WORD | RANGE | st.tuples(WORD | RANGE, st.integers(1, 9).map(str)).map("/".join)
TEXT = st.lists(PART, min_size=1, max_size=3).map(",".join)


def by_celery(fields: dict[str, str]) -> Any:
    """The sets of Celery's own object, or None where it refuses the texts."""
    try:
        made = crontab(**fields)
    except (ValueError, KeyError, ParseException):
        return None
    return tuple(frozenset(getattr(made, name)) for name in NAMES)


def by_us(fields: dict[str, str]) -> Any:
    try:
        sets = text_sets(fields)
    except CannotCarry:
        return None
    return sets.minutes, sets.hours, sets.days, sets.months, sets.weekdays


@pytest.mark.parametrize("name", NAMES)
@given(text=TEXT)
def test_what_we_read_is_what_celery_reads(name: str, text: str) -> None:
    """Celery reads odd texts besides, such as a month's name for a minute: those stay behind."""
    fields = {**EVERY, name: text}
    ours = by_us(fields)

    assert ours in (None, by_celery(fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"minute": "*/15", "hour": "22-2"},
        {"day_of_week": "fri-mon"},
        {"day_of_week": "monday,wednesday"},
        {"month_of_year": "*/3", "day_of_month": "2-30/2"},
        {"month_of_year": "jan,jul"},
        {"minute": "0, 20"},
    ],
)
def test_what_people_write_is_read(fields: dict[str, str]) -> None:
    given_fields = {**EVERY, **fields}

    assert by_us(given_fields) == by_celery(given_fields) is not None


@pytest.mark.parametrize(
    "fields", [{"day_of_week": "7"}, {"minute": "60"}, {"hour": "1-5, 22-1"}, {"minute": ""}, {"minute": "5/2"}]
)
def test_what_celery_refuses_is_refused(fields: dict[str, str]) -> None:
    assert by_us({**EVERY, **fields}) is by_celery({**EVERY, **fields}) is None
