"""The next runs: of a config, and of a schedule that is not saved yet."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime  # noqa: TC003 - pydantic reads annotations at run time
from itertools import islice
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from horarium.advice import PLACES, Saved
from horarium.days import zone_of
from horarium.errors import FieldError, InvalidInput, NotFound
from horarium.http.paging import Page
from horarium.http.routing import Reply, Route
from horarium.model import SchedulePreview
from horarium.preview import preview
from horarium.schedule import (
    ClockEffect,
    ManualSchedule,
    ScheduleError,
    SurpriseCode,
    describe,
    jitter_of,
    notes,
    parse_schedule,
    runs_to_come,
)

if TYPE_CHECKING:
    from collections.abc import Iterable
    from zoneinfo import ZoneInfo

    from horarium.http.routing import Call
    from horarium.model import TaskConfig
    from horarium.schedule import Run, Schedule

__all__ = ["ROUTES", "coming"]


class NextRunsQuery(BaseModel):
    """How many runs to come."""

    model_config = ConfigDict(extra="forbid")

    count: Annotated[int, Field(ge=1, le=100)] = 10


class NextRun(BaseModel):
    """A tick to come, in UTC and as its own zone's clock shows it, and when it fires, which jitter may put off.

    When it fires is null where that is not known: in the preview of a schedule with jitter that names no config.
    `note` says what the clocks do at it: that they skip the time before it, bring it twice, or have been set.
    """

    tick_at: datetime
    local: datetime
    fires_at: datetime | None
    note: str | None


class NextRuns(Page[NextRun]):
    """Ticks to come; `timezone` is the schedule's, `words` say it in English, null where it makes no sense."""

    timezone: str
    words: str | None


class ScheduleWarning(BaseModel):
    """What may surprise: two ticks and how far they are apart, or when and on which local date the clocks change.

    `loc` is the field to look at.
    """

    loc: list[str]
    code: SurpriseCode
    message: str
    tick_at: datetime | None
    next_tick_at: datetime | None
    apart_seconds: float | None
    changes_at: datetime | None
    date: str | None


class ScheduleClockChange(BaseModel):
    """The clocks of the schedule's zone are set, on a local date; offsets are in seconds, east of UTC.

    `effect` says what becomes of the ticks in a time that is skipped (`moved` to its end, or `left_out`) or comes twice
    (`first_only`, or `both`); `none` where there are none.
    """

    changes_at: datetime
    date: str
    offset_before_seconds: int
    offset_after_seconds: int
    effect: ClockEffect
    message: str


class PreviewedRuns(NextRuns):
    """What a schedule would do from now on, what may surprise about it, and when clocks are set within 400 days."""

    warnings: list[ScheduleWarning]
    clock_changes: list[ScheduleClockChange]


async def list_next_runs(call: Call) -> Reply:
    """What the dispatcher will fire; none while the config is not active, unless its pause has an end."""
    config = await call.services.views.config(call.config_id)
    zone, schedule = zone_of(config.schedule_config), _understood(config, call.services.clock())
    decided_until = None if schedule is None else await call.services.views.decided_until(config)
    runs = list(islice(coming(config, decided_until, call.services.clock()), call.query.count))
    said = notes(schedule or ManualSchedule(), [run.tick_at for run in runs], zone)
    items = [_shown(run, zone, note) for run, note in zip(runs, said, strict=True)]
    words = None if schedule is None else describe(schedule, zone.key)
    return Reply(NextRuns(items=items, next_cursor=None, total=len(items), timezone=zone.key, words=words))


def _understood(config: TaskConfig, now: datetime) -> Schedule | None:
    """The schedule; none of a config that was written by hand, or has run out of dates, as its status says."""
    try:
        return parse_schedule(config.scheduler_type, config.schedule_config, now=now)
    except ScheduleError:
        return None


def coming(config: TaskConfig, decided_until: datetime | None, now: datetime) -> Iterable[Run]:
    """The runs to come of a config whose ticks up to `decided_until` have their rows or will be skipped."""
    if decided_until is None:
        return ()
    return runs_to_come(
        parse_schedule(config.scheduler_type, config.schedule_config, now=now),
        decided_until,
        now,
        not_before=config.start_at,
        end_at=config.end_at,
        jitter=jitter_of(config.id, config.jitter_seconds),
    )


async def preview_schedule(call: Call) -> Reply:
    """What a schedule would fire if it were saved now."""
    asked: SchedulePreview = call.body
    saved = await _named(call, asked.config_id)
    taken = {} if saved is None else await call.services.advisor.run_seconds([Saved(saved.model_dump(), saved.id)])
    seen = preview(asked, saved, call.services.clock(), run_seconds=None if saved is None else taken.get(saved.id))
    said = zip(seen.runs, seen.notes(seen.zone), strict=True)
    runs = [_shown(run, seen.zone, note, exact=seen.exact) for run, note in said]
    return Reply(
        PreviewedRuns(
            items=runs,
            next_cursor=None,
            total=len(runs),
            timezone=seen.zone.key,
            words=seen.words,
            warnings=[ScheduleWarning(loc=[PLACES[each.code]], **asdict(each)) for each in seen.warnings],
            clock_changes=[ScheduleClockChange(**asdict(each)) for each in seen.clock_changes],
        )
    )


async def _named(call: Call, config_id: int | None) -> TaskConfig | None:
    try:
        return None if config_id is None else await call.services.views.config(config_id)
    except NotFound:
        raise InvalidInput(FieldError(("config_id",), "there is no such config")) from None


def _shown(run: Run, zone: ZoneInfo, note: str, *, exact: bool = True) -> NextRun:
    local, fires_at = run.tick_at.astimezone(zone), run.fires_at if exact else None
    return NextRun(tick_at=run.tick_at, local=local, fires_at=fires_at, note=note or None)


ROUTES = (
    Route(
        "GET", r"/api/v1/task-configs/{config_id:[0-9]{1,18}}/next-runs", list_next_runs, "Ticks to come", "viewer",
        NextRuns, query=NextRunsQuery,
    ),
    Route(
        "POST", "/api/v1/schedules/preview", preview_schedule, "Ticks to come of a schedule not saved yet", "viewer",
        PreviewedRuns, body=SchedulePreview, conflict=None,
    ),
)  # fmt: skip
