"""What the due index keeps comes back as it was, and every due tick becomes a row exactly once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from horarium.firing import Firing, FiringSpec, decide, fires_next
from horarium.keyspace.due_index import DueConfig, from_ms, to_ms
from horarium.schedule import (
    CatchUp,
    CronSchedule,
    DateSchedule,
    IntervalSchedule,
    ManualSchedule,
    ScheduleError,
    ticks_between,
)

if TYPE_CHECKING:
    from horarium.schedule import Schedule
    from horarium.sql.executions import Decision

NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
DEFAULTS: dict[str, Any] = {
    "name": "a config",
    "task_type": "echo",
    "scheduler_type": "cron",
    "schedule": CronSchedule("* * * * * *"),
    "catchup": CatchUp("all", 3600, 100),
    "start_at": None,
    "end_at": None,
    "jitter_seconds": 0,
    "one_at_a_time": False,
    "queue": "default",
    "priority": 5,
    "parameters": {"message": "hello"},
}

SHOWN: dict[str, Any] = {
    "id": 7, "name": "a config", "status": "active", "decided_until": NOON, "task_type": "echo", "queue": "default",
    "scheduler_type": "cron", "schedule_config": {"cron_expression": "*/10 * * * * *"}, "start_at": None,
    "end_at": None, "catchup": "all", "catchup_window_seconds": 3600, "max_catchup_runs": 100, "jitter_seconds": 0,
    "overlap": "skip", "priority": 5, "parameters": {},
}  # fmt: skip

INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(9997, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis wants naive bounds
MILLISECONDS = INSTANTS.map(lambda each: each.replace(microsecond=each.microsecond // 1000 * 1000))
# a float of seconds, which a spec is packed with, is exact to the microsecond for the next two centuries
THIS_AGE = st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - as above
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
SCHEDULES = st.one_of(
    st.builds(CronSchedule, st.sampled_from(["* * * * *", "0 30 2 * * MON#2"]), st.sampled_from(["UTC", "Asia/Tokyo"])),
    st.builds(IntervalSchedule, st.integers(1, 10**9), THIS_AGE),
    st.builds(DateSchedule, THIS_AGE),
    st.just(ManualSchedule()),
)
SPECS = st.builds(
    FiringSpec,
    name=st.text(),
    task_type=st.text(),
    scheduler_type=st.sampled_from(["cron", "interval", "date", "manual"]),
    schedule=SCHEDULES,
    catchup=st.builds(CatchUp, st.sampled_from(["skip", "latest", "all"]), st.integers(0, 10**9), st.integers(0, 1000)),
    start_at=st.none() | THIS_AGE,
    end_at=st.none() | THIS_AGE,
    jitter_seconds=st.integers(0, 86_400),
    one_at_a_time=st.booleans(),
    queue=st.text(),
    priority=st.integers(0, 9),
    parameters=st.dictionaries(st.text(), JSON, max_size=4),
)


def due(**fields: Any) -> DueConfig:
    return DueConfig(7, NOON, 3, FiringSpec(**(DEFAULTS | fields)).to_json())


def judged(firing: Firing, *decisions: Decision) -> Firing:
    firing.decisions = list(decisions)
    return firing


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


# What the index keeps


@given(spec=SPECS)
def test_a_spec_comes_back_as_it_was_packed(spec: FiringSpec) -> None:
    assert FiringSpec.from_json(spec.to_json()) == spec


@given(instant=MILLISECONDS)
def test_an_instant_to_the_millisecond_survives_the_index(instant: datetime) -> None:
    assert from_ms(float(to_ms(instant))) == instant


def test_a_spec_that_is_none_is_refused() -> None:
    packed = FiringSpec(**DEFAULTS).to_json().replace(b'"cron"', b'"lunar"')

    with pytest.raises(ValueError, match="no schedule"):
        FiringSpec.from_json(packed)


@pytest.mark.parametrize(
    ("fields", "seconds"),
    [
        ({}, 10),
        ({"decided_until": NOON + timedelta(seconds=25)}, 30),
        ({"start_at": NOON + timedelta(minutes=1)}, 60),
        ({"end_at": NOON + timedelta(seconds=9)}, None),
        ({"status": "paused"}, None),
        ({"scheduler_type": "manual", "schedule_config": {}}, None),
        ({"schedule_config": {"cron_expression": "written by hand"}}, None),
    ],
)
def test_a_config_fires_next_at_its_first_tick_that_has_no_row(fields: dict[str, Any], seconds: int | None) -> None:
    expected = None if seconds is None else NOON + timedelta(seconds=seconds)

    assert fires_next(SHOWN | fields) == expected


def test_a_stored_schedule_that_makes_no_sense_names_its_field() -> None:
    row = {"name": "x", "task_type": "echo", "scheduler_type": "cron", "schedule_config": {"timezone": "Mars"}}

    with pytest.raises(ScheduleError, match="timezone"):
        FiringSpec.of(row)


# What is decided


@pytest.mark.parametrize("policy", ["skip", "latest", "all"])
@given(
    outage=st.integers(0, 20_000),
    window=st.integers(0, 20_000),
    runs=st.integers(0, 50),
    seconds=st.integers(1, 700),
    one_at_a_time=st.booleans(),
)
def test_every_tick_up_to_the_next_cursor_is_in_exactly_one_row(
    policy: Any, outage: int, window: int, runs: int, seconds: int, one_at_a_time: bool
) -> None:
    schedule: Schedule = IntervalSchedule(seconds, NOON)
    config = due(schedule=schedule, catchup=CatchUp(policy, window, runs), one_at_a_time=one_at_a_time)

    firing = decide(config, NOON, at(outage))

    assert firing.following is not None
    ticks = list(ticks_between(schedule, NOON - SECOND, firing.following - SECOND))
    covering = [
        [row for row in firing.rows if row.tick_at <= tick <= (row.tick_until or row.tick_at)] for tick in ticks
    ]
    assert all(len(rows) == 1 for rows in covering)
    assert sum(row.tick_count for row in firing.rows) == len(ticks)


def test_one_at_a_time_fires_the_first_of_several_and_is_due_again_at_the_second() -> None:
    firing = decide(due(one_at_a_time=True), NOON, at(3))

    assert [row.tick_at for row in firing.rows] == [NOON]
    assert firing.following == at(1)


def test_a_deferred_tick_keeps_the_cursor() -> None:
    firing = judged(decide(due(one_at_a_time=True), NOON, at(3)), "defer")

    assert (firing.cursor, firing.settled, firing.stale) == (NOON, False, False)


def test_a_stale_config_is_not_settled() -> None:
    firing = judged(decide(due(), NOON, NOON), "stale")

    assert (firing.stale, firing.settled) == (True, False)


def test_only_what_was_written_to_run_gets_a_message() -> None:
    firing = judged(decide(due(), NOON, at(3)), "run", "exists", "overlap", "run")

    assert [message.tick_at for message in firing.messages()] == [NOON, at(3)]
    assert {message.attempt for message in firing.messages()} == {1}


def test_deciding_again_starts_after_what_the_ledger_holds() -> None:
    firing = decide(due(catchup=CatchUp("skip", 3600, 100)), NOON, at(600))

    firing.decide_again(at(500), at(600))

    assert firing.rows[0].tick_at == at(501)
    assert firing.following == at(601)


def test_deciding_again_when_the_ledger_is_ahead_writes_nothing() -> None:
    firing = decide(due(catchup=CatchUp("skip", 3600, 100)), NOON, at(600))

    firing.decide_again(at(700), at(600))

    assert (firing.rows, firing.following) == ([], at(701))


def test_a_date_has_no_tick_after_it() -> None:
    date = DateSchedule(NOON.astimezone(timezone(timedelta(hours=2))))

    firing = judged(decide(due(schedule=date), NOON, NOON), "run")

    assert (firing.rows[0].tick_at, firing.cursor) == (NOON, None)
