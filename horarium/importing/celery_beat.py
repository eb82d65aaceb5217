"""Celery beat: the periodic tasks that an app declares, in `beat_schedule` or by `add_periodic_task`.

They are Python, so they are read by importing the app as `celery -A` does, with Celery installed where this runs: its
modules and its signal handlers run. A file that only holds `beat_schedule` and `timezone`, a `celeryconfig.py`, does.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from horarium.errors import ConfigurationError
from horarium.importing.carrying import Draft, Outcome, Target, carry
from horarium.importing.celery_schedules import object_fields
from horarium.importing.policies import set_expiry, set_priority, set_queue, set_timeout
from horarium.schedule import ScheduleError
from horarium.schedule.zones import zone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from types import ModuleType

__all__ = ["BeatEntry", "read", "translate"]

TAG = "from:celery"


@dataclass(frozen=True, slots=True)
class BeatEntry:
    """An entry of `beat_schedule`; `schedule` is whatever the app put there, and `zone` the one that it keeps."""

    name: str
    task: str
    schedule: object
    zone: tzinfo
    args: Sequence[object] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    relative: bool = False


def read(source: str) -> list[BeatEntry]:
    """The entries of `MODULE:APP`, or of a Python file; raises ConfigurationError where there are none to be had."""
    module, _, attribute = source.partition(":")
    loaded = _load_file(Path(source)) if source.endswith(".py") else _load_module(module)
    if attribute and not source.endswith(".py"):
        app = getattr(loaded, attribute, None)
        if not _is_app(app):
            raise ConfigurationError(f"{module} has no Celery app named {attribute!r}")
        return _of_app(app)
    app = next((value for value in vars(loaded).values() if _is_app(value)), None)
    return _of_app(app) if app is not None else _of_settings(source, loaded)


def _load_module(name: str) -> ModuleType:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        return importlib.import_module(name)
    except Exception as error:
        raise ConfigurationError(f"cannot import {name}: {type(error).__name__}: {error}") from error


def _load_file(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"_imported_{path.stem}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ConfigurationError(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ConfigurationError(f"cannot run {path}: {type(error).__name__}: {error}") from error
    return module


def _is_app(value: object) -> bool:
    return any(f"{kind.__module__}.{kind.__name__}" == "celery.app.base.Celery" for kind in type(value).__mro__)


def _of_app(app: Any) -> list[BeatEntry]:
    """As beat itself does it: import what the app includes, finish it, and then look."""
    try:
        app.loader.init_worker()
        app.finalize()
        schedule = dict(app.conf.beat_schedule)
    except Exception as error:
        raise ConfigurationError(f"the app cannot be set up: {type(error).__name__}: {error}") from error
    return _entries(schedule, app.timezone)


def _of_settings(source: str, module: ModuleType) -> list[BeatEntry]:
    schedule = getattr(module, "beat_schedule", getattr(module, "CELERY_BEAT_SCHEDULE", None))
    if not isinstance(schedule, dict):
        raise ConfigurationError(f"{source} holds no Celery app and no beat_schedule")
    name = getattr(module, "timezone", getattr(module, "CELERY_TIMEZONE", None))
    try:
        return _entries(schedule, zone(str(name)) if name else UTC)
    except ScheduleError as error:
        raise ConfigurationError(f"{source}: {error}") from error


def _entries(schedule: Mapping[str, Mapping[str, Any]], zone: tzinfo) -> list[BeatEntry]:
    return [
        BeatEntry(
            name=str(name),
            task=str(entry["task"]),
            schedule=entry["schedule"],
            zone=zone,
            args=tuple(entry.get("args") or ()),
            kwargs=dict(entry.get("kwargs") or {}),
            options=dict(entry.get("options") or {}),
            relative=bool(entry.get("relative", getattr(entry["schedule"], "relative", False))),
        )
        for name, entry in sorted(schedule.items())
    ]


def translate(entry: BeatEntry, target: Target) -> Outcome:
    """What becomes of one entry."""
    return carry(entry.name, partial(_draft, entry), target)


def _draft(entry: BeatEntry) -> Draft:
    fields = object_fields(entry.schedule, entry.zone)
    draft = Draft(entry.name, entry.task, fields | {"overlap": "allow_all", "tags": [TAG]}, entry.args, entry.kwargs)
    if entry.relative:
        draft.notes.append(
            "relative: runs were rounded to the interval's own clock; anchor in schedule_config says when"
        )
    options = dict(entry.options)
    set_queue(draft, options.pop("queue", None))
    set_priority(draft, options.pop("priority", None), redis_reversed=True)
    set_expiry(draft, options.pop("expires", None))
    hard, soft = options.pop("time_limit", None), options.pop("soft_time_limit", None)
    set_timeout(draft, hard if soft is None else soft)
    draft.notes += [f"the option {name}={value!r:.40} is left out" for name, value in sorted(options.items())]
    return draft
