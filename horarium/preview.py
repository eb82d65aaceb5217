"""What a schedule would do that is not saved yet: its next runs and what may surprise about them. Pure.

It is read as a config's own would be, so what cannot be saved is refused in the same words; but one that never fires is
shown, with a warning. The config that is to have it, where it is named, decides by how much each tick is put off; and
an interval without an anchor keeps that config's, as an edit does.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from horarium.config_rules import check_limits, refused
from horarium.schedule import (
    ManualSchedule,
    NeverFires,
    Schedule,
    ScheduleError,
    Surprise,
    Terms,
    coming_changes,
    describe,
    jitter_of,
    normalise_config,
    notes,
    parse_schedule,
    runs_to_come,
    surprises,
)

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from horarium.model import SchedulePreview, TaskConfig
    from horarium.schedule import ClockChange, Run

__all__ = ["Preview", "preview"]


@dataclass(frozen=True, slots=True)
class Preview:
    """The runs to come, the zone they are seen in, whether it is known when they fire, and what may surprise.

    `words` are the schedule's, None where no date matches it; `clock_changes` are all of some 400 days.
    """

    schedule: Schedule
    runs: list[Run]
    zone: ZoneInfo
    exact: bool
    words: str | None
    warnings: list[Surprise]
    clock_changes: list[ClockChange]

    def notes(self, clocks: ZoneInfo) -> list[str]:
        """What may surprise about each run, by these clocks; empty for most."""
        return notes(self.schedule, [run.tick_at for run in self.runs], clocks)


def preview(
    asked: SchedulePreview, saved: TaskConfig | None, now: datetime, *, run_seconds: float | None = None
) -> Preview:
    """What the schedule would do from now on; raises InvalidInput. `run_seconds`: how long its runs lately took."""
    check_limits(asked.start_at, asked.end_at)
    terms = Terms(asked.start_at, asked.end_at, asked.jitter_seconds, asked.timeout_seconds, run_seconds)
    schedule, zone, warnings = _read(asked.scheduler_type, _with_anchor(asked, saved), now)
    jitter = None if saved is None else jitter_of(saved.id, asked.jitter_seconds)
    coming = runs_to_come(schedule, now, now, not_before=asked.start_at, end_at=asked.end_at, jitter=jitter)
    return Preview(
        schedule=schedule,
        runs=list(islice(coming, asked.count)),
        zone=zone,
        exact=saved is not None or not asked.jitter_seconds,
        words=None if warnings else describe(schedule, zone.key),
        warnings=warnings or surprises(schedule, terms, now),
        clock_changes=list(coming_changes(schedule, terms, now)),
    )


def _read(kind: str, config: Mapping[str, Any], now: datetime) -> tuple[Schedule, ZoneInfo, list[Surprise]]:
    try:
        stored = normalise_config(kind, config, now=now)
        schedule = parse_schedule(kind, stored, now=now)
    except NeverFires as error:
        return ManualSchedule(), ZoneInfo("UTC"), [Surprise("never_fires", str(error))]
    except ScheduleError as error:
        raise refused(error) from None
    return schedule, ZoneInfo(str(stored.get("timezone", "UTC"))), []


def _with_anchor(asked: SchedulePreview, saved: TaskConfig | None) -> dict[str, Any]:
    if saved is None or not asked.scheduler_type == saved.scheduler_type == "interval":
        return asked.schedule_config
    kept = {name: saved.schedule_config[name] for name in ("anchor",) if name in saved.schedule_config}
    return kept | asked.schedule_config
