"""Ticks to come, one by one while they are few, and as a rate where they are many. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from horarium.firing import FiringSpec
from horarium.outlook import MOST_TICKS, outlook
from horarium.schedule import CatchUp, CronSchedule, IntervalSchedule, Schedule

NOON = datetime(2026, 1, 7, 12, tzinfo=UTC)
HOUR = NOON + timedelta(hours=1)


def spec(schedule: Schedule, **limits: datetime) -> FiringSpec:
    return FiringSpec(
        name="a config", task_type="echo", scheduler_type="cron", schedule=schedule, catchup=CatchUp("latest", 60, 1),
        start_at=limits.get("start_at"), end_at=limits.get("end_at"), jitter_seconds=0, one_at_a_time=True,
        queue="default", priority=5, parameters={},
    )  # fmt: skip


def counted(schedule: Schedule, bins: int = 60, **limits: datetime) -> list[float]:
    found = [0.0] * bins
    outlook(spec(schedule, **limits), NOON, HOUR).count(found, NOON, 60.0)
    return found


def test_few_ticks_are_taken_one_by_one() -> None:
    ahead = outlook(spec(CronSchedule("*/15 * * * *", "UTC")), NOON, HOUR)

    assert [tick.minute for tick in ahead.ticks] == [15, 30, 45, 0]
    assert ahead.every_seconds is None


def test_many_ticks_go_on_at_their_rate() -> None:
    ahead = outlook(spec(IntervalSchedule(2, NOON)), NOON, HOUR)

    assert len(ahead.ticks) == MOST_TICKS
    assert ahead.every_seconds == 2


@pytest.mark.parametrize(("seconds", "each"), [(1, 60), (2, 30), (7, 60 / 7), (20, 3), (60, 1)])
def test_every_minute_has_as_many_as_tick_in_it(seconds: int, each: float) -> None:
    found = counted(IntervalSchedule(seconds, NOON))

    assert found[1:] == [pytest.approx(each, abs=1)] * 59
    assert sum(found) == pytest.approx(3600 / seconds, abs=1.5)


def test_what_begins_later_or_ends_before_is_not_counted_beyond() -> None:
    found = counted(
        IntervalSchedule(60, NOON), start_at=NOON + timedelta(minutes=10), end_at=NOON + timedelta(minutes=20)
    )

    assert (sum(found[:10]), sum(found[10:21]), sum(found[21:])) == (0, 11, 0)


def test_many_that_end_are_not_counted_beyond_their_end() -> None:
    found = counted(IntervalSchedule(2, NOON), end_at=NOON + timedelta(minutes=20))

    assert sum(found) == pytest.approx(600, abs=2)
    assert sum(found[21:]) == 0


def test_one_of_a_sample_counts_for_as_many_as_it_stands_for() -> None:
    found = [0.0] * 60
    outlook(spec(IntervalSchedule(60, NOON)), NOON, HOUR).count(found, NOON, 60.0, 25.0)

    assert found[5] == 25
