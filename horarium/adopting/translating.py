"""A schedule of taskiq as a task config, and back. Pure.

A config runs when taskiq's scheduler would have sent the task, with the same arguments, by name: positional ones take
the names of the signature, in its order. Runs may overlap, and what was missed stays missed, as with taskiq.

A label is either a field of a config, or the task declares it itself, with the same value, and so has it on its
messages anyhow. Any other would be lost without a word, so it is refused.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from pydantic_core import PydanticSerializationError, to_jsonable_python
from taskiq import ScheduledTask

from horarium.errors import FieldError, InvalidInput
from horarium.importing import KnownTypes
from horarium.importing.carrying import CannotCarry
from horarium.importing.taskiq_schedule import schedule_fields
from horarium.schedule import (
    CronSchedule,
    DateSchedule,
    IntervalSchedule,
    ManualSchedule,
    ScheduleError,
    parse_schedule,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = ["TAG", "Offer", "config_name", "config_of", "scheduled_task_of"]

TAG = "taskiq"
SILENT_LABELS = ("admin_only", "schedule", "types_of_exceptions")
"""What taskiq, or Horarium, reads where the task is declared; its kicker copies them along."""


@dataclass(frozen=True, slots=True)
class Offer:
    """The task types of a Horarium, and the labels that each declares, as text."""

    known: KnownTypes
    labels: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(cls, listed: Iterable[Mapping[str, Any]]) -> Offer:
        """As `GET /task-types` lists them."""
        types = list(listed)
        return cls(KnownTypes.of(types), {each["name"]: each["labels"] for each in types})


def config_name(task_name: str, schedule_id: str) -> str:
    """What the config of a schedule is called."""
    return f"{task_name} {schedule_id}"


def config_of(task: ScheduledTask, offer: Offer) -> dict[str, Any]:
    """The config, as `apply` takes it; raises InvalidInput with what it cannot be."""
    faults = list(_faults(task, offer))
    if faults:
        raise InvalidInput(*faults)
    try:
        parameters = offer.known.keywords(task.task_name, task.args, task.kwargs)
        schedule = schedule_fields(task)
        plain = to_jsonable_python(parameters)
    except (CannotCarry, PydanticSerializationError) as error:
        raise InvalidInput(FieldError((task.task_name,), str(error))) from error
    return {
        "name": config_name(task.task_name, task.schedule_id),
        "task_type": task.task_name,
        "parameters": plain,
        "overlap": "allow_all",
        "tags": [TAG],
        **schedule,
        **_fields(task.labels, offer.labels[task.task_name]),
    }


def scheduled_task_of(config: Mapping[str, Any]) -> ScheduledTask | None:
    """The schedule that such a config is, as it stands now; None where it is none that taskiq knows."""
    name, schedule = str(config["name"]), config["schedule_config"]
    prefix = config_name(config["task_type"], "")
    when = _when(config["scheduler_type"], schedule)
    if when is None or not name.startswith(prefix):
        return None
    fields = {name: config[field] for name, field in SHOWN_LABELS.items()}
    return ScheduledTask(
        task_name=config["task_type"],
        schedule_id=name.removeprefix(prefix),
        labels=fields,
        args=[],
        kwargs=config["parameters"],
        **when,
    )


def _when(kind: str, config: Mapping[str, Any]) -> dict[str, Any] | None:
    try:
        schedule = parse_schedule(kind, config, now=datetime.now(UTC))  # of no matter: what is stored has its anchor
    except ScheduleError:  # written by hand, or of a newer release; the config's status says so
        return None
    match schedule:
        case CronSchedule(expression, zone):
            return {"cron": expression, "cron_offset": zone}
        case DateSchedule(run_at):
            return {"time": run_at}
        case IntervalSchedule(seconds):
            return {"interval": seconds}
        case ManualSchedule():
            return None


def _faults(task: ScheduledTask, offer: Offer) -> Iterator[FieldError]:
    if task.task_name not in offer.labels:
        yield FieldError(
            ("task_name",),
            f"this Horarium knows no task {task.task_name!r}; where it runs, HORARIUM_BROKER has to name the app's "
            "broker, or HORARIUM_TASK_MODULES the task's module",
        )
        return
    if task.task_id is not None:
        yield FieldError(("task_id",), "cannot be given: each run of a schedule has an id of its own")
    declared = offer.labels[task.task_name]
    for name, value in task.labels.items():
        if name in SILENT_LABELS or declared.get(name) == str(value):
            continue
        if name not in FIELDS:
            yield FieldError(
                ("labels", name),
                f"cannot be honoured: it is no field of a config, and the task does not declare {name}={value}",
            )
        elif _read(name, value) is None:
            yield FieldError(("labels", name), f"{value!r:.40} is no {name} of a config")


def _fields(labels: Mapping[str, Any], declared: Mapping[str, str]) -> dict[str, Any]:
    """The fields that labels are. A queue that the task declares leads there without the config saying so."""
    read = {name: _read(name, value) for name, value in labels.items() if name in FIELDS}
    own_queue = labels.get("queue_name") is not None and declared.get("queue_name") == str(labels["queue_name"])
    return {
        FIELDS[name][0]: value
        for name, value in read.items()
        if value is not None and not (name == "queue_name" and own_queue)
    }


def _read(name: str, value: object) -> Any:
    """The value of a label as its field has it; None where it cannot be one."""
    try:
        return FIELDS[name][1](str(value))
    except ValueError:
        return None


def _priority(text: str) -> int | None:
    return number if 0 <= (number := int(text)) <= 9 else None


def _retries(text: str) -> int | None:
    return number if 0 <= (number := int(text)) <= 100 else None


def _seconds(text: str) -> float | None:
    return seconds if 0 < (seconds := float(text)) <= 604_800 else None


FIELDS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "queue": ("queue", str),
    "queue_name": ("queue", str),
    "priority": ("priority", _priority),
    "timeout": ("timeout_seconds", _seconds),
    "max_retries": ("max_retries", _retries),
}
"""Labels that are fields of a config: which, and how their text is read."""

SHOWN_LABELS = {"queue": "queue", "priority": "priority", "timeout": "timeout_seconds", "max_retries": "max_retries"}
