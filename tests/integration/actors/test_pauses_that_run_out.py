"""A pause that is over ends by itself, whenever that is noticed, and its ticks are one row."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from horarium.actors import timeout_sweeper
from horarium.actors.timeout_sweeper import Swept, TimeoutSweeper
from tests.support.config_actions import delete, pause, resume
from tests.support.coverage import SOUND
from tests.support.sweeping import NOTHING, real_time

if TYPE_CHECKING:
    from collections.abc import Sequence

    from horarium.sql.queries import Row
    from tests.support.config_actions import Action
    from tests.support.rig import Rig

__all__ = ["real_time"]

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("real_time")]


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


async def test_pauses_that_run_out_at_one_instant_end_together(rig: Rig) -> None:
    """One after the other, the last of a thousand would be resumed when its first tick has long been missed."""
    configs = [await paused(rig) for _ in range(3)]
    await run_out(rig)
    before = len(await rig.requests())

    swept = await rig.sweeper.step()

    assert swept.resumed == 3
    assert (await rig.requests())[before:] == [tuple(configs)]
    assert [await rig.status(config) for config in configs] == ["active"] * 3


async def test_of_many_pauses_a_portion_ends_at_a_time(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a thousand long pauses have passed over takes seconds to count, in which nothing else would run."""
    monkeypatch.setattr(timeout_sweeper, "PORTION_PAUSES", 2)
    for _ in range(3):
        await paused(rig)
    await run_out(rig)
    before = len(await rig.requests())

    swept = await rig.sweeper.step()

    assert swept.resumed == 3
    assert [len(configs) for configs in (await rig.requests())[before:]] == [2, 1]


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


async def pause_anew(rig: Rig, config: int) -> None:
    await resume(rig, config)
    await pause(rig, config)


@pytest.mark.parametrize(("meanwhile", "status"), [(resume, "active"), (delete, "inactive"), (pause_anew, "paused")])
async def test_a_pause_that_somebody_else_ended_meanwhile_is_left_to_them(
    rig: Rig, meanwhile: Action, status: str
) -> None:
    config = await paused(rig)
    await run_out(rig)

    async def end_too_late(seen: Sequence[Row]) -> int:
        await meanwhile(rig, config)
        return await rig.task_configs.end_pauses(seen)

    sweeper = TimeoutSweeper(
        rig.database, rig.timeouts, rig.workers, rig.mailboxes, clock=rig.clock, end_pauses=end_too_late
    )
    assert await sweeper.step() == NOTHING
    assert await rig.status(config) == status
