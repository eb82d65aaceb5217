"""What an auditor finds over a rig.

without_rest   function   it goes on at once with its next pass
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from horarium.actors import auditor as auditor_module
from horarium.model import TaskConfigPatch

if TYPE_CHECKING:
    from tests.support.rig import Rig

__all__ = ["DEEDS", "LATER", "audited", "does", "punctual", "without_rest"]

LATER = 40
"""Seconds after which ticks that have no row are late enough to be missed."""

DEEDS = ("pause", "resume", "edit", "stop", "start")
"""What a user does to a config."""


@pytest.fixture
def without_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditor_module, "IDLE_SHARE", 0.0)
    monkeypatch.setattr(auditor_module, "READING_SHARE", 0.0)


async def punctual(rig: Rig) -> None:
    """Rows were made at their tick: the rig's clock stands in 2024, Postgres' does not."""
    await rig.sql("UPDATE executions SET created_at = coalesce(tick_until, tick_at) WHERE tick_at IS NOT NULL")


async def audited(rig: Rig, *, after: float = LATER) -> list[tuple[str, str, int]]:
    """What two passes find, seconds after the present."""
    await punctual(rig)
    await rig.sql("UPDATE executions SET status = 'success', completed_at = now() WHERE completed_at IS NULL")
    auditor, audit = rig.auditor()
    rig.clock.passes(after)
    await auditor.step()
    await auditor.step()
    rig.clock.passes(-after)
    return [(finding.kind, finding.subject, finding.count) for finding in audit.findings]


async def does(rig: Rig, deed: str, config: int, expression: str) -> None:
    """One of the deeds, where the config's status lets a user do it; an edit gives it this expression."""
    match deed, await rig.status(config):
        case "pause", "active":
            await rig.task_configs.pause(config, reason=None, until=None)
        case "resume", "paused":
            await rig.task_configs.resume(config)
        case "edit", _:
            patch = TaskConfigPatch(schedule_config={"cron_expression": expression})
            await rig.task_configs.edit(config, patch, version=None)
        case "stop", "active" | "paused":
            await rig.task_configs.stop(config)
        case "start", "inactive":
            await rig.task_configs.start(config)
