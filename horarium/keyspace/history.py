"""Recent history and live status of each config: the last 100 events, and the latest for an hour.

Derived and bounded; the ledger in Postgres still has every execution. A flush empties it and nothing else suffers,
and a history that gets no more news (its config was deleted) runs out by itself.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Literal, cast

import orjson

from horarium.keyspace.pool import redis_errors
from horarium.keyspace.scripts import script

if TYPE_CHECKING:
    from collections.abc import Sequence

    from redis.asyncio import Redis

    from horarium.keyspace.keys import Keys
    from horarium.outcome import Attempt, Ending
    from horarium.sql.executions import Finished

__all__ = ["ERROR_CHARS", "HISTORY_EVENTS", "History", "HistoryEvent", "HistoryEventName", "ending_details"]

HistoryEventName = Literal[
    "task_loaded", "task_scheduled", "task_updated", "task_deleted", "task_started", "task_stopped", "task_paused",
    "task_resumed", "task_reloaded", "task_executed", "task_execution_failed", "success", "failed", "timeout",
    "cancelled", "lost", "skipped", "retrying",
]  # fmt: skip

HISTORY_EVENTS = 100
HISTORY_SECONDS = 30 * 86_400
STATUS_SECONDS = 3600
ERROR_CHARS = 2000
"""The end of an error that history keeps; the ledger has more of it."""


@dataclass(frozen=True, slots=True)
class HistoryEvent:
    """Something that happened to a config; `details` are JSON values and never secrets."""

    config_id: int
    event: HistoryEventName
    timestamp: datetime
    details: dict[str, Any]

    @classmethod
    def now(cls, config_id: int, event: HistoryEventName, **details: object) -> HistoryEvent:
        """The event, stamped with the present."""
        return cls(config_id, event, datetime.now(UTC), details)

    @classmethod
    def of_ending(cls, config_id: int, attempt: Attempt, ending: Ending, finished: Finished) -> HistoryEvent:
        """How an attempt ended: as the ledger has it, which knows of a cancel."""
        name = cast("HistoryEventName", finished.status)  # final states and retrying are names of events
        return cls.now(config_id, name, **ending_details(attempt, ending, finished))

    def to_json(self) -> bytes:
        """As it is kept and served; details that are None are left out."""
        known = {name: value for name, value in self.details.items() if value is not None}
        return orjson.dumps({"event": self.event, "timestamp": self.timestamp, **known}, default=str)


def ending_details(attempt: Attempt, ending: Ending, finished: Finished) -> dict[str, Any]:
    """What is told of the end of an attempt, whether its execution has a config or not."""
    completed_at = finished.completed_at
    return {
        "task_id": str(attempt.task_id),
        "tick_at": attempt.tick_at,
        "attempt": attempt.attempt,
        "started_at": attempt.started_at,
        "completed_at": completed_at,
        "duration_seconds": (completed_at - attempt.started_at).total_seconds() if completed_at else None,
        "reason": finished.reason,
        "error": ending.error[-ERROR_CHARS:] if ending.error else None,
    }


class History:
    """Typed access to the history lists; raises Unavailable when Redis is away."""

    def __init__(self, redis: Redis, keys: Keys) -> None:
        self._redis = redis
        self._keys = keys
        self._push = script(redis, "history_push")

    async def push(self, events: Sequence[HistoryEvent]) -> None:
        """Add events, oldest first, in one call."""
        by_config: defaultdict[int, list[bytes]] = defaultdict(list)
        for event in events:
            by_config[event.config_id].append(event.to_json())
        keys: list[str] = []
        args: list[bytes | int] = [HISTORY_EVENTS, HISTORY_SECONDS, STATUS_SECONDS]
        for config_id, lines in by_config.items():
            kept = lines[-HISTORY_EVENTS:]
            keys += (self._keys.history(config_id), self._keys.status(config_id))
            args += (len(kept), *kept)
        with redis_errors():
            await self._push(keys=keys, args=args)

    async def newest(self, config_id: int, limit: int) -> list[dict[str, Any]]:
        """The newest events of a config, newest first."""
        with redis_errors():
            lines = await self._redis.lrange(self._keys.history(config_id), 0, limit - 1)
        return [orjson.loads(line) for line in lines]
