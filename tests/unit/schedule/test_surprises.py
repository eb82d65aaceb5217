"""What may surprise about a schedule is said, with its figures and dates, and nothing else is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from horarium.schedule import (
    CronSchedule,
    DateSchedule,
    IntervalSchedule,
    ManualSchedule,
    Schedule,
    Surprise,
    Terms,
    surprises,
    ticks_between,
)

JANUARY = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
MINUTELY = IntervalSchedule(60, JANUARY)
GAP = datetime(2026, 3, 29, 1, tzinfo=UTC)  # Berlin: 02:00 becomes 03:00
FOLD = datetime(2026, 10, 25, 1, tzinfo=UTC)  # Berlin: 03:00 becomes 02:00


def berlin(expression: str) -> CronSchedule:
    return CronSchedule(expression, "Europe/Berlin")


def found(schedule: Schedule, **terms: Any) -> list[Surprise]:
    return surprises(schedule, Terms(**terms), JANUARY)


def codes(schedule: Schedule, **terms: Any) -> list[str]:
    return [each.code for each in found(schedule, **terms)]


def test_runs_that_take_longer_than_the_interval_are_told_with_their_figures() -> None:
    (warning,) = found(MINUTELY, run_seconds=90.0)

    assert (warning.code, warning.apart_seconds) == ("slower_than_interval", 60)
    assert "have lately taken 90 s" in warning.message


@pytest.mark.parametrize(
    ("schedule", "terms"),
    [
        (MINUTELY, {"run_seconds": 60.0}),
        (MINUTELY, {"timeout_seconds": 60.0, "jitter_seconds": 60}),
        (MINUTELY, {}),
        (CronSchedule("30 2 * * *"), {"timeout_seconds": 86_400.0}),
        (CronSchedule("30 2 * * *", "Asia/Kolkata"), {}),
        (berlin("30 3 * * *"), {}),
        (berlin("* * * * *"), {}),
        (berlin("30 * * * *"), {}),
        (berlin("30 2 * * *"), {"end_at": GAP}),
        (berlin("30 2 * 5 *"), {}),
        (berlin("30 2 * * MON-SAT"), {}),
        (DateSchedule(JANUARY + timedelta(days=1)), {"timeout_seconds": 1.0, "jitter_seconds": 86_400}),
        (ManualSchedule(), {}),
    ],
)
def test_a_schedule_without_surprises_is_warned_of_nothing(schedule: Schedule, terms: dict[str, Any]) -> None:
    assert found(schedule, **terms) == []


@pytest.mark.parametrize(
    ("schedule", "terms"),
    [
        (DateSchedule(JANUARY - timedelta(days=1)), {}),
        (DateSchedule(JANUARY + timedelta(days=2)), {"end_at": JANUARY + timedelta(days=1)}),
        (CronSchedule("0 0 1 * *"), {"end_at": JANUARY + timedelta(days=9)}),
    ],
)
def test_a_schedule_without_a_tick_to_come_never_fires(schedule: Schedule, terms: dict[str, Any]) -> None:
    assert codes(schedule, **terms) == ["never_fires"]


def test_ticks_closer_than_the_timeout_are_named_with_how_far_they_are_apart() -> None:
    (surprise,) = found(CronSchedule("0,7,50 12 * * MON"), timeout_seconds=430.5)

    assert surprise.code == "more_often_than_timeout"
    assert "420 s" in surprise.message
    assert "430.5 s" in surprise.message
    assert surprise.tick_at == datetime(2026, 1, 5, 12, tzinfo=UTC)
    assert surprise.next_tick_at == datetime(2026, 1, 5, 12, 7, tzinfo=UTC)
    assert surprise.apart_seconds == 420


def test_the_closest_ticks_may_be_those_over_midnight() -> None:
    (surprise,) = found(CronSchedule("0,58 0,23 * * *"), timeout_seconds=150.0)

    assert surprise.apart_seconds == 120
    assert surprise.next_tick_at == datetime(2026, 1, 2, tzinfo=UTC)


def test_jitter_wider_than_the_time_between_ticks_says_what_it_comes_to() -> None:
    (surprise,) = found(MINUTELY, jitter_seconds=61)

    assert surprise.code == "jitter_wider_than_interval"
    assert "60 s" in surprise.message
    assert "61 s" in surprise.message


@pytest.mark.parametrize(
    ("expression", "time", "what"),
    [
        ("30 2 * * *", "02:30:00", "runs once, at 03:00:00"),
        ("15 30 2 * * *", "02:30:15", "runs once, at 03:00:00"),
        ("0 0-5 * * *", "02:00:00", "runs once, at 03:00:00"),
        ("*/20 2 * * *", "02:00:00", "does not run"),
    ],
)
def test_a_time_that_the_clocks_skip_is_named_with_what_becomes_of_it(expression: str, time: str, what: str) -> None:
    (surprise,) = [each for each in found(berlin(expression)) if each.code == "daylight_saving_gap"]

    assert (surprise.changes_at, surprise.date) == (GAP, "2026-03-29")
    assert f"no {time}" in surprise.message
    assert what in surprise.message


@pytest.mark.parametrize(
    ("expression", "time", "what"),
    [
        ("30 2 * * *", "02:30:00", "runs the first time only"),
        ("*/20 2 * * *", "02:00:00", "runs both times"),
    ],
)
def test_a_time_that_the_clocks_repeat_is_named_with_what_becomes_of_it(expression: str, time: str, what: str) -> None:
    (surprise,) = [each for each in found(berlin(expression)) if each.code == "daylight_saving_repeat"]

    assert (surprise.changes_at, surprise.date) == (FOLD, "2026-10-25")
    assert f"two of {time}" in surprise.message
    assert what in surprise.message


def test_every_change_within_400_days_is_named_and_none_after() -> None:
    changes = [each.changes_at for each in surprises(berlin("30 2 * * *"), Terms(), GAP - timedelta(days=1))]

    assert changes == [GAP, FOLD, datetime(2027, 3, 28, 1, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("expression", "change", "ticks"),
    [("30 2 * * *", GAP, 1), ("*/20 2 * * *", GAP, 0), ("30 2 * * *", FOLD, 1), ("*/20 2 * * *", FOLD, 6)],
)
def test_what_is_said_of_a_change_is_what_happens(expression: str, change: datetime, ticks: int) -> None:
    """The words above, held against the ticks themselves."""
    around = ticks_between(berlin(expression), change - timedelta(hours=2), change + timedelta(hours=2))

    assert len(list(around)) == ticks
