"""Jitter: when a tick fires, which instant stands for which tick, and that catch-up counts from there."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from horarium.schedule import (
    CatchUp,
    CronSchedule,
    DateSchedule,
    IntervalSchedule,
    Jitter,
    ManualSchedule,
    Plan,
    Schedule,
    fires_at,
    first_firing,
    next_tick,
    plan,
    ticks_between,
)

NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)
BERLIN_GAP = datetime(2024, 3, 31, 1, tzinfo=UTC)
BERLIN_FOLD = datetime(2024, 10, 27, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)
MICROSECOND = timedelta(microseconds=1)
HOURLY = IntervalSchedule(3600, NOON)
FAR = NOON + timedelta(days=30)

JITTERS = st.builds(Jitter, st.integers(1, 2**63 - 1), st.integers(1, 86_400) | st.integers(1, 100))
STARTS = st.sampled_from([NOON, BERLIN_GAP - timedelta(hours=3), BERLIN_FOLD - timedelta(hours=3)])
REPEATING = st.one_of(
    st.builds(IntervalSchedule, st.integers(1, 5000), st.integers(-9999, 9999).map(lambda ms: NOON + ms * MILLISECOND)),
    st.builds(
        CronSchedule,
        st.sampled_from(["* * * * *", "*/7 * * * * *", "30 2 * * *", "*/20 1-3 * * *", "1,2,40 * * * *", "0 12 * * 1"]),
        st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]),
    ),
)
SCHEDULES = REPEATING | st.just(DateSchedule(NOON + timedelta(seconds=90))) | st.just(ManualSchedule())


def fired_by(schedule: Schedule, jitter: Jitter, cursor: datetime, now: datetime, **limits: Any) -> list[datetime]:
    """The ticks from `cursor` on that fire by `now`, found one by one."""
    ticks = ticks_between(schedule, cursor - MICROSECOND, now, **limits)
    return [tick for tick in ticks if fires_at(schedule, tick, jitter) <= now]


# When a tick fires


@pytest.mark.parametrize(
    ("config_id", "milliseconds"),
    [(1, [255_968, 184_669, 510_469]), (7, [255_460, 398_994, 151_232]), (1_000_000, [500_333, 337_034, 155_750])],
)
def test_the_shift_is_the_same_for_ever(config_id: int, milliseconds: list[int]) -> None:
    """Processes of two releases share a database: a change here would fire ticks at two instants."""
    ticks = [NOON + timedelta(hours=hour) for hour in range(3)]

    shifts = [fires_at(HOURLY, tick, Jitter(config_id, 600)) - tick for tick in ticks]

    assert shifts == [shift * MILLISECOND for shift in milliseconds]


def test_without_jitter_a_tick_fires_at_itself() -> None:
    assert fires_at(HOURLY, NOON, None) == first_firing(HOURLY, NOON, None) == NOON


def test_a_thousand_configs_spread_over_the_whole_of_the_jitter() -> None:
    shifts = [fires_at(HOURLY, NOON, Jitter(config, 600)) - NOON for config in range(1000)]

    in_minute = Counter(shift // timedelta(minutes=1) for shift in shifts)

    assert sorted(in_minute) == list(range(10))
    assert min(in_minute.values()) > 50


def test_jitter_wider_than_the_schedule_spreads_a_tick_over_the_time_to_the_next() -> None:
    shifts = [fires_at(HOURLY, NOON, Jitter(config, 86_400)) - NOON for config in range(1000)]

    assert timedelta(minutes=58) < max(shifts) < timedelta(hours=1)


def test_a_tick_that_has_none_after_it_is_spread_over_the_whole_jitter() -> None:
    date = DateSchedule(NOON)

    shifts = [fires_at(date, NOON, Jitter(config, 86_400)) - NOON for config in range(1000)]

    assert timedelta(hours=23) < max(shifts) < timedelta(hours=24)


@given(schedule=REPEATING, jitter=JITTERS, start=STARTS)
@settings(deadline=None)
def test_ticks_fire_in_their_order_each_before_the_next_is_there(
    schedule: Schedule, jitter: Jitter, start: datetime
) -> None:
    ticks = list(islice(ticks_between(schedule, start, FAR), 20))

    for tick, following in pairwise(ticks):
        fires = fires_at(schedule, tick, jitter)
        assert tick <= fires < min(following, tick + timedelta(seconds=jitter.seconds))
        assert (fires - tick) % MILLISECOND == timedelta(0)


# Which tick an instant stands for


@given(schedule=REPEATING, jitter=JITTERS, start=STARTS)
@settings(deadline=None)
def test_the_instant_at_which_a_tick_fires_stands_for_that_tick(
    schedule: Schedule, jitter: Jitter, start: datetime
) -> None:
    for tick in islice(ticks_between(schedule, start, FAR), 20):
        assert first_firing(schedule, fires_at(schedule, tick, jitter), jitter) == tick


@given(schedule=SCHEDULES, jitter=JITTERS, start=STARTS, milliseconds=st.integers(0, 9_999_999))
@settings(deadline=None)
def test_any_instant_parts_the_ticks_that_fired_from_those_that_will(
    schedule: Schedule, jitter: Jitter, start: datetime, milliseconds: int
) -> None:
    instant = start + milliseconds * MILLISECOND

    parted = first_firing(schedule, instant, jitter)

    before = list(ticks_between(schedule, instant - timedelta(days=1), parted - MICROSECOND))[-50:]
    after = islice(ticks_between(schedule, parted - MICROSECOND, FAR), 20)
    assert [tick for tick in before if fires_at(schedule, tick, jitter) >= instant] == []
    assert [tick for tick in after if fires_at(schedule, tick, jitter) < instant] == []


# What becomes of it


def test_a_tick_is_not_due_until_it_fires() -> None:
    jitter = Jitter(7, 600)
    fires = fires_at(HOURLY, NOON, jitter)

    early = plan(HOURLY, NOON, fires - MICROSECOND, CatchUp("skip", 0, 0), jitter=jitter)
    due = plan(HOURLY, NOON, fires, CatchUp("skip", 0, 0), jitter=jitter)

    assert early == Plan((), (), NOON)
    assert due == Plan((NOON,), (), NOON + timedelta(hours=1))


def test_the_grace_counts_from_when_it_was_to_fire() -> None:
    jitter = Jitter(7, 600)
    fires = fires_at(HOURLY, NOON, jitter)

    late = plan(HOURLY, NOON, fires + timedelta(seconds=5), CatchUp("skip", 0, 0), jitter=jitter)
    missed = plan(HOURLY, NOON, fires + timedelta(seconds=5) + MICROSECOND, CatchUp("skip", 0, 0), jitter=jitter)

    assert late.run == (NOON,)
    assert [each.reason for each in missed.missed] == ["missed"]


def test_an_end_that_comes_while_a_tick_is_put_off_does_not_hold_it_up() -> None:
    jitter = Jitter(7, 600)
    fires = fires_at(HOURLY, NOON, jitter)

    decided = plan(HOURLY, NOON, fires, CatchUp("skip", 0, 0), end_at=NOON + timedelta(seconds=1), jitter=jitter)

    assert decided == Plan((NOON,), (), None)


@given(
    schedule=SCHEDULES,
    jitter=JITTERS,
    cursor=STARTS,
    outage=st.integers(0, 20_000),
    catchup=st.builds(
        CatchUp,
        st.sampled_from(["skip", "latest", "all"]),
        st.integers(0, 20_000),
        st.integers(0, 50),
        st.sampled_from([0.0, 5.0, 600.0]),
    ),
    start_at=st.none() | st.just(NOON + timedelta(seconds=100)),
    end_at=st.none() | st.just(NOON + timedelta(seconds=9000)),
)
@settings(max_examples=300, deadline=None)
def test_every_tick_that_fired_is_decided_exactly_once_by_how_long_ago_that_was(
    schedule: Schedule,
    jitter: Jitter,
    cursor: datetime,
    outage: int,
    catchup: CatchUp,
    start_at: datetime | None,
    end_at: datetime | None,
) -> None:
    now = cursor + timedelta(seconds=outage)
    limits = {"not_before": start_at, "end_at": end_at}
    fired = fired_by(schedule, jitter, cursor, now, **limits)

    decided = plan(schedule, cursor, now, catchup, jitter=jitter, **limits)

    age = {tick: (now - fires_at(schedule, tick, jitter)).total_seconds() for tick in fired}
    covered = [tick for each in decided.missed for tick in fired if each.first <= tick <= each.last]
    old = [tick for each in decided.missed if each.reason == "missed_window" for tick in (each.first, each.last)]
    assert sorted([*decided.run, *covered]) == fired
    assert sum(each.count for each in decided.missed) == len(covered)
    assert [tick for tick in covered if age[tick] <= catchup.grace_seconds] == []
    assert [tick for tick in old if age[tick] <= catchup.window_seconds] == []
    last = fired[-1] if fired else cursor - MICROSECOND
    assert decided.next == next_tick(schedule, last, **limits)
