"""What is said of the runs to come is what a dispatcher really fires, instant by instant.

The dispatcher is simulated: an entry of the index, as the schedule loader makes it, is decided at the very instant it
says, and moved on to where the decision says, again and again.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING

from hypothesis import given, settings
from hypothesis import strategies as st

from horarium.firing import FiringSpec, decide, first_undecided
from horarium.keyspace.due_index import DueConfig, from_ms, to_ms
from horarium.schedule import (
    CatchUp,
    CronSchedule,
    DateSchedule,
    IntervalSchedule,
    Jitter,
    ManualSchedule,
    Run,
    runs_to_come,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)
COUNT = 25

STARTS = st.sampled_from(
    [NOON, datetime(2024, 3, 30, 22, 17, tzinfo=UTC), datetime(2024, 10, 26, 22, 17, 0, 5, tzinfo=UTC)]
)
SCHEDULES = st.one_of(
    st.builds(IntervalSchedule, st.integers(1, 9000), st.integers(-9999, 9999).map(lambda s: NOON + timedelta(0, s))),
    st.builds(
        CronSchedule,
        st.sampled_from(
            [
                "* * * * *",
                "*/7 * * * * *",
                "30 2 * * *",
                "*/20 1-3 * * *",
                "1,2,40 * * * *",
                "0 9 * * MON-FRI",
                "0 0 L * *",
            ]
        ),
        st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/New_York"]),
    ),
    st.builds(DateSchedule, st.integers(-999, 9999).map(lambda s: NOON + timedelta(0, s))),
    st.just(ManualSchedule()),
)
SPECS = st.builds(
    FiringSpec,
    name=st.just("a config"),
    task_type=st.just("echo"),
    scheduler_type=st.just("cron"),
    schedule=SCHEDULES,
    catchup=st.builds(CatchUp, st.sampled_from(["skip", "latest", "all"]), st.integers(0, 99), st.integers(0, 9)),
    start_at=st.none() | st.integers(0, 99_999).map(lambda s: NOON + timedelta(0, s)),
    end_at=st.none() | st.integers(100_000, 999_999).map(lambda s: NOON + timedelta(0, s)),
    jitter_seconds=st.sampled_from([0, 1, 5, 60, 3600, 86_400]) | st.integers(0, 86_400),
    one_at_a_time=st.booleans(),
    queue=st.just("default"),
    priority=st.just(5),
    parameters=st.just({}),
)


def fired(spec: FiringSpec, config_id: int, since: datetime) -> Iterator[Run]:
    """What a dispatcher fires, and at which instants of a clock that goes by the index."""
    tick = spec.first_after(since)
    fires = None if tick is None else spec.fires_at(config_id, tick)
    while fires is not None:
        due = DueConfig(config_id, from_ms(to_ms(fires)), 1, spec.to_json())
        firing = decide(due, first_undecided(due), due.tick)
        assert [row.reason for row in firing.rows] == [None]
        yield Run(firing.rows[0].tick_at, due.tick)
        firing.decisions = ["run"]
        fires = firing.moves_to


@given(spec=SPECS, config_id=st.integers(1, 2**40), since=STARTS)
@settings(max_examples=400, deadline=None)
def test_the_runs_to_come_are_those_that_a_dispatcher_fires(spec: FiringSpec, config_id: int, since: datetime) -> None:
    said = runs_to_come(
        spec.schedule,
        since,
        since,
        not_before=spec.start_at,
        end_at=spec.end_at,
        jitter=spec.jitter(config_id),
    )

    assert list(islice(said, COUNT)) == list(islice(fired(spec, config_id, since), COUNT))


@given(spec=SPECS, config_id=st.integers(1, 2**40), since=STARTS, seconds=st.integers(0, 99_999))
@settings(max_examples=200, deadline=None)
def test_asked_later_the_runs_to_come_are_the_rest_of_them(
    spec: FiringSpec, config_id: int, since: datetime, seconds: int
) -> None:
    """A tick that is put off is still to come, though its own instant has passed."""
    now = since + timedelta(seconds=seconds)
    limits = {"not_before": spec.start_at, "end_at": spec.end_at}
    jitter = spec.jitter(config_id)

    said = list(islice(runs_to_come(spec.schedule, since, now, **limits, jitter=jitter), 5))

    earlier = runs_to_come(spec.schedule, since, since, **limits, jitter=jitter)
    assert said == list(islice((run for run in earlier if run.fires_at > now), 5))


def test_a_config_does_not_owe_the_tick_before_it_was_made() -> None:
    hourly, jitter = IntervalSchedule(3600, NOON), Jitter(7, 3000)
    made = NOON + timedelta(seconds=1)

    first = next(runs_to_come(hourly, made, made, jitter=jitter))

    assert first.tick_at == NOON + timedelta(hours=1)
