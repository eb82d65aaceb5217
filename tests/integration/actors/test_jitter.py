"""Jitter over real servers: the index has when a tick fires, its row has the tick, and next-runs says both before."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any

import pytest

from horarium.http.next_runs import coming
from horarium.model import TaskConfigPatch
from horarium.schedule import IntervalSchedule, Jitter, fires_at
from horarium.views import Views
from tests.support.coverage import SOUND
from tests.support.rig import NOON, Rig

if TYPE_CHECKING:
    from horarium.schedule import Run

pytestmark = pytest.mark.anyio

MILLISECOND = timedelta(milliseconds=1)
HOUR = timedelta(hours=1)
HOURLY: dict[str, Any] = {"scheduler_type": "interval", "schedule_config": {"hours": 1}}


def shift(config: int, seconds: int, *, hours: int = 1) -> float:
    """By how many seconds the tick so many hours after noon is put off."""
    tick = NOON + hours * HOUR
    return (fires_at(IntervalSchedule(3600, NOON), tick, Jitter(config, seconds)) - tick).total_seconds()


async def edit(rig: Rig, config: int, **fields: Any) -> None:
    await rig.task_configs.edit(config, TaskConfigPatch.model_validate(fields), version=None)


async def said(rig: Rig, config: int, count: int = 6) -> list[Run]:
    """What next-runs says of the config now."""
    views = Views(rig.database, rig.index, rig.history)
    shown = await views.config(config)
    return list(islice(coming(shown, await views.decided_until(shown), rig.clock.now), count))


async def fires_as(rig: Rig, config: int, run: Run) -> None:
    """The run is not there a millisecond before it fires, and there when it does."""
    before = len(await rig.rows(config))
    rig.clock.now = run.fires_at - MILLISECOND
    await rig.fire()
    assert len(await rig.rows(config)) == before
    rig.clock.now = run.fires_at
    await rig.fire()
    rows = await rig.rows(config)
    assert (len(rows), rows[-1]["tick_at"], rows[-1]["status"]) == (before + 1, run.tick_at, "queued")


# One tick


async def test_a_tick_fires_when_its_jitter_says_and_keeps_its_instant(rig: Rig) -> None:
    config = await rig.config(**HOURLY, jitter_seconds=600)
    put_off = shift(config, 600)

    early = await rig.fire(after=3600 + put_off - 0.001)
    due = await rig.fire(after=0.001)

    assert (early.configs, due.written) == (0, 1)
    assert await rig.said_of(config) == [(3600, 1, "queued", None)]
    assert await rig.next_tick(config) == pytest.approx(7200 + shift(config, 600, hours=2), abs=1e-6)


async def test_the_next_run_of_a_config_is_when_it_fires(rig: Rig) -> None:
    config = await rig.config(**HOURLY, jitter_seconds=600)

    shown = await Views(rig.database, rig.index, rig.history).config(config)

    assert shown.next_run_at == NOON + timedelta(seconds=3600 + shift(config, 600))


async def test_an_index_lost_while_a_tick_is_put_off_is_made_again_as_it_was(rig: Rig) -> None:
    config = await rig.config(**HOURLY, jitter_seconds=600)
    before = await rig.next_tick(config)
    rig.clock.passes(3600)
    await rig.redis.flushdb()

    await rig.loader.load_all()

    assert await rig.next_tick(config) == before


async def test_a_long_outage_with_jitter_is_accounted_for(rig: Rig) -> None:
    config = await rig.config(jitter_seconds=30, schedule_config={"cron_expression": "* * * * *"})

    await rig.fire(after=7200)
    rig.clock.passes(60)
    await rig.fire()

    assert await rig.faults(config, until=rig.clock.now - timedelta(seconds=30)) == SOUND


# A config that changes while a tick is put off


async def test_an_edited_jitter_moves_the_tick_that_is_put_off_and_passes_over_none(rig: Rig) -> None:
    config = await rig.config(**HOURLY, jitter_seconds=60)
    rig.clock.passes(3600)

    await edit(rig, config, jitter_seconds=3000)

    assert await rig.rows(config) == []
    assert await rig.next_tick(config) == pytest.approx(3600 + shift(config, 3000), abs=1e-6)


async def test_a_tick_whose_jitter_is_taken_away_fires_at_once(rig: Rig) -> None:
    config = await rig.config(**HOURLY, jitter_seconds=3000)
    await rig.fire(after=3602)

    await edit(rig, config, jitter_seconds=0)
    await rig.fire()

    assert await rig.said_of(config) == [(3600, 1, "queued", None)]


async def test_a_tick_that_has_fired_does_not_fire_again_when_the_jitter_is_made_wider(rig: Rig) -> None:
    config = await rig.config(**HOURLY, jitter_seconds=60)
    await rig.fire(after=3600 + shift(config, 60))

    await edit(rig, config, jitter_seconds=3000)
    await rig.fire(after=3000)

    assert await rig.said_of(config) == [(3600, 1, "queued", None)]


async def test_a_config_that_is_stopped_while_its_tick_is_put_off_says_so_and_does_not_fire_it_later(rig: Rig) -> None:
    config = await rig.config(**HOURLY, jitter_seconds=3000)
    rig.clock.passes(3600)

    await rig.task_configs.stop(config)
    await rig.task_configs.start(config)
    await rig.fire(after=3000)

    assert await rig.said_of(config) == [(3600, 1, "skipped", "stopped")]


async def test_an_end_that_comes_while_the_last_tick_is_put_off_does_not_hold_it_up(rig: Rig) -> None:
    config = await rig.config(**HOURLY, jitter_seconds=3000, end_at=NOON + HOUR)

    await rig.fire(after=3600 + shift(config, 3000))

    assert await rig.said_of(config) == [(3600, 1, "queued", None)]
    assert await rig.status(config) == "inactive"


async def test_a_config_started_after_its_last_tick_ends_and_does_not_fire_it_though_it_is_put_off(rig: Rig) -> None:
    """It did not owe the tick at its instant; that it would fire only now changes nothing."""
    config = await rig.config(**HOURLY, status="inactive", jitter_seconds=3000, end_at=NOON + HOUR)
    rig.clock.passes(3600 + shift(config, 3000) - 0.001)

    await rig.task_configs.start(config)
    await rig.fire(after=0.001)

    assert await rig.rows(config) == []
    assert await rig.status(config) == "inactive"


# What is said before


@pytest.mark.parametrize(
    "fields",
    [
        {"schedule_config": {"cron_expression": "*/10 * * * * *"}, "jitter_seconds": 0},
        {"schedule_config": {"cron_expression": "*/10 * * * * *"}, "jitter_seconds": 7},
        {"schedule_config": {"cron_expression": "1,2,40 2 * * *", "timezone": "Europe/Berlin"}, "jitter_seconds": 3600},
        {"scheduler_type": "interval", "schedule_config": {"seconds": 90}, "jitter_seconds": 86_400},
        {
            "scheduler_type": "interval",
            "schedule_config": {"seconds": 90},
            "start_at": NOON + HOUR,
            "jitter_seconds": 20,
        },
    ],
    ids=["without", "narrow", "in a zone", "wider than the interval", "from a start on"],
)
async def test_next_runs_says_what_will_fire_instant_by_instant(rig: Rig, fields: dict[str, Any]) -> None:
    config = await rig.config(**fields)
    runs = await said(rig, config)

    for run in runs:
        await fires_as(rig, config, run)

    assert len(runs) == 6


@pytest.mark.parametrize("jitter", [0, 40, 4000])
async def test_next_runs_ends_where_the_config_does(rig: Rig, jitter: int) -> None:
    config = await rig.config(**HOURLY, end_at=NOON + 2 * HOUR, jitter_seconds=jitter)
    runs = await said(rig, config)

    for run in runs:
        await fires_as(rig, config, run)

    assert [run.tick_at for run in runs] == [NOON + HOUR, NOON + 2 * HOUR]
    assert await rig.status(config) == "inactive"


async def test_next_runs_of_a_date_is_the_one(rig: Rig) -> None:
    config = await rig.config(
        scheduler_type="date", schedule_config={"run_date": "2024-05-08T13:00:00Z"}, jitter_seconds=900
    )
    (run,) = await said(rig, config)

    await fires_as(rig, config, run)

    assert run.tick_at == NOON + HOUR


async def test_a_tick_that_is_put_off_is_still_to_come(rig: Rig) -> None:
    config = await rig.config(**HOURLY, jitter_seconds=3000)
    (first, *_) = await said(rig, config)
    rig.clock.now = first.tick_at + MILLISECOND
    await rig.fire()

    (run, *_) = await said(rig, config)

    assert run == first
    await fires_as(rig, config, run)


async def test_a_tick_that_fired_early_in_its_jitter_is_not_to_come_though_the_jitter_grew(rig: Rig) -> None:
    config = await rig.config(**HOURLY, jitter_seconds=60)
    await rig.fire(after=3600 + shift(config, 60))
    await edit(rig, config, jitter_seconds=3500)

    (run, *_) = await said(rig, config)

    assert run.tick_at == NOON + 2 * HOUR
    await fires_as(rig, config, run)


@pytest.mark.parametrize("jitter", [0, 40, 4000])
@pytest.mark.parametrize("until", [NOON + HOUR, NOON + HOUR + timedelta(minutes=10)], ids=["at a tick", "between"])
async def test_next_runs_of_a_pause_with_an_end_are_those_from_its_end_on(
    rig: Rig, until: datetime, jitter: int
) -> None:
    """However much later than its end the pause is found to be over."""
    config = await rig.config(**HOURLY, jitter_seconds=jitter)
    await rig.task_configs.pause(config, reason=None, until=until)
    runs = await said(rig, config, 3)
    rig.clock.now = until + timedelta(seconds=0.7)

    await rig.task_configs.resume(config)
    await rig.fire()
    rig.clock.now = max(runs[-1].fires_at, rig.clock.now)
    await edit(rig, config, catchup="all", catchup_window_seconds=86_400)
    await rig.fire()

    fired = [row["tick_at"] for row in await rig.rows(config) if row["status"] == "queued"]
    assert fired == [run.tick_at for run in runs]
    assert runs[0].tick_at >= until > runs[0].tick_at - HOUR


@pytest.mark.parametrize("action", ["pause", "stop"])
async def test_nothing_is_to_come_of_a_config_that_waits_for_somebody(rig: Rig, action: str) -> None:
    config = await rig.config(**HOURLY, jitter_seconds=60)
    if action == "pause":
        await rig.task_configs.pause(config, reason=None, until=None)
    else:
        await rig.task_configs.stop(config)

    assert await said(rig, config) == []
