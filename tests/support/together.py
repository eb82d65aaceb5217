"""Bringing concurrent tasks to the same point before any of them goes on: a race that happens every time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from horarium.keyspace.due_index import DueIndex

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from horarium.keyspace.due_index import DueConfig
    from tests.support.rig import Rig

__all__ = ["Gate", "SharedReading", "at_once"]


class Gate:
    """Holds the first so many that come until they are all there; whoever comes later walks through."""

    def __init__(self, parties: int = 2) -> None:
        self._parties = parties
        self._open = anyio.Event()

    async def wait(self) -> None:
        self._parties -= 1
        if self._parties <= 0:
            self._open.set()
        await self._open.wait()


class SharedReading(DueIndex):
    """A due index whose first readers all see what is due before one of them acts on it."""

    def __init__(self, rig: Rig, gate: Gate) -> None:
        super().__init__(rig.redis, rig.keys)
        self._gate = gate

    async def due(self, now: datetime, *, passed_over: int, limit: int) -> list[DueConfig]:
        due = await super().due(now, passed_over=passed_over, limit=limit)
        await self._gate.wait()
        return due


async def at_once(*steps: Callable[[], Awaitable[Any]]) -> None:
    """Run all steps concurrently, to their ends."""
    async with anyio.create_task_group() as group:
        for step in steps:

            async def run(step: Callable[[], Awaitable[Any]] = step) -> None:
                await step()

            group.start_soon(run)
