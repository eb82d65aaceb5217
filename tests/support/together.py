"""Bringing concurrent tasks to the same point before any of them goes on: a race that happens every time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from horarium.keyspace.due_index import DueIndex
from tests.support.waiting import WAITING_FOR_A_LOCK, eventually

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from datetime import datetime

    from horarium.keyspace.due_index import DueConfig
    from horarium.sql.queries import Connection
    from tests.support.rig import Rig

__all__ = ["Gate", "Overlap", "SharedReading", "at_once"]


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


class Overlap:
    """Keeps the first of so many transactions open until each of the others has come as far, or stands before a lock.

    A gate would never open where one of them holds what another waits for.
    """

    def __init__(self, parties: int = 2) -> None:
        self._parties = parties
        self._here = 0

    async def wait(self, connection: Connection) -> None:
        self._here += 1

        async def all_have_looked() -> bool:
            await connection.execute("SELECT pg_stat_clear_snapshot()")  # or it stays as the transaction saw it first
            return self._here + int(await connection.fetchval(WAITING_FOR_A_LOCK)) >= self._parties

        await eventually(all_have_looked)


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
