"""What becomes of each entry of another scheduler: a task config, with what is different about it, or why not.

A translation is all or nothing for its entry: whatever cannot be said here in the same sense raises CannotCarry with
a reason that a person can act on, and `carry` makes of it the line that names the entry. What is checked here is what
the API checks too, so that a fault is found beside its entry and not in the refusal of the whole batch; the types of
parameters alone are left to it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from horarium.errors import HorariumError
from horarium.model import TaskConfigCreate
from horarium.schedule import ScheduleError, next_tick, parse_schedule

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from horarium.importing.known_types import KnownTypes

__all__ = ["CannotCarry", "Carried", "Draft", "NotCarried", "Outcome", "Target", "carry", "plain"]

NAME_CHARACTERS = 200


class CannotCarry(HorariumError):
    """An entry, or a part of it, has no equal here; the message is the reason."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where entries are carried to: its task types, its time, and what stands in for what a source leaves out.

    `timezone` is for schedules that name none; `timeout_seconds` for runs that nothing ended before; `renames` gives
    tasks that have another name here.
    """

    known: KnownTypes
    now: datetime
    timeout_seconds: float
    timezone: str | None = None
    renames: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Carried:
    """A config as `TaskConfigCreate` takes it, what is different about it, and its first tick."""

    config: dict[str, Any]
    notes: tuple[str, ...]
    first_tick: datetime | None

    @property
    def name(self) -> str:
        """The config's name."""
        return str(self.config["name"])


@dataclass(frozen=True, slots=True)
class NotCarried:
    """An entry that stays behind; `matters` is False for what nobody would miss."""

    name: str
    reason: str
    matters: bool = True


Outcome = Carried | NotCarried


@dataclass
class Draft:
    """A config in the making. Fields are JSON, instants in it RFC 3339; notes say what will be different."""

    name: str
    task_type: str
    fields: dict[str, Any] = field(default_factory=dict)
    args: Sequence[object] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def finished(self, target: Target) -> Carried:
        """The config it makes; raises CannotCarry where one of its fields breaks a rule."""
        task_type = target.renames.get(self.task_type, self.task_type)
        parameters = plain(target.known.keywords(task_type, self.args, self.kwargs))
        head = {"name": _name(self.name), "task_type": task_type, "parameters": parameters}
        config = {**head, "timeout_seconds": target.timeout_seconds, **self.fields}
        return Carried(config, tuple(self.notes), _first_tick(config, target.now))


def carry(name: str, draft: Callable[[], Draft], target: Target) -> Outcome:
    """What becomes of the entry `name`, of which `draft` makes what it can."""
    try:
        return draft().finished(target)
    except CannotCarry as error:
        return NotCarried(name, str(error))
    except Exception as error:  # noqa: BLE001 - other people's data: whatever is wrong with an entry costs that one alone
        return NotCarried(name, f"cannot be read: {type(error).__name__}: {error}")


def plain(value: Any, where: str = "") -> Any:
    """A value as JSON has it; raises CannotCarry where JSON has no form for it."""
    if value is None or isinstance(value, str | bool | int) or (isinstance(value, float) and math.isfinite(value)):
        return value
    if isinstance(value, list | tuple):
        return [plain(each, where) for each in value]
    if isinstance(value, dict) and all(isinstance(key, str) for key in value):
        return {key: plain(each, key) for key, each in value.items()}
    argument = f"the argument {where}" if where else "its arguments"
    raise CannotCarry(f"needs {type(value).__name__} in {argument} ({value!r:.40}), which JSON has no form for")


def _name(given: str) -> str:
    """One line that can be printed, as short as a name has to be."""
    return " ".join("".join(each if each.isprintable() else " " for each in given).split())[:NAME_CHARACTERS]


def _first_tick(config: Mapping[str, Any], now: datetime) -> datetime | None:
    """When the config is due first; raises CannotCarry where it breaks a rule, or never is."""
    try:
        wanted = TaskConfigCreate.model_validate(config)
        schedule = parse_schedule(wanted.scheduler_type, wanted.schedule_config, now=now)
    except ValidationError as error:
        raise CannotCarry("; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())) from error
    except ScheduleError as error:
        raise CannotCarry(str(error)) from error
    first = next_tick(schedule, now, not_before=wanted.start_at, end_at=wanted.end_at)
    if first is None:
        past = f"was due at {wanted.schedule_config['run_date']}" if wanted.scheduler_type == "date" else "has ended"
        raise CannotCarry(f"{past}: it has no tick to come")
    return first
