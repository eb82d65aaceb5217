"""Celery beat: the periodic tasks that an app declares, in `beat_schedule` or by `add_periodic_task`.

They are Python, so they are read by importing the app as `celery -A` does, with Celery installed where this runs: its
modules and its signal handlers run. A file that only holds `beat_schedule` and `timezone`, a `celeryconfig.py`, does.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from horarium.errors import ConfigurationError
from horarium.importing.carrying import CannotCarry, Draft, Outcome, Target, carry
from horarium.importing.celery_schedules import object_fields
from horarium.importing.policies import set_expiry, set_priority, set_queue, set_timeout
from horarium.schedule import ScheduleError
from horarium.schedule.zones import zone

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType

__all__ = ["BeatEntry", "read", "translate"]

TAG = "from:celery"
SCHEDULES = ("beat_schedule", "CELERY_BEAT_SCHEDULE", "CELERYBEAT_SCHEDULE")
"""What settings call it: Celery's own name, with Django's usual prefix, and as before Celery 4."""


@dataclass(frozen=True, slots=True)
class BeatEntry:
    """An entry of `beat_schedule`; `schedule` is whatever the app put there, and `zone` the one that it keeps."""

    name: str
    task: object
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
    app = _app_in(loaded)
    if app is None and hasattr(loaded, "__path__") and importlib.util.find_spec(f"{module}.celery") is not None:
        app = _app_in(_load_module(f"{module}.celery"))
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


def _app_in(module: ModuleType) -> Any:
    """The app that `celery -A` would find in a module, or None."""
    likely = (getattr(module, name, None) for name in ("app", "celery"))
    return next((value for value in (*likely, *vars(module).values()) if _is_app(value)), None)


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
    schedule = next((vars(module)[name] for name in SCHEDULES if name in vars(module)), None)
    if not isinstance(schedule, dict):
        raise ConfigurationError(f"{source} holds no Celery app and no beat_schedule")
    name = getattr(module, "timezone", getattr(module, "CELERY_TIMEZONE", None))
    try:
        return _entries(schedule, zone(str(name)) if name else UTC)
    except ScheduleError as error:
        raise ConfigurationError(f"{source}: {error}") from error


def _entries(schedule: Mapping[str, Any], zone: tzinfo) -> list[BeatEntry]:
    return [_entry(str(name), entry, zone) for name, entry in sorted(schedule.items(), key=lambda item: str(item[0]))]


def _entry(name: str, entry: Any, zone: tzinfo) -> BeatEntry:
    """An entry of the schedule: a mapping, or one of beat's own objects. What it lacks is None."""
    given = entry if isinstance(entry, Mapping) else vars(entry) if hasattr(entry, "__dict__") else {}
    when = given.get("schedule")
    return BeatEntry(
        name=name,
        task=given.get("task"),
        schedule=when,
        zone=zone,
        args=given.get("args") or (),
        kwargs=given.get("kwargs") or {},
        options=given.get("options") or {},
        relative=bool(given.get("relative", getattr(when, "relative", False))),
    )


def translate(entry: BeatEntry, target: Target) -> Outcome:
    """What becomes of one entry."""
    return carry(entry.name, partial(_draft, entry), target)


def _draft(entry: BeatEntry) -> Draft:
    if not isinstance(entry.task, str) or not entry.task:
        raise CannotCarry("names no task")
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
