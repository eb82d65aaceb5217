"""What is due in a moment is read and decided before it is, and settled at its tick, as things are by then."""

from __future__ import annotations

from contextlib import asynccontextmanager
from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest

from horarium.actors.dispatcher import AHEAD_SECONDS
from tests.support.coverage import SOUND
from tests.support.rig import NOON, Rig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.anyio

TICK = NOON + timedelta(seconds=1)


@asynccontextmanager
async def read_a_moment_ahead(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """Inside the block a dispatcher has read the tick, and waits for the clock to reach it."""
    rig.clock.now = TICK - timedelta(seconds=AHEAD_SECONDS / 2)
    read, due = anyio.Event(), rig.index.due

    async def told(*args: object, **kwargs: object) -> object:
        found = await due(*args, **kwargs)  # type: ignore[arg-type]
        read.set()
        return found

    async with anyio.create_task_group() as group:
        with monkeypatch.context() as spied:
            spied.setattr(rig.index, "due", told)

            async def step() -> None:
                await rig.dispatcher().step(ahead_seconds=AHEAD_SECONDS)

            group.start_soon(step)
            await read.wait()
        yield


async def test_a_tick_read_ahead_is_written_when_it_is_due(rig: Rig) -> None:
    config = await rig.config()
    rig.clock.now, rig.clock.step = TICK - timedelta(seconds=AHEAD_SECONDS), timedelta(milliseconds=1)

    done = await rig.dispatcher().step(ahead_seconds=AHEAD_SECONDS)

    assert done.published == 1
    assert rig.clock.now >= TICK
    assert await rig.said_of(config) == [(1, 1, "queued", None)]


async def test_a_tick_further_away_than_that_is_not_read(rig: Rig) -> None:
    await rig.config()
    rig.clock.now = TICK - timedelta(seconds=AHEAD_SECONDS + 0.001)

    assert (await rig.dispatcher().step(ahead_seconds=AHEAD_SECONDS)).configs == 0


async def test_a_pause_that_comes_between_is_obeyed(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    config = await rig.config()

    async with read_a_moment_ahead(rig, monkeypatch):
        await rig.task_configs.pause(config, reason=None, until=None)
        rig.clock.now = TICK

    assert await rig.said_of(config) == []
    assert rig.broker.sent == []


async def test_a_clock_set_back_in_between_leaves_the_tick_for_later(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    config = await rig.config()

    async with read_a_moment_ahead(rig, monkeypatch):
        rig.clock.now = NOON
    early = await rig.said_of(config)
    await rig.fire(after=1)

    assert early == []
    assert await rig.said_of(config) == [(1, 1, "queued", None)]
    assert await rig.faults(config) == SOUND
