"""A schedule in words says what it does: nothing else, nothing less, and the same however it is written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from horarium.schedule import CronSchedule, DateSchedule, IntervalSchedule, ManualSchedule, describe
from horarium.schedule.cron import compile_cron
from horarium.schedule.cron_words import cron_words

if TYPE_CHECKING:
    from horarium.schedule import Schedule

NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)

CRONS = {
    # times of day
    "* * * * * *": "Every second",
    "*/5 * * * * *": "Every 5 seconds",
    "*/7 * * * * *": "Every minute at seconds 0, 7, 14 … 56",
    "30 * * * * *": "Every minute at second 30",
    "* * * * *": "Every minute",
    "*/15 * * * *": "Every 15 minutes",
    "0,30 * * * *": "Every 30 minutes",
    "*/7 * * * *": "Every hour at :00, :07, :14 … :56",
    "5/15 * * * *": "Every hour at :05, :20, :35 and :50",
    "0 * * * *": "Every hour",
    "15 * * * *": "Every hour at :15",
    "0-4,30 * * * *": "Every hour at :00 to :04 and :30",
    "*/5 9-17 * * *": "Every 5 minutes from 09:00 to 17:55",
    "* 9 * * *": "Every minute from 09:00 to 09:59",
    "*/30 22-23,0-2 * * *": "Every 30 minutes in the hours 0 to 2, 22 and 23",
    "0 */6 * * *": "Every day at 00:00, 06:00, 12:00 and 18:00",
    "30 */2 * * *": "Every 2 hours from 00:30 to 22:30",
    "5 9-17 * * *": "Every hour from 09:05 to 17:05",
    "5,35 9-17 * * *": "In the hours 9 to 17 at :05 and :35",
    "5 1,2,5,9,20 * * *": "In the hours 1, 2, 5, 9 and 20 at :05",
    "*/10 30 9 * * *": "Every 10 seconds from 09:30:00 to 09:30:50",
    "*/10 * 9-17 * * *": "Every 10 seconds from 09:00:00 to 17:59:50",
    "0,20 */2 9-17 * * *": "At seconds 0 and 20 of minutes 0, 2, 4 … 58 of hours 9 to 17",
    "15 0-4 * * * *": "At second 15 of minutes 0 to 4 of every hour",
    "30 0 9 * * *": "Every day at 09:00:30",
    "0 9,17 * * *": "Every day at 09:00 and 17:00",
    # days of the week
    "30 9 * * 1-5": "Every weekday at 09:30",
    "30 9 * * MON-FRI": "Every weekday at 09:30",
    "0 9 * * 1-4": "Monday to Thursday at 09:00",
    "0 9 * * 7": "Every Sunday at 09:00",
    "0 9 * * */7": "Every Sunday at 09:00",
    "0 9 * * 6,0": "Every Saturday and Sunday at 09:00",
    "0 9 * * 1,3,4": "Every Monday, Wednesday and Thursday at 09:00",
    "0 9 * * MON#2": "On the second Monday of every month at 09:00",
    "0 9 * * 5L": "On the last Friday of every month at 09:00",
    "0 9 * * 5L,5#2,1#1": "On the first Monday and the second and last Friday of every month at 09:00",
    "0 9 * * 1,5#2": "Every Monday, and on the second Friday of every month, at 09:00",
    "0 9 * * 1,1#2": "Every Monday at 09:00",
    "*/5 9-17 * * 1-5": "Every 5 minutes from 09:00 to 17:55, every weekday",
    # days of the month
    "0 9 1 * *": "On day 1 of every month at 09:00",
    "0 9 1,15 * *": "On days 1 and 15 of every month at 09:00",
    "0 9 1-7,20 * *": "On days 1 to 7 and 20 of every month at 09:00",
    "0 9 L * *": "On the last day of every month at 09:00",
    "0 9 LW * *": "On the last weekday of every month at 09:00",
    "0 9 15,L * *": "On day 15 and the last day of every month at 09:00",
    "* * */10 * *": "Every minute, on days 1, 11, 21 and 31 of every month",
    # months
    "0 0 1 1 *": "On 1 January at 00:00",
    "0 9 15 3,6 *": "On day 15 of March and June at 09:00",
    "0 9 * 1-3 *": "Every day from January to March at 09:00",
    "0 9 * 1-3,JUL *": "Every day in January to March and July at 09:00",
    "0 9 * DEC 1": "Every Monday in December at 09:00",
    "0 9 * 12 5L": "On the last Friday of December at 09:00",
    # both fields of days, by Debian's rule
    "0 9 13 * FRI": "On day 13 of every month, and every Friday, at 09:00",
    "0 9 */2 * MON": "On days 1, 3, 5 … 31 of every month, if it is a Monday, at 09:00",
    "0 9 1-7 * *,MON": "On days 1 to 7 of every month at 09:00",
    "0 9 1-7 * */3": "On days 1 to 7 of every month, if it is a Wednesday, Saturday or Sunday, at 09:00",
    "0 9 */2 * 1-5": "On days 1, 3, 5 … 31 of every month, if it is a weekday, at 09:00",
    "0 9 */2 * 1#1": "On days 1, 3, 5 … 31 of every month, if it is the first Monday, at 09:00",
    "0 9 1-31 * MON": "Every day at 09:00",
    "0 9 13 * 0-6": "Every day at 09:00",
    "* * 13 * FRI": "Every minute, on day 13 of every month, and every Friday",
}


@pytest.mark.parametrize(("expression", "words"), CRONS.items())
def test_a_cron_is_said_in_words(expression: str, words: str) -> None:
    assert cron_words(expression) == words


OTHERS: list[tuple[Schedule, str]] = [
    (CronSchedule("30 9 * * 1-5", "Europe/Vienna"), "Every weekday at 09:30, Europe/Vienna"),
    (CronSchedule("0 * * * *"), "Every hour, UTC"),
    (CronSchedule("*/5 * * * * *", "Europe/Vienna"), "Every 5 seconds"),
    (CronSchedule("* * * * 1", "Europe/Vienna"), "Every minute, every Monday, Europe/Vienna"),
    (IntervalSchedule(1, NOON), "Every second"),
    (IntervalSchedule(86_400, NOON), "Every day"),
    (IntervalSchedule(5400, NOON), "Every 1 hour and 30 minutes"),
    (IntervalSchedule(2 * 86_400 + 3600 + 5, NOON), "Every 2 days, 1 hour and 5 seconds"),
    (DateSchedule(NOON), "Once, on Wednesday 1 July 2026 at 14:00, Europe/Vienna"),
    (DateSchedule(NOON.replace(second=7)), "Once, on Wednesday 1 July 2026 at 14:00:07, Europe/Vienna"),
    (ManualSchedule(), "By hand only"),
]


@pytest.mark.parametrize(("schedule", "words"), OTHERS, ids=[words for _, words in OTHERS])
def test_every_kind_of_schedule_is_said_in_words_with_its_zone_where_that_matters(
    schedule: Schedule, words: str
) -> None:
    assert describe(schedule, "Europe/Vienna") == words


def _field(low: int, high: int, *special: str) -> st.SearchStrategy[str]:
    number = st.integers(low, high).map(str)
    span = st.tuples(st.integers(low, high), st.integers(low, high)).map(lambda ends: f"{min(ends)}-{max(ends)}")
    step = st.tuples(st.one_of(st.just("*"), number, span), st.integers(1, 12)).map(lambda each: f"{each[0]}/{each[1]}")
    term = st.one_of(number, span, step, *(st.just(each) for each in special))
    return st.one_of(st.just("*"), st.lists(term, min_size=1, max_size=3).map(",".join))


EXPRESSIONS = st.tuples(
    st.sampled_from(["", "0 ", "* ", "*/10 ", "7,9 "]),
    _field(0, 59),
    _field(0, 23),
    _field(1, 28, "L", "LW"),
    _field(1, 12, "JAN"),
    _field(0, 7, "MON", "MON#2", "5L", "0#5"),
).map(lambda parts: parts[0] + " ".join(parts[1:]))


def _meaning(expression: str) -> tuple[object, ...]:
    """When it is due, as sets: its times of day, and which days of four years match."""
    cron = compile_cron(expression)
    return cron.times, tuple(filter(cron.matches, range(10_957, 10_957 + 1462)))


@settings(max_examples=150)
@given(EXPRESSIONS)
def test_whatever_can_be_scheduled_can_be_said(expression: str) -> None:
    words = cron_words(expression)

    assert words[0].isupper() or words[0].isdigit()
    assert 0 < len(words) < 700


NEAR = st.tuples(st.integers(0, 1), st.integers(20, 23), st.integers(1, 3)).map(lambda n: f"{n[0]}-{n[1]}/{n[2]}")
"""Lists that are alike but for their beginning, their end, or how far apart their numbers are."""


@settings(max_examples=200)
@given(EXPRESSIONS, EXPRESSIONS, st.integers(0, 4))
def test_equal_words_are_said_of_equal_schedules_only(one: str, other: str, place: int) -> None:
    """Two that differ in one field at most."""
    mixed = one.split()
    mixed[place - 5] = other.split()[place - 5]

    same_words = cron_words(one) == cron_words(" ".join(mixed))

    assert not same_words or _meaning(one) == _meaning(" ".join(mixed))


@settings(max_examples=200)
@given(st.lists(NEAR, min_size=2, max_size=2), st.sampled_from(["{} * * * *", "5 {} * * *", "7 0 {} * * *"]))
def test_lists_that_are_nearly_alike_are_told_apart(lists: list[str], form: str) -> None:
    one, other = (form.format(each) for each in lists)

    same_words = cron_words(one) == cron_words(other)

    assert same_words == (_meaning(one) == _meaning(other))
