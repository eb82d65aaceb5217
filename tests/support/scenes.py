"""What scenes of cancelled actors have in common: they begin with nothing, and leave sound pools behind.

in_silence   function   what the actors log, at every checkpoint again, is not shown; and whoever is cancelled gives
                        the event loop and the pools nothing to complain of
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import structlog

from tests.support.checkpoints import cancelled_at, cancelled_at_every_checkpoint
from tests.support.pools import postgres_is_sound, redis_is_sound

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.rig import Rig

__all__ = ["BY_HAND", "OnARig", "checkpoints_of", "in_silence"]

BY_HAND: dict[str, Any] = {"scheduler_type": "manual", "schedule_config": {}}


@pytest.fixture
def in_silence(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with structlog.testing.capture_logs():
        yield
    assert [record.getMessage() for record in caplog.get_records("call")] == []


@dataclass
class OnARig:
    """A scene that starts each time with nothing stored and the clock at noon."""

    rig: Rig

    async def given(self) -> None:
        await self.rig.empty()
        await self.prepare()

    async def prepare(self) -> None:
        raise NotImplementedError

    async def sound(self) -> None:
        await self.rig.requests()  # what the step has asked of the loader is done, and needs no connection any more
        await postgres_is_sound(self.rig.database)
        await redis_is_sound(self.rig.redis.connection_pool)


async def checkpoints_of(scene: Any, *, cancelled_at: Any = cancelled_at) -> int:
    """How many there are, at each of which the scene was cut off, found sound and then played to its end."""
    return await cancelled_at_every_checkpoint(scene, scene.sound, cancelled_at=cancelled_at)
