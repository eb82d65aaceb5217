"""What it takes to make the configs there are equal to those that are declared, by name. Pure.

A declared config is a whole one: what it leaves out has its default, so a field removed from a file goes back to it. A
name that is not there yet is a config to create, one whose fields differ is one to update; nothing else is touched, so
that declaring the same again changes nothing. Four things are left as they are:

* an interval that names no anchor keeps the one it has;
* a paused config stays paused: an operator's hand is over it. Declared inactive, it is stopped;
* one that has ended by itself (a date that has fired, an end that has passed) stays inactive while its schedule is the
  same, and is not refused for having no tick to come;
* a past date may be declared of an inactive config, as an export of another database does.

All faults are found before anything is changed, each at its place in the declaration.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from horarium.config_rules import SCHEDULE_FIELDS, ConfigRules, check_fires, check_limits, keep_anchor, normalised
from horarium.errors import FieldError, InvalidInput
from horarium.schedule import next_tick, parse_schedule
from horarium.sql.task_configs import EDITABLE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from datetime import datetime

    from horarium.audit_log import Author
    from horarium.model import TaskConfigCreate
    from horarium.sql.queries import Row

__all__ = ["Creation", "Plan", "Planner", "Update", "same"]


@dataclass(frozen=True, slots=True)
class Creation:
    """A config to make; `index` is its place in the declaration, `wanted` all its fields; there is no `old` one."""

    index: int
    wanted: Mapping[str, Any]
    old: None = None


@dataclass(frozen=True, slots=True)
class Update:
    """A config to change: as it was read, as it is to be, and in which fields the two differ."""

    index: int
    old: Row
    wanted: Mapping[str, Any]
    fields: Sequence[str]


@dataclass(slots=True)
class Plan:
    """Everything to do, in the order of the declaration, and everything wrong with it."""

    creations: list[Creation] = field(default_factory=list)
    updates: list[Update] = field(default_factory=list)
    deletions: list[Row] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    faults: list[FieldError] = field(default_factory=list)

    @property
    def changes_anything(self) -> bool:
        """Whether there is something to do."""
        return bool(self.creations or self.updates or self.deletions)


class Planner:
    """Makes the plan, a config at a time: a declaration may hold thousands, and others have to run in between."""

    def __init__(self, rules: ConfigRules, by: Author, *, source: str | None, now: datetime) -> None:
        self.plan = Plan()
        self._rules = rules
        self._by = by
        self._source = source
        self._now = now
        self._places: dict[str, int] = {}
        self._added = 0

    def add(self, declared: TaskConfigCreate, old: Row | None) -> None:
        """Decide about the next config of the declaration; raises Forbidden."""
        index = self._added
        self._added += 1
        first = self._places.setdefault(declared.name, index)
        if first != index:
            self.plan.faults.append(FieldError(("configs", index, "name"), f"is that of configs.{first} already"))
            return
        try:
            self._decide(index, declared.model_dump(), old)
        except InvalidInput as error:
            self.plan.faults += [FieldError(("configs", index, *each.loc), each.msg) for each in error.errors]

    def remove_others(self, present: Sequence[Row]) -> None:
        """Of these configs, remove those that the declaration does not name."""
        self.plan.deletions += [row for row in present if row["name"] not in self._places]

    def _decide(self, index: int, wanted: dict[str, Any], old: Row | None) -> None:
        if old is not None:
            keep_anchor(old, wanted)
        self._complete(wanted)
        wanted["source"] = self._source or (old and old["source"])
        if old is None:
            self._check_fires(wanted)
            self._rules.permit(self._by, wanted["task_type"])
            self.plan.creations.append(Creation(index, wanted))
            return
        edited = [name for name in EDITABLE if not same(old[name], wanted[name])]
        if any(name in edited for name in SCHEDULE_FIELDS):
            self._check_fires(wanted)
        if edited:
            self._rules.permit(self._by, old["task_type"], wanted["task_type"])
        wanted["status"] = self._status(old, wanted, edited)
        fields = edited + [name for name in ("status", "source") if old[name] != wanted[name]]
        if fields:
            self.plan.updates.append(Update(index, old, wanted, fields))
        else:
            self.plan.unchanged.append(wanted["name"])

    def _complete(self, wanted: dict[str, Any]) -> None:
        """Fill in the queue and normalise the schedule; raises InvalidInput with every fault."""
        faults: list[FieldError] = []
        with _collected(faults):
            task_type = self._rules.task_type(wanted["task_type"])
            wanted["queue"] = wanted["queue"] or task_type.queue
            task_type.check(wanted["parameters"])
        with _collected(faults):
            check_limits(wanted["start_at"], wanted["end_at"])
        with _collected(faults):
            wanted["schedule_config"] = normalised(wanted, self._now)
        if faults:
            raise InvalidInput(*faults)

    def _check_fires(self, wanted: Mapping[str, Any]) -> None:
        if wanted["status"] == "active":
            check_fires(wanted, self._now)

    def _status(self, old: Row, wanted: Mapping[str, Any], edited: Sequence[str]) -> str:
        if wanted["status"] == "inactive":
            return "inactive"
        if old["status"] == "paused":
            return "paused"
        rescheduled = any(name in edited for name in SCHEDULE_FIELDS)
        ended = old["status"] == "inactive" and not rescheduled and self._has_ended(wanted)
        return "inactive" if ended else "active"

    def _has_ended(self, wanted: Mapping[str, Any]) -> bool:
        kind = wanted["scheduler_type"]
        schedule = parse_schedule(kind, wanted["schedule_config"], now=self._now)
        coming = next_tick(schedule, self._now, not_before=wanted["start_at"], end_at=wanted["end_at"])
        return kind != "manual" and coming is None


@contextmanager
def _collected(faults: list[FieldError]) -> Iterator[None]:
    try:
        yield
    except InvalidInput as error:
        faults += error.errors


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same JSON: to Python, `True` is 1; to Postgres, 1e3 is 1000."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return bool(one == other)
