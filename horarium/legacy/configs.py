"""A task config of the older system as one of ours. Pure; the clock and the task types are passed in.

It is held to the rules that the API holds a new one to: a task type that nobody registers, parameters that do not fit
it and a schedule that cannot be read keep it out, in the API's own words. What is only out of range here is brought
into it, with a remark. Ticks are owed from the take-over on, none from before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from horarium.errors import InvalidInput, NotFound
from horarium.legacy.words import CONFIG_COLUMNS, LeftOut, Reading, shown
from horarium.model import TaskConfigCreate
from horarium.schedule import ScheduleError, next_tick, normalise_config, parse_schedule

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from horarium.tasks.registry import TaskTypes

__all__ = ["NewConfig", "new_config"]

SCHEDULE_WORDS = {
    "cron": "cron_expression",
    "crontab": "cron_expression",
    "expression": "cron_expression",
    "tz": "timezone",
    "run_at": "run_date",
    "run_time": "run_date",
    "interval_seconds": "seconds",
}
LIMIT_WORDS = {"start_date": "start_at", "start_at": "start_at", "end_date": "end_at", "end_at": "end_at"}
STATUS_WORDS = {"enabled": "active", "running": "active", "disabled": "inactive", "stopped": "inactive"}
PRIORITY_WORDS = {"lowest": 1, "low": 3, "normal": 5, "medium": 5, "high": 7, "highest": 9, "critical": 9, "urgent": 9}
RANGES: dict[str, tuple[float, float]] = {
    "priority": (0, 9),
    "max_retries": (0, 100),
    "retry_backoff_seconds": (0, 3600),
    "timeout_seconds": (0.001, 604_800),
    "catchup_window_seconds": (0, 31_536_000),
    "max_catchup_runs": (0, 1000),
    "jitter_seconds": (0, 86_400),
}
WHOLE = ("priority", "max_retries", "catchup_window_seconds", "max_catchup_runs", "jitter_seconds")
FIRED = "its date has passed: inactive"


@dataclass(frozen=True)
class NewConfig:
    """What is to be written, the id it had, and the id of who made it, over there."""

    legacy_id: object
    wanted_id: int | None
    values: dict[str, Any]
    made_by: object
    remarks: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The config's."""
        return str(self.values["name"])


def new_config(row: Mapping[str, Any], task_types: TaskTypes, now: datetime) -> NewConfig:
    """The config that a row describes. Raises LeftOut."""
    read = Reading(row, CONFIG_COLUMNS)
    if read.flag("is_deleted"):
        raise LeftOut("was deleted there")
    config = _validated(_fields(read))
    queue = _queue(config, task_types)
    values = config.model_dump() | {"queue": config.queue or queue, "status": _status(read)}
    values["schedule_config"] = _schedule(read, values, now)
    values["created_at"] = read.instant("created_at")
    return NewConfig(read.get("id"), read.identity(), values, read.get("created_by"), tuple(read.remarks))


def _fields(read: Reading) -> dict[str, Any]:
    """As the API would be given them; what is not there has its default."""
    schedule, limits = _schedule_words(read)
    fields: dict[str, Any] = {
        "name": read.text("name"),
        "description": read.text("description"),
        "task_type": read.text("task_type"),
        "parameters": read.json("parameters"),
        "scheduler_type": (read.text("scheduler_type") or "").lower() or None,
        "schedule_config": schedule,
        "queue": read.text("queue"),
        "tags": _tags(read),
        "overlap": read.text("overlap"),
        "catchup": read.text("catchup"),
        **{name: _number(read, name) for name in RANGES},
        **limits,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _validated(fields: dict[str, Any]) -> TaskConfigCreate:
    try:
        return TaskConfigCreate.model_validate(fields)
    except ValidationError as error:
        faults = (f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise LeftOut("; ".join(faults)) from None


def _queue(config: TaskConfigCreate, task_types: TaskTypes) -> str:
    """Whose task type it is; the parameters must fit it."""
    try:
        task_type = task_types.get(config.task_type)
        task_type.check(config.parameters)
    except NotFound:
        remedy = "set HORARIUM_TASK_MODULES to the module that has it, and run this again"
        raise LeftOut(f"task_type {shown(config.task_type)} is not registered here; {remedy}") from None
    except InvalidInput as error:
        raise LeftOut(str(error)) from None
    return task_type.queue


def _schedule(read: Reading, values: dict[str, Any], now: datetime) -> dict[str, Any]:
    """The stored form; a config without a tick to come is made inactive."""
    kind = values["scheduler_type"]
    try:
        stored = normalise_config(kind, values["schedule_config"], now=now)
        schedule = parse_schedule(kind, stored, now=now)
    except ScheduleError as error:
        raise LeftOut(f"schedule_config.{error}") from None
    fires = next_tick(schedule, now, not_before=values["start_at"], end_at=values["end_at"])
    if fires is None and kind != "manual" and values["status"] != "inactive":
        values["status"] = "inactive"
        read.remarks.append(FIRED if kind == "date" else "has no tick to come: inactive")
    return stored


def _schedule_words(read: Reading) -> tuple[dict[str, Any], dict[str, datetime]]:
    """The schedule in our words, and its limits, which are fields of the config here."""
    given = _schedule_object(read)
    given |= {name: value for name in ("start_at", "end_at") if (value := read.get(name)) is not None}
    schedule: dict[str, Any] = {}
    limits: dict[str, datetime] = {}
    for word, value in given.items():
        if value is None:
            continue
        if word in LIMIT_WORDS:
            limits[LIMIT_WORDS[word]] = _limit(word, value)
        else:
            schedule[SCHEDULE_WORDS.get(word, word)] = value
    weeks, days = schedule.get("weeks"), schedule.get("days", 0)
    if isinstance(weeks, int | float) and isinstance(days, int | float):
        schedule["days"] = days + 7 * schedule.pop("weeks")
    return schedule, limits


def _schedule_object(read: Reading) -> dict[str, Any]:
    """What was stored: an object, or text that holds one or is a cron expression."""
    raw = read.get("schedule_config")
    if isinstance(raw, str) and not raw.lstrip().startswith(("{", '"')):
        return {"cron_expression": raw}
    given = read.json("schedule_config")
    if isinstance(given, str):
        return {"cron_expression": given}
    if given is not None and not isinstance(given, dict):
        raise LeftOut("schedule_config is no object")
    return dict(given or {})


def _limit(word: str, value: object) -> datetime:
    """An end that cannot be read must not be lost: a config would run on."""
    instant = Reading({word: value}, {word: (word,)}).instant(word)
    if instant is None:
        raise LeftOut(f"{word} {shown(value)} is no instant")
    return instant


def _status(read: Reading) -> str:
    text = (read.text("status") or "").lower()
    active = read.flag("is_active")
    if not text:
        return "inactive" if active is False else "active"
    status = STATUS_WORDS.get(text, text)
    if status not in ("active", "inactive", "paused"):
        read.remarks.append(f"status {shown(text)}: inactive")
        return "inactive"
    return "inactive" if active is False else status


def _number(read: Reading, name: str) -> float | None:
    """A number, brought into the range it has here; None where there is none, or none that can be read."""
    value = read.get(name)
    if name == "priority" and isinstance(value, str):
        value = PRIORITY_WORDS.get(value.lower(), value)
    if value is None or isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    least, most = RANGES[name]
    if number != number or (name == "timeout_seconds" and number <= 0):  # noqa: PLR0124 - that is what a NaN is
        read.remarks.append(f"{name} {shown(value)} is none here: the default instead")
        return None
    kept = min(max(number, least), most)
    kept = round(kept) if name in WHOLE else kept
    if kept != number:
        read.remarks.append(f"{name} {shown(value)} is out of range: {kept:g}")
    return kept


def _tags(read: Reading) -> list[str] | None:
    given = read.get("tags")
    if isinstance(given, str):
        return [tag.strip() for tag in given.split(",") if tag.strip()]
    if given is not None and not isinstance(given, list):
        read.remarks.append("tags are no list, left out")
        return None
    return given
