"""Workers that do no more than live: their heartbeat is in Redis, and nobody takes a message."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Any

from horarium.clock import utc_now
from horarium.keyspace.workers import WorkerBeat

if TYPE_CHECKING:
    from tests.support.tree import House

__all__ = ["a_beating_worker"]


async def a_beating_worker(house: House, **said: Any) -> str:
    """The id of one, which is seen for a few seconds."""
    process, now = f"host.example:1:{uuid.uuid4().hex}", utc_now().isoformat()
    known: dict[str, Any] = {"process": process, "host": "host.example", "pid": 1, "version": "1", "beaten_at": now}
    beat = WorkerBeat(f"{process}:1", ("default",), 10, 0, now, **(known | said))
    await house.resources.workers.beat(beat)
    return beat.id
