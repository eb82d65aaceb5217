"""Intervals, dates, manual schedules, the limits on all of them, and the sharing of work."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from horarium.schedule import (
    CronSchedule,
    DateSchedule,
    IntervalSchedule,
    ManualSchedule,
    Schedule,
    next_tick,
    ticks_between,
)
from horarium.schedule.cron import first_cron_tick

NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
MINUTELY = IntervalSchedule(60, NOON)


def test_an_interval_ticks_first_at_its_anchor() -> None:
    assert next_tick(MINUTELY, NOON - timedelta(days=400)) == NOON


def test_an_interval_never_drifts_from_its_anchor() -> None:
    weekly = IntervalSchedule(7 * 86_400, NOON)

    assert next_tick(weekly, NOON + timedelta(days=7 * 5_000, seconds=1)) == NOON + timedelta(days=7 * 5_001)


@given(
    seconds=st.integers(1, 10**9),
    anchor=st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # hypothesis wants naive bounds
    after=st.datetimes(datetime(1960, 1, 1), datetime(2300, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # as above
)
def test_the_next_tick_of_an_interval_is_the_first_multiple_after(
    seconds: int, anchor: datetime, after: datetime
) -> None:
    tick = next_tick(IntervalSchedule(seconds, anchor), after)

    assert tick is not None
    assert tick > after
    assert (tick - anchor) % timedelta(seconds=seconds) == timedelta()
    assert tick - timedelta(seconds=seconds) <= after or tick == anchor


def test_a_date_ticks_once() -> None:
    once = DateSchedule(NOON)

    assert next_tick(once, NOON - SECOND) == NOON
    assert next_tick(once, NOON) is None


def test_a_date_far_away_is_still_found() -> None:
    assert next_tick(DateSchedule(datetime(9000, 1, 1, tzinfo=UTC)), NOON) == datetime(9000, 1, 1, tzinfo=UTC)


def test_a_manual_schedule_never_ticks() -> None:
    assert next_tick(ManualSchedule(), NOON) is None


@pytest.mark.parametrize("schedule", [MINUTELY, CronSchedule("* * * * *")])
def test_a_tick_at_not_before_counts(schedule: Schedule) -> None:
    later = NOON + timedelta(hours=3)

    assert next_tick(schedule, NOON, not_before=later) == later


@pytest.mark.parametrize("schedule", [MINUTELY, CronSchedule("* * * * *")])
def test_end_at_is_the_last_instant_that_may_tick(schedule: Schedule) -> None:
    end = NOON + timedelta(minutes=1)

    assert next_tick(schedule, NOON, end_at=end) == end
    assert next_tick(schedule, end, end_at=end) is None


@pytest.mark.parametrize("schedule", [MINUTELY, CronSchedule("* * * * *")])
def test_between_leaves_out_its_start_and_keeps_its_end(schedule: Schedule) -> None:
    until = NOON + timedelta(minutes=2)

    assert list(ticks_between(schedule, NOON, until)) == [NOON + timedelta(minutes=1), until]


def test_between_is_lazy_enough_for_a_window_of_centuries() -> None:
    ticks = ticks_between(CronSchedule("* * * * * *"), NOON, NOON + timedelta(days=365 * 400))

    assert next(ticks) == NOON + SECOND


@pytest.mark.parametrize("schedule", [MINUTELY, CronSchedule("* * * * *"), DateSchedule(NOON), ManualSchedule()])
def test_an_empty_window_has_no_ticks(schedule: Schedule) -> None:
    assert list(ticks_between(schedule, NOON, NOON)) == []


def test_a_naive_instant_is_refused() -> None:
    with pytest.raises(TypeError, match="naive"):
        next_tick(MINUTELY, NOON.replace(tzinfo=None))


def test_ten_thousand_equal_crons_cost_one_computation() -> None:
    first_cron_tick.cache_clear()

    found = {next_tick(CronSchedule("*/5 * * * *", "Europe/Berlin"), NOON) for _ in range(10_000)}

    assert found == {NOON + timedelta(minutes=5)}
    assert first_cron_tick.cache_info().misses == 1
