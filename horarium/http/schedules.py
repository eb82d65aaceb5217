"""Schedules: everything in the due index, read from the index itself."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads annotations at run time
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from horarium.firing import FiringSpec
from horarium.http.paging import Page, PageQuery, cut, read_cursor, write_cursor
from horarium.http.routing import Reply, Route
from horarium.keyspace.due_index import to_ms
from horarium.schedule import CronSchedule, DateSchedule, IntervalSchedule

if TYPE_CHECKING:
    from horarium.http.routing import Call
    from horarium.keyspace.due_index import DueConfig
    from horarium.schedule import Schedule

__all__ = ["ROUTES"]


class ScheduleEntry(BaseModel):
    """A config in the due index; `labels` are those its messages will carry."""

    task_id: str
    task_name: str
    schedule: dict[str, Any]
    labels: dict[str, Any]
    next_run: datetime


async def list_schedules(call: Call) -> Reply:
    """A page of the due index, earliest tick first."""
    query: PageQuery = call.query
    index = call.services.views.index
    parts = read_cursor(query.cursor, int, int)
    after = None if parts is None else (parts[0], parts[1])
    entries, last = cut(await index.page(after, query.limit + 1), query.limit)
    cursor = None if last is None else write_cursor(last.config_id, to_ms(last.tick))
    items = [_entry(entry) for entry in entries if entry.spec]
    return Reply(Page[ScheduleEntry](items=items, next_cursor=cursor, total=await index.size()))


def _entry(due: DueConfig) -> ScheduleEntry:
    spec = FiringSpec.from_json(due.spec)
    return ScheduleEntry(
        task_id=f"scheduled_task:{due.config_id}",
        task_name=spec.task_type,
        schedule=_schedule(spec.schedule),
        labels={
            "config_id": due.config_id,
            "config_name": spec.name,
            "task_type": spec.task_type,
            "scheduler_type": spec.scheduler_type,
        },
        next_run=due.tick,
    )


def _schedule(schedule: Schedule) -> dict[str, Any]:
    match schedule:
        case CronSchedule(expression, timezone):
            return {"cron_expression": expression, "timezone": timezone}
        case IntervalSchedule(seconds, anchor):
            return {"seconds": seconds, "anchor": anchor}
        case DateSchedule(run_at):
            return {"run_date": run_at}
        case _:
            return {}


ROUTES = (
    Route("GET", "/api/v1/schedules", list_schedules, "The due index", "viewer", Page[ScheduleEntry], query=PageQuery),
)
