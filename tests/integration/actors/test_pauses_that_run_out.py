"""A pause that is over ends by itself, whenever that is noticed, and its ticks are one row."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from horarium.actors.timeout_sweeper import Swept, TimeoutSweeper
from tests.support.config_actions import delete, resume
from tests.support.coverage import SOUND

if TYPE_CHECKING:
    from tests.support.config_actions import Action
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio

NOTHING = Swept(0, 0, 0)


@pytest.fixture
def rig(rig: Rig) -> Rig:
    """The rig at the servers' own time, by which deadlines are measured."""
    rig.clock.is_real()
    return rig


async def paused(rig: Rig) -> int:
    """A config whose pause of a minute ends at the present of the clock, which is set to its beginning."""
    rig.clock.passes(-60)
    config = await rig.config()
    await rig.task_configs.pause(config, reason=None, until=rig.clock.now + timedelta(seconds=60))
    return config


async def run_out(rig: Rig) -> None:
    rig.clock.passes(60)


async def test_a_pause_that_has_run_out_ends_and_its_ticks_are_one_row(rig: Rig) -> None:
    config = await paused(rig)
    created = rig.clock.now
    await run_out(rig)

    swept = await rig.sweeper.step()

    (row,) = await rig.rows(config)
    assert swept == Swept(0, 0, 1)
    assert (await rig.status(config), row["reason"], row["tick_count"]) == ("active", "paused", 60)
    assert await rig.faults(config, after=created) == SOUND


async def test_a_pause_that_has_not_run_out_goes_on(rig: Rig) -> None:
    rig.clock.passes(60)
    config = await paused(rig)

    assert await rig.sweeper.step() == NOTHING
    assert await rig.status(config) == "paused"


async def test_a_pause_without_an_end_goes_on(rig: Rig) -> None:
    config = await rig.config()
    await rig.task_configs.pause(config, reason=None, until=None)
    rig.clock.passes(86_400)

    assert await rig.sweeper.step() == NOTHING
    assert await rig.status(config) == "paused"


@pytest.mark.parametrize(("meanwhile", "status"), [(resume, "active"), (delete, "inactive")])
async def test_a_pause_that_somebody_else_ended_meanwhile_is_no_error(rig: Rig, meanwhile: Action, status: str) -> None:
    config = await paused(rig)
    await run_out(rig)

    async def resume_too_late(config_id: int) -> None:
        await meanwhile(rig, config_id)
        await rig.task_configs.resume(config_id)

    sweeper = TimeoutSweeper(
        rig.database, rig.timeouts, rig.workers, rig.mailboxes, clock=rig.clock, resume=resume_too_late
    )
    assert await sweeper.step() == NOTHING
    assert await rig.status(config) == status
