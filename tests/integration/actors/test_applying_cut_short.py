"""A declaration cut off at every checkpoint it has has come about as a whole or not at all, and can be made again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from horarium.model import ApplyRequest
from tests.support.coverage import SOUND
from tests.support.scenes import OnARig, checkpoints_of

if TYPE_CHECKING:
    from tests.support.rig import Rig

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("in_silence")]

ECHO = {"task_type": "echo", "parameters": {"message": "hello"}, "scheduler_type": "cron", "overlap": "allow_all"}
BEFORE = ({"name": name, **ECHO, "schedule_config": {"cron_expression": "* * * * * *"}} for name in ("edited", "gone"))
AFTER = ({"name": name, **ECHO, "schedule_config": {"cron_expression": "*/2 * * * * *"}} for name in ("edited", "new"))
DECLARED_BEFORE = ApplyRequest.model_validate({"configs": list(BEFORE)})
DECLARED = ApplyRequest.model_validate({"configs": list(AFTER), "prune": True})


class Declares(OnARig):
    """One config to make, one to edit and one to remove, the latter two with ticks that were due and have no row."""

    async def prepare(self) -> None:
        await self.rig.applying.apply(DECLARED_BEFORE)
        self.rig.clock.passes(3)
        self.rig.events()

    async def step(self) -> None:
        await self.rig.applying.apply(DECLARED)

    async def sound(self) -> None:
        await super().sound()
        names = await self.rig.sql("SELECT array_agg(name ORDER BY name) FROM task_configs WHERE deleted_at IS NULL")
        changed = names == ["edited", "new"]
        assert changed or names == ["edited", "gone"]
        assert await self.rig.sql("SELECT count(*) FROM executions") == (2 if changed else 0)
        assert await self.rig.sql("SELECT count(*) FROM audit_log") == (5 if changed else 2)

    async def then(self) -> None:
        await self.step()
        await self.rig.loader.load_all()  # as Postgres' notification has it done, where nobody was told
        edited, new, gone = [
            await self.rig.sql("SELECT id FROM task_configs WHERE name = $1", name)
            for name in ("edited", "new", "gone")
        ]
        assert [await self.rig.next_tick(each) for each in (edited, new, gone)] == [4, 4, None]
        assert await self.rig.said_of(edited) == [(1, 3, "skipped", "edited")]
        assert await self.rig.said_of(gone) == [(1, 3, "skipped", "deleted")]
        assert await self.rig.faults(new, after=self.rig.clock.now) == SOUND


async def test_a_declaration_cut_off_anywhere_has_come_about_as_a_whole_or_not_at_all(rig: Rig) -> None:
    assert await checkpoints_of(Declares(rig)) > 10
