"""Schedules that tasks declare in their labels, made configs: `@broker.task(schedule=[{"cron": "0 9 * * *"}])`.

They are declared as a manifest is (docs/decisions/0028), under a source of their own: a label that is removed removes
its config, and what somebody has edited since is set back, but for a pause. A label that makes no sense is logged, and
costs the others nothing. While there is one, nothing is removed: its config may be there from before it broke.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import structlog
from pydantic import ValidationError
from taskiq import ScheduledTask

from horarium.adopting.translating import config_of
from horarium.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence

    from horarium.adopting.translating import Offer
    from horarium.tasks.registry import Tasks

__all__ = ["LABELS_SOURCE", "Applied", "Declared", "declare_labels"]

log = structlog.get_logger(__name__)

LABELS_SOURCE = "taskiq labels"
TRIGGERS = ("cron", "interval", "time")
RUN_DATE = ("schedule_config", "run_date")


@dataclass(frozen=True, slots=True)
class Applied:
    """What a declaration has changed, by name."""

    created: Sequence[str] = ()
    updated: Sequence[str] = ()
    deleted: Sequence[str] = ()


@dataclass(slots=True)
class Declared:
    """What became of all labels: what has changed, what makes no sense and why, and dates that are past."""

    applied: Applied = field(default_factory=Applied)
    broken: dict[str, str] = field(default_factory=dict)
    passed: list[str] = field(default_factory=list)


async def declare_labels(
    tasks: Tasks,
    offer: Offer,
    apply: Callable[[dict[str, Any]], Awaitable[Applied]],
    *,
    now: datetime,
    source: str = LABELS_SOURCE,
) -> Declared:
    """Have `apply` make the labels' configs, without those that it finds at fault; raises what else it raises.

    `apply` takes the body of `POST /task-configs/apply`, and raises InvalidInput.
    """
    done = Declared()
    configs = list(_configs(tasks, offer, done))
    while True:
        try:
            done.applied = await apply({"configs": configs, "source": source, "prune": not done.broken})
        except InvalidInput as error:
            configs = _without_faulty(configs, error, done, now)
        else:
            _tell(done, source)
            return done


def _configs(tasks: Tasks, offer: Offer, done: Declared) -> Iterator[dict[str, Any]]:
    for task_name in sorted(tasks):
        labels = tasks[task_name].labels
        entries = labels.get("schedule", ())
        if not isinstance(entries, list | tuple):
            done.broken[task_name] = f"its schedule is no list, but {type(entries).__name__}"
            continue
        for number, entry in enumerate(entries, 1):
            name = f"{task_name} label-{number}"
            try:
                yield config_of(_scheduled(task_name, labels, entry, number), offer)
            except ValidationError as error:
                first = error.errors()[0]
                done.broken[name] = f"{'.'.join(map(str, first['loc']))}: {first['msg']}".removeprefix(": ")
            except (InvalidInput, TypeError, ValueError) as error:
                done.broken[name] = str(error)


def _scheduled(task_name: str, labels: Mapping[str, Any], entry: Any, number: int) -> ScheduledTask:
    """The schedule of one entry, as taskiq's own source reads it; the task's labels go before the entry's."""
    if not isinstance(entry, dict):
        raise TypeError(f"is {type(entry).__name__}, and not a dict")
    return ScheduledTask(
        task_name=task_name,
        schedule_id=str(entry.get("schedule_id", f"label-{number}")),
        labels={**entry.get("labels", {}), **labels},
        args=entry.get("args", []),
        kwargs=entry.get("kwargs", {}),
        cron_offset=entry.get("cron_offset"),
        **{trigger: entry.get(trigger) for trigger in TRIGGERS},
    )


def _without_faulty(
    configs: list[dict[str, Any]], error: InvalidInput, done: Declared, now: datetime
) -> list[dict[str, Any]]:
    """The configs that are not at fault; raises the error where it is about none of them."""
    faulty: set[int] = set()
    for fault in error.errors:
        match fault.loc:
            case ("configs", int(index), *rest) if index < len(configs):
                faulty.add(index)
                name = configs[index]["name"]
                if tuple(rest) == RUN_DATE and _is_past(configs[index], now):
                    done.passed.append(name)
                else:
                    done.broken[name] = f"{'.'.join(map(str, rest))}: {fault.msg}"
    if not faulty:
        raise error
    return [config for index, config in enumerate(configs) if index not in faulty]


def _is_past(config: Mapping[str, Any], now: datetime) -> bool:
    return datetime.fromisoformat(config["schedule_config"]["run_date"]) <= now


def _tell(done: Declared, source: str) -> None:
    for name, why in done.broken.items():
        log.error("label_schedule.broken", config_name=name, error=why)
    for name in done.passed:
        log.info("label_schedule.past", config_name=name)
    applied = done.applied
    if applied.created or applied.updated or applied.deleted:
        log.info(
            "label_schedules.declared",
            source=source,
            created=list(applied.created),
            updated=list(applied.updated),
            deleted=list(applied.deleted),
        )
