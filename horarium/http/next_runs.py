"""The next runs of a config."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads annotations at run time
from itertools import islice
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

from pydantic import BaseModel, ConfigDict, Field

from horarium.http.paging import Page
from horarium.http.routing import Reply, Route
from horarium.schedule import Jitter, parse_schedule, runs_to_come

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

    from horarium.http.routing import Call
    from horarium.model import TaskConfig
    from horarium.schedule import Run

__all__ = ["ROUTES", "coming"]


class NextRunsQuery(BaseModel):
    """How many runs to come."""

    model_config = ConfigDict(extra="forbid")

    count: Annotated[int, Field(ge=1, le=100)] = 10


class NextRun(BaseModel):
    """A tick to come, in UTC and as its own zone's clock shows it, and when it fires, which jitter may put off."""

    tick_at: datetime
    local: datetime
    fires_at: datetime


class NextRuns(Page[NextRun]):
    """Ticks to come; `timezone` is the schedule's."""

    timezone: str


async def next_runs(call: Call) -> Reply:
    """What the dispatcher will fire; none while the config is not active, unless its pause has an end."""
    config = await call.services.views.config(call.config_id)
    decided_until = await call.services.views.decided_until(config)
    zone = _zone(config.schedule_config)
    runs = [_shown(run, zone) for run in islice(coming(config, decided_until, call.services.clock()), call.query.count)]
    return Reply(NextRuns(items=runs, next_cursor=None, total=len(runs), timezone=zone.key))


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
        jitter=Jitter(config.id, config.jitter_seconds) if config.jitter_seconds else None,
    )


def _zone(schedule_config: Mapping[str, Any]) -> ZoneInfo:
    return ZoneInfo(str(schedule_config.get("timezone", "UTC")))


def _shown(run: Run, zone: ZoneInfo) -> NextRun:
    return NextRun(tick_at=run.tick_at, local=run.tick_at.astimezone(zone), fires_at=run.fires_at)


ROUTES = (
    Route(
        "GET", r"/api/v1/task-configs/{config_id:[0-9]{1,18}}/next-runs", next_runs, "Ticks to come", "viewer",
        NextRuns, query=NextRunsQuery,
    ),
)  # fmt: skip
