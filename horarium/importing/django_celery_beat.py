"""django-celery-beat: the periodic tasks of its tables, on Postgres or SQLite, without Django.

A row is a task with one of four schedules. Instants that SQLite holds as text are in UTC, which is what Django writes
with USE_TZ.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from horarium.importing.carrying import CannotCarry, Draft, NotCarried, Outcome, Target, carry
from horarium.importing.celery_schedules import SOLAR, cron_fields, interval_fields, text_sets
from horarium.importing.policies import set_expiry, set_priority, set_queue
from horarium.importing.stores import FOREIGN_QUERIES, rows_of
from horarium.importing.zones import rfc3339
from horarium.schedule import next_tick, parse_schedule

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PeriodicTask", "read", "translate"]

TAG = "from:django-celery-beat"
HOUSEKEEPING = frozenset({"celery.backend_cleanup"})
OTHER_ROUTING = ("exchange", "routing_key")


@dataclass(frozen=True, slots=True)
class PeriodicTask:
    """A row of the query, with its instants as such."""

    row: Mapping[str, Any]

    def __getitem__(self, column: str) -> Any:
        return self.row[column]

    def instant(self, column: str) -> datetime | None:
        """An instant, which may be text."""
        value = self.row[column]
        return datetime.fromisoformat(value) if isinstance(value, str) else value


async def read(url: str) -> list[PeriodicTask]:
    """Every periodic task, by name."""
    return [PeriodicTask(row) for row in await rows_of(url, FOREIGN_QUERIES.periodic_tasks)]


def translate(task: PeriodicTask, target: Target) -> Outcome:
    """What becomes of one periodic task."""
    if task["task"] in HOUSEKEEPING:
        return NotCarried(task["name"], "is Celery's own housekeeping, which has nothing to keep here", matters=False)
    return carry(task["name"], partial(_draft, task, target), target)


def _draft(task: PeriodicTask, target: Target) -> Draft:
    fields = _schedule_fields(task)
    start, end = task.instant("start_time"), task.instant("expires")
    fields |= {"start_at": rfc3339(start)} if start is not None else {}
    fields |= {"end_at": rfc3339(end)} if end is not None else {}
    fields |= {"description": task["description"]} if task["description"] else {}
    fields |= {"status": "inactive"} if not task["enabled"] else {}
    fields |= {"overlap": "allow_all", "tags": [TAG]}
    args, kwargs = _json(task, "args", list), _json(task, "kwargs", dict)
    draft = Draft(task["name"], task["task"], fields, args, kwargs)
    if task["one_off"] and task["clocked_id"] is None:
        _run_once(draft, start, target)
    set_queue(draft, task["queue"])
    set_priority(draft, task["priority"], redis_reversed=True)
    set_expiry(draft, task["expire_seconds"])
    _note_routing(draft, task)
    return draft


def _schedule_fields(task: PeriodicTask) -> dict[str, Any]:
    if task["solar_id"] is not None:
        raise CannotCarry(SOLAR)
    if task["crontab_id"] is not None:
        return cron_fields(text_sets(task.row), task["timezone"])
    if task["interval_id"] is not None:
        return interval_fields(timedelta(**{task["period"]: task["every"]}))
    clocked = task.instant("clocked_time")
    if clocked is None:
        raise CannotCarry("has no schedule")
    return {"scheduler_type": "date", "schedule_config": {"run_date": rfc3339(clocked)}}


def _run_once(draft: Draft, start: datetime | None, target: Target) -> None:
    """A crontab of which only the first tick runs, as the date of that tick."""
    if draft.fields["scheduler_type"] != "cron":
        raise CannotCarry("runs once, an interval from now; make it a date")
    schedule = parse_schedule("cron", draft.fields["schedule_config"], now=target.now)
    first = next_tick(schedule, target.now, not_before=start)
    if first is not None:
        config = {"run_date": rfc3339(first), "timezone": draft.fields["schedule_config"]["timezone"]}
        draft.fields |= {"scheduler_type": "date", "schedule_config": config}
        draft.notes.append("runs once, so it is the date of its next tick")


def _json(task: PeriodicTask, column: str, kind: type) -> Any:
    try:
        value = json.loads(task[column] or json.dumps(kind()))
    except ValueError as error:
        raise CannotCarry(f"has {column} that are no JSON: {error}") from error
    if not isinstance(value, kind):
        raise CannotCarry(f"has {column} that are no {'list' if kind is list else 'object'}")
    return value


def _note_routing(draft: Draft, task: PeriodicTask) -> None:
    given = {name: task[name] for name in OTHER_ROUTING if task[name]}
    if task["headers"] not in (None, "", "{}"):
        given["headers"] = task["headers"]
    draft.notes += [f"the option {name}={value!r:.40} is left out" for name, value in given.items()]
