"""What an auditor finds over a rig.

without_rest   function   it goes on at once with its next pass
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from horarium.actors import auditor as auditor_module

if TYPE_CHECKING:
    from tests.support.rig import Rig

__all__ = ["LATER", "audited", "punctual", "without_rest"]

LATER = 40
"""Seconds after which ticks that have no row are late enough to be missed."""


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
