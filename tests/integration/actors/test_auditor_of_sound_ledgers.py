"""Whatever is done to configs: in a ledger that is sound the auditor finds nothing."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from horarium.model import BackfillRequest
from tests.support.audits import DEEDS, LATER, audited, does, without_rest
from tests.support.rig import NOON

if TYPE_CHECKING:
    from tests.support.rig import Rig

__all__ = ["without_rest"]

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("without_rest")]


async def test_a_paused_config_owes_nothing_until_it_is_resumed(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(5)
    await rig.task_configs.pause(config, reason=None, until=None)
    rig.clock.passes(120)
    assert await audited(rig) == []

    await rig.task_configs.resume(config)
    await rig.fire(after=1)

    assert await audited(rig, after=30) == []


async def test_a_backfill_of_skipped_ticks_and_of_what_was_before_is_sound(rig: Rig) -> None:
    config = await rig.config(catchup="skip")
    await rig.fire(after=60)
    await rig.backfills.make(config, BackfillRequest(start=NOON - timedelta(seconds=30), end=rig.clock.now))
    await rig.fire(after=10)

    assert await audited(rig, after=LATER / 2) == []


@pytest.mark.parametrize(
    "config",
    [
        {"schedule_config": {"cron_expression": "30 * * * *"}, "start_at": "2024-05-08T14:00:00Z"},
        {"schedule_config": {"cron_expression": "* * * * *"}, "end_at": "2024-05-08T12:10:00Z"},
        {"scheduler_type": "date", "schedule_config": {"run_date": "2024-05-08T12:30:00Z"}},
        {"scheduler_type": "interval", "schedule_config": {"seconds": 7}},
        {"schedule_config": {"cron_expression": "0 3 29 2 *"}},
    ],
    ids=["starts later", "has ended", "a date", "an interval", "hardly ever"],
)
async def test_a_schedule_with_limits_is_sound(rig: Rig, config: dict[str, Any]) -> None:
    await rig.config(**config)
    for _ in range(60):
        await rig.fire(after=240)

    assert await audited(rig, after=29) == []


@pytest.mark.parametrize("start", ["2024-03-30T20:00:00+00:00", "2024-10-26T20:00:00+00:00"], ids=["spring", "autumn"])
@pytest.mark.parametrize("expression", ["30 2 * * *", "*/15 * * * *", "15 1-4 * * *"])
async def test_a_night_in_which_the_clocks_change_is_sound(rig: Rig, start: str, expression: str) -> None:
    rig.clock.now = type(NOON).fromisoformat(start)
    await rig.config(schedule_config={"cron_expression": expression, "timezone": "Europe/Berlin"})
    found = []
    for _ in range(10):
        await rig.fire(after=3600)
        found += await audited(rig, after=29)

    assert found == []


@pytest.mark.parametrize("seed", range(12))
async def test_whatever_is_done_to_configs_an_audit_of_what_the_dispatcher_wrote_finds_nothing(
    rig: Rig, seed: int
) -> None:
    """Outages, pauses, edits, stops and clean-ups in any order, under every catch-up policy."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    expressions = ["* * * * * *", "*/7 * * * * *", "* * * * *", "*/13 * * * *"]
    configs = [
        await rig.config(
            catchup=chance.choice(["skip", "latest", "all"]),
            max_catchup_runs=chance.choice([1, 10]),
            schedule_config={"cron_expression": chance.choice(expressions)},
        )
        for _ in range(4)
    ]
    for _ in range(25):
        config = chance.choice(configs)
        match chance.choice([*DEEDS, "fire", "fire", "fire", "outage"]):
            case "outage":
                rig.clock.passes(chance.choice([30, 600, 5000]))
            case deed:
                await does(rig, deed, config, chance.choice(expressions))
        await rig.finish_all()
        await rig.fire(after=chance.random() * 20)
        assert await audited(rig, after=29) == []


async def test_a_config_that_makes_no_sense_is_counted_and_costs_the_others_nothing(rig: Rig) -> None:
    bad, good = await rig.config(), await rig.config()
    await rig.sql("UPDATE task_configs SET schedule_config = '{}' WHERE id = $1", bad)
    auditor, _ = rig.auditor()
    rig.clock.passes(60)

    done = await auditor.step()

    assert (done.unreadable, done.configs, done.ticks) == (1, 1, 30)
    assert good
