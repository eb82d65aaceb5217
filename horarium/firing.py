"""What the dispatcher needs to know of a config to fire it: the value of the due index, and nothing else of the config.

Built by the schedule loader from Postgres, kept in Redis as JSON, read back by the dispatcher for every due tick. The
schedule travels in its parsed form, so that reading it back costs no validation.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import orjson

from horarium.schedule import (
    CatchUp,
    CronSchedule,
    DateSchedule,
    IntervalSchedule,
    ManualSchedule,
    next_tick,
    parse_schedule,
)

if TYPE_CHECKING:
    from horarium.schedule import Schedule
    from horarium.sql.queries import Row

__all__ = ["FiringSpec"]


@dataclass(frozen=True, slots=True)
class FiringSpec:
    """A config, as far as firing it goes."""

    name: str
    task_type: str
    scheduler_type: str
    schedule: Schedule
    catchup: CatchUp
    start_at: datetime | None
    end_at: datetime | None
    one_at_a_time: bool
    queue: str
    priority: int
    parameters: dict[str, Any]

    @classmethod
    def of(cls, row: Row, *, now: datetime) -> Self:
        """From a row of `task_config_schedules`; raises ScheduleError when the stored schedule makes no sense."""
        return cls(
            name=row["name"],
            task_type=row["task_type"],
            scheduler_type=row["scheduler_type"],
            schedule=parse_schedule(row["scheduler_type"], row["schedule_config"], now=now),
            catchup=CatchUp(row["catchup"], row["catchup_window_seconds"], row["max_catchup_runs"]),
            start_at=row["start_at"],
            end_at=row["end_at"],
            one_at_a_time=row["overlap"] == "skip",
            queue=row["queue"],
            priority=row["priority"],
            parameters=row["parameters"],
        )

    def first_after(self, decided_until: datetime) -> datetime | None:
        """The first tick that has no row yet, when every tick up to `decided_until` has one."""
        return next_tick(self.schedule, decided_until, not_before=self.start_at, end_at=self.end_at)

    def to_json(self) -> bytes:
        """As the due index keeps it."""
        return orjson.dumps(
            {
                "name": self.name,
                "task": self.task_type,
                "type": self.scheduler_type,
                "schedule": _pack(self.schedule),
                "catchup": [self.catchup.policy, self.catchup.window_seconds, self.catchup.max_runs],
                "start": _timestamp(self.start_at),
                "end": _timestamp(self.end_at),
                "single": self.one_at_a_time,
                "queue": self.queue,
                "priority": self.priority,
                "parameters": self.parameters,
            }
        )

    @staticmethod
    @lru_cache(maxsize=16_384)
    def from_json(packed: bytes) -> FiringSpec:
        """What `to_json` packed; equal values are read once."""
        spec = orjson.loads(packed)
        policy, window_seconds, max_runs = spec["catchup"]
        return FiringSpec(
            name=spec["name"],
            task_type=spec["task"],
            scheduler_type=spec["type"],
            schedule=_unpack(spec["schedule"]),
            catchup=CatchUp(policy, window_seconds, max_runs),
            start_at=_instant(spec["start"]),
            end_at=_instant(spec["end"]),
            one_at_a_time=spec["single"],
            queue=spec["queue"],
            priority=spec["priority"],
            parameters=spec["parameters"],
        )


def _pack(schedule: Schedule) -> list[Any]:
    match schedule:
        case CronSchedule(expression, timezone):
            return ["cron", expression, timezone]
        case IntervalSchedule(seconds, anchor):
            return ["interval", seconds, anchor.timestamp()]
        case DateSchedule(run_at):
            return ["date", run_at.timestamp()]
        case ManualSchedule():
            return ["manual"]


def _unpack(packed: list[Any]) -> Schedule:
    match packed:
        case ["cron", str(expression), str(timezone)]:
            return CronSchedule(expression, timezone)
        case ["interval", int(seconds), anchor]:
            return IntervalSchedule(seconds, datetime.fromtimestamp(anchor, UTC))
        case ["date", run_at]:
            return DateSchedule(datetime.fromtimestamp(run_at, UTC))
        case ["manual"]:
            return ManualSchedule()
    raise ValueError(f"no schedule: {packed}")


def _timestamp(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()


def _instant(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)
