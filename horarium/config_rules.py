"""What a task config must fulfil before it is kept, whichever way it comes in: one by one, edited, or declared.

A task type that is known, parameters that fit its signature, limits in order, a schedule that can be read and still has
a tick to come. Every fault is an InvalidInput that names the field.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from horarium.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound
from horarium.schedule import ScheduleError, next_tick, normalise_config, parse_schedule

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from horarium.audit_log import Author
    from horarium.sql.queries import Row
    from horarium.tasks.registry import TaskType, TaskTypes

__all__ = [
    "SCHEDULE_FIELDS",
    "ConfigRules",
    "check_fires",
    "check_limits",
    "keep_anchor",
    "normalised",
    "refused",
]

SCHEDULE_FIELDS = ("scheduler_type", "schedule_config", "start_at", "end_at")
"""Fields that say when a config is due."""


def check_limits(start_at: datetime | None, end_at: datetime | None) -> None:
    """Refuse a config that would end before it begins; raises InvalidInput."""
    if start_at is not None and end_at is not None and end_at <= start_at:
        raise InvalidInput(FieldError(("end_at",), "must be after start_at"))


def refused(error: ScheduleError) -> InvalidInput:
    """A fault of a schedule as one of the config's fields."""
    loc = ("scheduler_type",) if error.field == "scheduler_type" else ("schedule_config", error.field)
    return InvalidInput(FieldError(loc, error.message))


def normalised(wanted: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    """The schedule as it is stored; raises InvalidInput."""
    try:
        return normalise_config(wanted["scheduler_type"], wanted["schedule_config"], now=now)
    except ScheduleError as error:
        raise refused(error) from None


def check_fires(wanted: Mapping[str, Any], now: datetime) -> None:
    """Refuse a normalised schedule that has no tick to come; raises InvalidInput."""
    kind = wanted["scheduler_type"]
    schedule = parse_schedule(kind, wanted["schedule_config"], now=now)
    if next_tick(schedule, now, not_before=wanted["start_at"], end_at=wanted["end_at"]) is not None:
        return
    if kind == "date":
        raise InvalidInput(FieldError(("schedule_config", "run_date"), "must be in the future, before end_at"))
    if kind != "manual":
        raise InvalidInput(FieldError(("end_at",), "leaves the schedule no tick to come"))


def keep_anchor(old: Row, wanted: dict[str, Any]) -> None:
    """An interval that is edited without naming an anchor keeps the one it has: its ticks do not drift."""
    if old["scheduler_type"] == wanted["scheduler_type"] == "interval" and "anchor" in old["schedule_config"]:
        wanted["schedule_config"] = {"anchor": old["schedule_config"]["anchor"], **wanted["schedule_config"]}


class ConfigRules:
    """The rules that depend on which task types there are."""

    def __init__(self, task_types: TaskTypes) -> None:
        self._task_types = task_types

    def permit(self, by: Author, *task_types: str) -> None:
        """Leave it to administrators what an `admin_only` task type is run with; raises Forbidden."""
        kept = [each.name for each in self._task_types.all() if each.admin_only and each.name in task_types]
        if kept and not by.is_admin:
            raise Forbidden(f"only an admin may say with which parameters {kept[0]} runs")

    def check_runnable(self, task_type: str, parameters: Mapping[str, Any]) -> None:
        """Refuse to run what was kept long ago and fits no more; raises Conflict."""
        try:
            self.kept_task_type(task_type).check(parameters)
        except InvalidInput as error:
            raise Conflict("parameters", f"{task_type} takes other parameters by now: {error}") from None

    def kept_task_type(self, name: str) -> TaskType:
        """The task type of what was kept long ago; raises Conflict."""
        try:
            return self._task_types.get(name)
        except NotFound:
            raise Conflict("task_type", f"this server knows no task type {name} any more") from None

    def task_type(self, name: str) -> TaskType:
        """The task type a config names; raises InvalidInput."""
        try:
            return self._task_types.get(name)
        except NotFound:
            known = ", ".join(t.name for t in self._task_types.all())
            raise InvalidInput(FieldError(("task_type",), f"unknown; this server knows {known}")) from None

    def check(self, wanted: dict[str, Any], *, changed: Mapping[str, Any], now: datetime) -> str:
        """Check type, parameters and schedule, and normalise the schedule in place; returns the type's queue."""
        task_type = self.task_type(wanted["task_type"])
        task_type.check(wanted["parameters"])
        check_limits(wanted["start_at"], wanted["end_at"])
        if any(name in changed for name in SCHEDULE_FIELDS):
            wanted["schedule_config"] = normalised(wanted, now)
            check_fires(wanted, now)
        return task_type.queue
