"""The wall clock is set: no tick runs twice or is lost, no storm comes, firing goes on when the clock says so."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from horarium.model import ApplyRequest
from tests.support.config_actions import edit
from tests.support.coverage import SOUND
from tests.support.rig import NOON, Rig

if TYPE_CHECKING:
    from tests.support.config_actions import Action

pytestmark = pytest.mark.anyio

HOUR, DAY = 3600, 86_400
MINUTELY: list[dict[str, Any]] = [
    {"schedule_config": {"cron_expression": "* * * * *"}},
    {"scheduler_type": "interval", "schedule_config": {"minutes": 1}},
]
KINDS = pytest.mark.parametrize("fields", MINUTELY, ids=["cron", "interval"])


async def fire_each_minute(rig: Rig, times: int) -> None:
    for _ in range(times):
        await rig.fire(after=60)


# Back


@KINDS
@pytest.mark.parametrize("back", [2, 90, HOUR, DAY])
async def test_a_clock_set_back_fires_nothing_until_it_is_where_it_was(
    rig: Rig, fields: dict[str, Any], back: int
) -> None:
    config = await rig.config(**fields)
    await fire_each_minute(rig, 5)
    stood = rig.clock.now

    rig.clock.passes(-back)
    stepped = await rig.fire()
    rig.clock.now = stood + timedelta(seconds=59.999)
    waited = await rig.fire()
    await rig.fire(after=0.001)

    assert (stepped.written, waited.written) == (0, 0)
    assert await rig.said_of(config) == [(60 * n, 1, "queued", None) for n in range(1, 7)]
    assert len(rig.broker.sent) == 6


@KINDS
@pytest.mark.parametrize("lost", ["index", "dispatcher"])
async def test_a_clock_set_back_fires_nothing_twice_though_everything_but_postgres_is_new(
    rig: Rig, fields: dict[str, Any], lost: str
) -> None:
    """Where a config stands is what its rows say, and they do not go back."""
    config = await rig.config(**fields)
    await fire_each_minute(rig, 5)

    rig.clock.passes(-HOUR)
    if lost == "index":
        await rig.redis.flushdb()
        await rig.loader.load_all()
    stepped = await rig.fire()
    rig.clock.passes(HOUR)
    await fire_each_minute(rig, 2)

    assert stepped.written == 0
    assert await rig.said_of(config) == [(60 * n, 1, "queued", None) for n in range(1, 8)]
    assert await rig.faults(config) == SOUND


@KINDS
async def test_a_clock_set_back_while_a_config_is_made_owes_it_ticks_from_there(
    rig: Rig, fields: dict[str, Any]
) -> None:
    rig.clock.passes(-HOUR)
    config = await rig.config(**fields)

    await fire_each_minute(rig, 2)

    assert await rig.said_of(config) == [(-HOUR + 60, 1, "queued", None), (-HOUR + 120, 1, "queued", None)]


async def test_a_clock_that_goes_to_and_fro_runs_each_tick_once(rig: Rig) -> None:
    config = await rig.config(catchup="all")

    for seconds in (3, -2, 1, 1, -3, 5, -1, 2):
        await rig.fire(after=seconds)

    assert await rig.faults(config) == SOUND
    assert {count for _, count, *_ in await rig.said_of(config)} == {1}
    assert len(rig.broker.sent) == 6


async def test_a_config_stopped_and_started_on_a_clock_set_back_runs_no_tick_twice(rig: Rig) -> None:
    config = await rig.config(**MINUTELY[0])
    await fire_each_minute(rig, 5)

    rig.clock.passes(-180)
    await rig.task_configs.stop(config)
    await rig.task_configs.start(config)
    await fire_each_minute(rig, 4)

    assert await rig.said_of(config) == [(60 * n, 1, "queued", None) for n in range(1, 7)]
    assert await rig.faults(config) == SOUND


async def reschedule(rig: Rig, config: int) -> None:
    await edit(rig, config, schedule_config={"cron_expression": "*/2 * * * * *"})


async def reschedule_by_declaration(rig: Rig, config: int) -> None:
    row = await rig.config_row(config)
    declared = {"name": row["name"], "task_type": "echo", "parameters": row["parameters"], "scheduler_type": "cron"}
    schedule = {"schedule_config": {"cron_expression": "*/2 * * * * *"}, "overlap": "allow_all"}
    await rig.applying.apply(ApplyRequest.model_validate({"configs": [declared | schedule]}))


@pytest.mark.parametrize("change", [reschedule, reschedule_by_declaration])
async def test_another_schedule_on_a_clock_set_back_owes_nothing_before_the_rows_of_the_one_before(
    rig: Rig, change: Action
) -> None:
    config = await rig.config(schedule_config={"cron_expression": "*/5 * * * * *"})
    await rig.fire(after=5)
    await rig.fire(after=5)

    rig.clock.passes(-7)
    await change(rig, config)
    await rig.requests()
    await rig.fire_each_second(12)

    assert [tick for tick, *_ in await rig.said_of(config)] == [5, 10, 12, 14]
    assert (await rig.config_row(config))["scheduled_from"] == NOON + timedelta(seconds=10)


async def test_a_pause_on_a_clock_set_back_is_accounted_for_once(rig: Rig) -> None:
    config = await rig.config(**MINUTELY[0])
    await fire_each_minute(rig, 5)

    rig.clock.passes(-180)
    await rig.task_configs.pause(config, reason=None, until=None)
    rig.clock.passes(360)
    await rig.task_configs.resume(config)
    await fire_each_minute(rig, 1)

    said = await rig.said_of(config)
    assert said[5:] == [(360, 3, "skipped", "paused"), (540, 1, "queued", None)]
    assert await rig.faults(config) == SOUND


# Forward


@KINDS
async def test_a_clock_set_forward_within_the_grace_runs_what_it_jumped_over(rig: Rig, fields: dict[str, Any]) -> None:
    config = await rig.config(**fields, catchup="skip")
    rig.clock.passes(58)

    await rig.fire(after=7)

    assert await rig.said_of(config) == [(60, 1, "queued", None)]


@KINDS
@pytest.mark.parametrize("forward", [HOUR, DAY])
async def test_a_clock_set_forward_is_an_outage_in_one_row_and_one_run(
    rig: Rig, fields: dict[str, Any], forward: int
) -> None:
    """No storm: the newest tick runs for all of them, and those before it are one row, or two where a window ends."""
    config = await rig.config(**fields, catchup_window_seconds=2 * DAY)
    await fire_each_minute(rig, 1)

    await rig.fire(after=forward)
    await rig.fire(after=60)

    assert await rig.said_of(config) == [
        (60, 1, "queued", None),
        (120, forward // 60 - 1, "skipped", "superseded"),
        (60 + forward, 1, "queued", None),
        (120 + forward, 1, "queued", None),
    ]
    assert len(rig.broker.sent) == 3
    assert await rig.faults(config) == SOUND


async def test_a_clock_set_forward_runs_no_more_than_a_config_wants(rig: Rig) -> None:
    config = await rig.config(catchup="all", max_catchup_runs=10, catchup_window_seconds=2 * DAY)

    await rig.fire(after=DAY)

    assert len(rig.broker.sent) == 16  # ten that are late, and those of the last five seconds with both ends
    assert await rig.faults(config) == SOUND


@KINDS
@pytest.mark.parametrize("by", [90, HOUR, DAY])
async def test_a_clock_set_forward_by_mistake_and_back_again_fires_once_it_is_past_what_is_decided(
    rig: Rig, fields: dict[str, Any], by: int
) -> None:
    """What it jumped over has its row already, and history does not change: the ticks are not run once more."""
    config = await rig.config(**fields)
    await fire_each_minute(rig, 1)
    await rig.fire(after=by)
    before = await rig.rows(config)

    rig.clock.passes(-by)
    await fire_each_minute(rig, by // 60)
    unchanged = await rig.rows(config)
    await rig.fire(after=120)

    assert unchanged == before
    assert (await rig.rows(config))[-1]["status"] == "queued"
    assert len(await rig.rows(config)) > len(before)
    assert await rig.faults(config) == SOUND


# With jitter


@pytest.mark.parametrize("back", [2, HOUR])
async def test_a_clock_set_back_while_a_tick_is_put_off_puts_it_off_for_as_long(rig: Rig, back: int) -> None:
    config = await rig.config(scheduler_type="interval", schedule_config={"hours": 1}, jitter_seconds=3000)
    fires = await rig.next_tick(config)
    assert fires is not None
    rig.clock.now = NOON + timedelta(seconds=fires - 0.001)

    rig.clock.passes(-back)
    early = await rig.fire()
    await rig.fire(after=back + 0.001)
    rig.clock.passes(-back)
    again = await rig.fire(after=back)

    assert (early.written, again.written) == (0, 0)
    assert await rig.said_of(config) == [(HOUR, 1, "queued", None)]
