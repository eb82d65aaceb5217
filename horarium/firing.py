"""Firing a config: what has to be known of it, and what is decided of its due ticks. No I/O, no clock.

A `FiringSpec` is the value of the due index: built by the schedule loader from Postgres, kept in Redis as JSON, read
back by the dispatcher for every due tick. The schedule travels in its parsed form, so that reading it back costs no
validation.

The index knows when a config fires next, which with jitter is later than the tick it fires for; `FiringSpec` translates
between the two, and everything else here is about ticks.

A `Firing` is a due config on its way through the dispatcher: `decide` says which ticks become which rows, Postgres
says what became of the rows, and the two together say where the cursor goes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

import orjson
from uuid_utils.compat import uuid7

from horarium.schedule import (
    CatchUp,
    CronSchedule,
    DateSchedule,
    IntervalSchedule,
    Jitter,
    ManualSchedule,
    ScheduleError,
    fires_at,
    first_firing,
    jitter_of,
    next_tick,
    parse_schedule,
    plan,
)
from horarium.sql.executions import TickRow
from horarium.tasks.message import TaskMessage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from horarium.keyspace.due_index import DueConfig
    from horarium.schedule import Schedule
    from horarium.sql.executions import Decision
    from horarium.sql.queries import Row

SAVED = datetime(2020, 1, 1, tzinfo=UTC)
"""Stands for the present where a stored schedule is read; before any tick there is to come."""

MOST_RUNS = 100
"""Ticks that a config fires at once: after an outage a batch would have a thousand of each of a thousand configs."""

__all__ = ["Firing", "FiringSpec", "decide", "fires_next", "first_undecided", "portions"]


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
    jitter_seconds: int
    one_at_a_time: bool
    queue: str
    priority: int
    parameters: dict[str, Any]

    @classmethod
    def of(cls, row: Row) -> Self:
        """From a row of `task_config_schedules`; raises ScheduleError when the stored schedule makes no sense."""
        return cls(
            name=row["name"],
            task_type=row["task_type"],
            scheduler_type=row["scheduler_type"],
            schedule=_stored_schedule(row["scheduler_type"], orjson.dumps(row["schedule_config"])),
            catchup=CatchUp(row["catchup"], row["catchup_window_seconds"], row["max_catchup_runs"]),
            start_at=row["start_at"],
            end_at=row["end_at"],
            jitter_seconds=row["jitter_seconds"],
            one_at_a_time=row["overlap"] != "allow_all",
            queue=row["queue"],
            priority=row["priority"],
            parameters=row["parameters"],
        )

    def first_after(self, decided_until: datetime) -> datetime | None:
        """The first tick that has no row yet, when every tick up to `decided_until` has one."""
        return next_tick(self.schedule, decided_until, not_before=self.start_at, end_at=self.end_at)

    def fires_at(self, config_id: int, tick: datetime) -> datetime:
        """When a tick of this config fires: where it stands in the index."""
        return fires_at(self.schedule, tick, self.jitter(config_id))

    def tick_at(self, config_id: int, fires: datetime) -> datetime:
        """The tick that a config stands in the index for."""
        return first_firing(self.schedule, fires, self.jitter(config_id))

    def jitter(self, config_id: int) -> Jitter | None:
        """What moves this config's ticks."""
        return jitter_of(config_id, self.jitter_seconds)

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
                "jitter": self.jitter_seconds,
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
        return FiringSpec(
            name=spec["name"],
            task_type=spec["task"],
            scheduler_type=spec["type"],
            schedule=_unpack(*spec["schedule"]),
            catchup=_catchup(*spec["catchup"]),
            start_at=_instant(spec["start"]),
            end_at=_instant(spec["end"]),
            jitter_seconds=spec["jitter"],
            one_at_a_time=spec["single"],
            queue=spec["queue"],
            priority=spec["priority"],
            parameters=spec["parameters"],
        )


@lru_cache(maxsize=16_384)
def _stored_schedule(scheduler_type: str, config: bytes) -> Schedule:
    """The schedule of a stored config, whose anchor and zone are pinned: no clock has a say in it any more."""
    return parse_schedule(scheduler_type, orjson.loads(config), now=SAVED)


@dataclass(slots=True)
class Firing:
    """A due config, the rows its ticks become, and what the ledger made of each."""

    due: DueConfig
    spec: FiringSpec
    rows: list[TickRow]
    following: datetime | None
    decisions: list[Decision] = field(default_factory=list)

    @property
    def skips_a_stretch(self) -> bool:
        """Whether a row covers several ticks: such a row is planned anew while the config is locked."""
        return any(row.reason is not None for row in self.rows)

    @property
    def stale(self) -> bool:
        """Whether the config has changed since it was put into the index."""
        return "stale" in self.decisions

    @property
    def settled(self) -> bool:
        """Whether every tick has its row."""
        return not ("defer" in self.decisions or self.stale)

    @property
    def cursor(self) -> datetime | None:
        """The first tick that has no row now; None when none is left."""
        if "defer" not in self.decisions:
            return self.following
        return self.rows[self.decisions.index("defer")].tick_at

    @property
    def moves_to(self) -> datetime | None:
        """When the tick at the cursor fires; None when none is left."""
        return None if self.cursor is None else self.spec.fires_at(self.due.config_id, self.cursor)

    def decide_again(self, decided_until: datetime, now: datetime) -> None:
        """Decide anew, from the first tick after `decided_until`."""
        cursor = self.spec.first_after(decided_until)
        self.rows, self.following = [], cursor
        if cursor is not None and cursor <= now:
            again = decide(self.due, cursor, now)
            self.rows, self.following = again.rows, again.following

    def ids_of(self, decision: Decision) -> list[UUID]:
        """The rows of which this was decided."""
        return [row.execution_id for row, each in zip(self.rows, self.decisions, strict=True) if each == decision]

    def run(self, released: AbstractSet[UUID]) -> None:
        """Take note of buffered rows that have been released: they run now."""
        ids = (row.execution_id for row in self.rows)
        self.decisions = ["run" if i in released else each for i, each in zip(ids, self.decisions, strict=True)]

    def messages(self) -> list[TaskMessage]:
        """A message for each row that was written to run."""
        spec = self.spec
        return [
            TaskMessage(
                execution_id=row.execution_id,
                attempt=1,
                config_id=row.config_id,
                task_type=spec.task_type,
                scheduler_type=spec.scheduler_type,
                tick_at=row.tick_at,
                parameters=spec.parameters,
                queue=spec.queue,
                priority=spec.priority,
                begins=spec.name,
            )
            for row, decision in zip(self.rows, self.decisions, strict=True)
            if decision == "run"
        ]


def fires_next(row: Row) -> datetime | None:
    """When a config fires next, by its row of `task_config_shown`; None where nothing is to come as it is.

    It is where the loader puts the config in the index, or will within a moment.
    """
    if row["status"] != "active":
        return None
    try:
        spec = FiringSpec.of(row)
    except ScheduleError:  # written by hand: the loader says so, and it becomes `error`
        return None
    tick = spec.first_after(row["decided_until"])
    return None if tick is None else spec.fires_at(row["id"], tick)


def first_undecided(due: DueConfig) -> datetime:
    """The tick that a due config stands in the index for."""
    return FiringSpec.from_json(due.spec).tick_at(due.config_id, due.tick)


def decide(due: DueConfig, cursor: datetime, now: datetime) -> Firing:
    """Which ticks of a due config, from `cursor` to `now`, become which rows, and where its cursor goes.

    Of many ticks to run a config fires the first `MOST_RUNS`, or the first one where it runs one at a time; the next is
    due when those have their rows.
    """
    spec = FiringSpec.from_json(due.spec)
    planned = plan(
        spec.schedule, cursor, now, spec.catchup,
        not_before=spec.start_at, end_at=spec.end_at, jitter=spec.jitter(due.config_id),
    )  # fmt: skip
    run, following = planned.run, planned.next
    most = 1 if spec.one_at_a_time else MOST_RUNS
    if len(run) > most:
        run, following = run[:most], run[most]
    rows = [
        TickRow(uuid7(), due.config_id, due.version, m.first, m.last if m.count > 1 else None, m.count, m.reason)
        for m in planned.missed
    ]
    rows += [TickRow(uuid7(), due.config_id, due.version, tick) for tick in run]
    return Firing(due, spec, rows, following)


def portions(firings: Iterable[Firing], rows: int) -> Iterator[list[Firing]]:
    """The same in portions of so many rows, or of one config that has more."""
    portion: list[Firing] = []
    left = rows
    for firing in firings:
        if portion and len(firing.rows) > left:
            yield portion
            portion, left = [], rows
        portion.append(firing)
        left -= len(firing.rows)
    if portion:
        yield portion


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


@lru_cache(maxsize=4096)
def _unpack(kind: str, *values: Any) -> Schedule:
    """The schedule that `_pack` packed; configs with equal schedules share one object."""
    match kind, values:
        case "cron", (str(expression), str(timezone)):
            return CronSchedule(expression, timezone)
        case "interval", (int(seconds), anchor):
            return IntervalSchedule(seconds, datetime.fromtimestamp(anchor, UTC))
        case "date", (run_at,):
            return DateSchedule(datetime.fromtimestamp(run_at, UTC))
        case "manual", ():
            return ManualSchedule()
    raise ValueError(f"no schedule: {kind} {values}")


_catchup = lru_cache(maxsize=256)(CatchUp)


def _timestamp(instant: datetime | None) -> float | None:
    return None if instant is None else instant.timestamp()


def _instant(timestamp: float | None) -> datetime | None:
    return None if timestamp is None else datetime.fromtimestamp(timestamp, UTC)
