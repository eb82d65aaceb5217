"""Catch-up: what runs, what is missed and why, and that no tick is forgotten or decided twice."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING, Literal

from hypothesis import given, settings
from hypothesis import strategies as st

from horarium.schedule import (
    CatchUp,
    CronSchedule,
    DateSchedule,
    IntervalSchedule,
    ManualSchedule,
    Missed,
    Plan,
    Schedule,
    missed_between,
    next_tick,
    plan,
    ticks_between,
)
from horarium.schedule.cron import DayTicks

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)
MINUTELY = IntervalSchedule(60, NOON - timedelta(days=1))
SCHEDULES = st.one_of(
    st.builds(
        IntervalSchedule, st.integers(1, 5000), st.integers(-9999, 9999).map(lambda s: NOON + timedelta(seconds=s))
    ),
    st.builds(
        CronSchedule,
        st.sampled_from(["* * * * *", "*/7 * * * * *", "30 2 * * *", "*/20 1-3 * * *", "0 0 1 * *"]),
        st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
    ),
    st.builds(DateSchedule, st.integers(-9999, 9999).map(lambda s: NOON + timedelta(seconds=s))),
    st.just(ManualSchedule()),
)
CATCH_UPS = st.builds(CatchUp, st.sampled_from(["skip", "latest", "all"]), st.integers(0, 20_000), st.integers(0, 50))


def ago(minutes: float) -> datetime:
    return NOON - timedelta(minutes=minutes)


def decide(policy: Literal["skip", "latest", "all"], *, window: int = 3600, runs: int = 100) -> Plan:
    """Plan a minutely schedule at 30 s past noon, after two hours of outage: nothing is on time."""
    return plan(MINUTELY, ago(120), NOON + timedelta(seconds=30), CatchUp(policy, window, runs))


def test_a_tick_within_the_grace_runs_under_every_policy() -> None:
    decided = plan(MINUTELY, NOON, NOON + timedelta(seconds=5), CatchUp("skip", 0, 0))

    assert decided == Plan(run=(NOON,), missed=(), next=NOON + timedelta(minutes=1))


def test_a_tick_past_the_grace_is_missed() -> None:
    decided = plan(MINUTELY, NOON, NOON + timedelta(seconds=5) + MICROSECOND, CatchUp("skip", 0, 0))

    assert decided.run == ()
    assert decided.missed == (Missed(NOON, NOON, 1, "missed"),)


def test_skip_runs_nothing_and_says_so_in_one_range() -> None:
    decided = decide("skip")

    assert decided == Plan((), (Missed(ago(120), NOON, 121, "missed"),), NOON + timedelta(minutes=1))


def test_latest_runs_the_newest_and_supersedes_the_rest() -> None:
    decided = decide("latest")

    assert decided.run == (NOON,)
    assert decided.missed == (
        Missed(ago(120), ago(60), 61, "missed_window"),
        Missed(ago(59), ago(1), 59, "superseded"),
    )


def test_latest_runs_nothing_belated_when_a_tick_is_on_time() -> None:
    decided = plan(MINUTELY, ago(3), NOON, CatchUp("latest", 3600, 100))

    assert decided.run == (NOON,)
    assert decided.missed == (Missed(ago(3), ago(1), 3, "superseded"),)


def test_latest_runs_nothing_when_even_the_newest_is_outside_the_window() -> None:
    decided = decide("latest", window=20)

    assert decided.run == ()
    assert decided.missed == (Missed(ago(120), NOON, 121, "missed_window"),)


def test_all_runs_the_window_in_order() -> None:
    decided = decide("all", window=150)

    assert decided.run == (ago(2), ago(1), NOON)
    assert decided.missed == (Missed(ago(120), ago(3), 118, "missed_window"),)


def test_all_runs_the_newest_up_to_its_limit() -> None:
    decided = decide("all", runs=2)

    assert decided.run == (ago(1), NOON)
    assert decided.missed == (
        Missed(ago(120), ago(60), 61, "missed_window"),
        Missed(ago(59), ago(2), 58, "max_catchup_runs"),
    )


def test_all_runs_those_on_time_beside_the_belated_ones() -> None:
    decided = plan(MINUTELY, ago(3), NOON, CatchUp("all", 3600, 2))

    assert decided.run == (ago(2), ago(1), NOON)
    assert decided.missed == (Missed(ago(3), ago(3), 1, "max_catchup_runs"),)


def test_a_tick_exactly_as_old_as_the_window_is_inside() -> None:
    decided = plan(MINUTELY, ago(10), NOON + timedelta(seconds=10), CatchUp("all", 610, 100))

    assert decided.run[0] == ago(10)


def test_limits_of_the_config_hold_for_run_missed_and_next() -> None:
    decided = plan(MINUTELY, ago(120), NOON, CatchUp("skip", 0, 0), not_before=ago(5), end_at=ago(2))

    assert decided == Plan((), (Missed(ago(5), ago(2), 4, "missed"),), None)


def test_a_clock_that_stepped_back_decides_nothing_and_keeps_the_cursor() -> None:
    decided = plan(MINUTELY, NOON, ago(10), CatchUp("latest", 3600, 100))

    assert decided == Plan((), (), NOON)


def test_a_week_of_seconds_is_counted_without_being_enumerated(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard: with enumeration taken out, six hundred thousand missed ticks are still one row."""

    def refuse(_: DayTicks) -> Iterator[int]:
        raise AssertionError("enumerated")

    monkeypatch.setattr(DayTicks, "__iter__", refuse)
    schedule = CronSchedule("* * * * * *", "Europe/Berlin")

    decided = plan(schedule, NOON - timedelta(days=7), NOON + 7 * MICROSECOND, CatchUp("skip", 0, 0, 0))

    assert decided.missed == (Missed(NOON - timedelta(days=7), NOON, 604_801, "missed"),)


def test_a_pause_is_one_range() -> None:
    assert missed_between(MINUTELY, ago(10), ago(2), "paused") == Missed(ago(9), ago(2), 8, "paused")


def test_a_pause_without_ticks_is_nothing() -> None:
    assert missed_between(ManualSchedule(), ago(10), NOON, "paused") is None


@settings(max_examples=300, deadline=None)
@given(
    schedule=SCHEDULES,
    cursor=st.sampled_from([NOON, datetime(2024, 10, 27, tzinfo=UTC), datetime(2024, 10, 5, 14, tzinfo=UTC)]),
    outage=st.integers(0, 20_000),
    catchup=CATCH_UPS,
    grace=st.sampled_from([0.0, 5.0, 600.0]),
    start_at=st.none() | st.just(NOON + timedelta(seconds=100)),
    end_at=st.none() | st.just(NOON + timedelta(seconds=9000)),
)
def test_every_tick_is_decided_exactly_once(
    schedule: Schedule,
    cursor: datetime,
    outage: int,
    catchup: CatchUp,
    grace: float,
    start_at: datetime | None,
    end_at: datetime | None,
) -> None:
    now = cursor + timedelta(seconds=outage)
    due = list(ticks_between(schedule, cursor - MICROSECOND, now, not_before=start_at, end_at=end_at))

    decided = plan(schedule, cursor, now, replace(catchup, grace_seconds=grace), not_before=start_at, end_at=end_at)

    ranges = [[tick for tick in due if each.first <= tick <= each.last] for each in decided.missed]
    assert sorted(chain(decided.run, *ranges)) == due
    assert [(each[0], each[-1], len(each)) for each in ranges] == [
        (each.first, each.last, each.count) for each in decided.missed
    ]
    assert decided.next == next_tick(schedule, now, not_before=start_at, end_at=end_at)
    assert len(decided.missed) <= 2
