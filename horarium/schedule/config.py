"""From what a user wrote to a schedule, and to what is stored; every fault is a `ScheduleError` naming its field.

Parsing and normalising are one pass, so the stored form always means what was validated: each reader below returns
the schedule together with its canonical config. Canonical means JSON types only, every default written out, and an
interval's anchor pinned; normalising it again changes nothing.

`now` is used for an interval's default anchor and for finding out whether a cron ever fires. A `run_date` in the
past is no fault here, because a stored one gets there by itself: a caller that refuses it asks `next_tick`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta

from cronsim import CronSimError

from horarium.schedule.cron import compile_cron
from horarium.schedule.kinds import (
    CronSchedule,
    DateSchedule,
    IntervalSchedule,
    ManualSchedule,
    NeverFires,
    Schedule,
    ScheduleError,
)
from horarium.schedule.ticks import next_tick
from horarium.schedule.zones import resolve_local, zone

__all__ = ["normalise_config", "parse_schedule"]

Config = Mapping[str, object]
Reading = tuple[Schedule, dict[str, object]]

CRON_FIELDS = {  # key: what it takes; in the order of an expression
    "second": "0-59",
    "minute": "0-59",
    "hour": "0-23",
    "day": "1-31, L (last day) or LW (last weekday)",
    "month": "1-12 or JAN-DEC",
    "day_of_week": "0-7 or SUN-SAT, MON#2 (the second Monday), 5L (the last Friday)",
}
CRON_KEYS = tuple(CRON_FIELDS)[1:]
CRON_LENGTH = 1000  # characters; six fields written out as full lists are shorter
INTERVAL_UNITS = ("days", "hours", "minutes", "seconds")
LONGEST_INTERVAL = timedelta(days=36_500)
RFC3339 = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?"
    r"(?P<offset>Z|[+-][0-9]{2}:[0-9]{2}(:[0-9]{2})?)?"
)


def parse_schedule(scheduler_type: str, config: Config, *, now: datetime) -> Schedule:
    """Turn a schedule config into a schedule; raises ScheduleError."""
    return _read(scheduler_type, config, now)[0]


def normalise_config(scheduler_type: str, config: Config, *, now: datetime) -> dict[str, object]:
    """Give the form of a schedule config that is stored; raises ScheduleError."""
    return _read(scheduler_type, config, now)[1]


def _read(scheduler_type: str, config: Config, now: datetime) -> Reading:
    if scheduler_type not in READERS:
        raise ScheduleError("scheduler_type", f"{scheduler_type!r} is unknown; use {', '.join(READERS)}")
    keys, reader = READERS[scheduler_type]
    for key in config:
        if key not in keys:
            takes = f"takes {', '.join(keys)}" if keys else "takes no fields"
            raise ScheduleError(str(key), f"unknown field; a {scheduler_type} schedule {takes}")
    return reader(config, now)


def _read_cron(config: Config, now: datetime) -> Reading:
    name = _timezone(config)
    given = [key for key in CRON_KEYS if key in config]
    if "cron_expression" in config:
        if given:
            raise ScheduleError("cron_expression", f"remove it or {', '.join(given)}; they say the same thing twice")
        expression = _expression(config["cron_expression"])
        stored: dict[str, object] = {"cron_expression": expression}
    elif given:
        parts = {key: _cron_part(key, config.get(key, "*")) for key in CRON_KEYS}
        expression = _expression(" ".join(parts.values()), by_key=True)
        stored = dict(parts)
    else:
        raise ScheduleError("cron_expression", f"missing; give it, or at least one of {', '.join(CRON_KEYS)}")
    schedule = CronSchedule(expression, name)
    if next_tick(schedule, now) is None:
        raise NeverFires("day" if given else "cron_expression", "never fires; no date matches it")
    return schedule, stored | {"timezone": name}


def _timezone(config: Config) -> str:
    name = config.get("timezone", "UTC")
    if not isinstance(name, str):
        raise ScheduleError("timezone", "must be a string, such as 'Europe/Berlin'")
    return zone(name).key


def _cron_part(key: str, value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 60:
        value = str(value)
    if not isinstance(value, str) or len(value.split()) != 1:
        raise ScheduleError(key, f"must be one cron field without spaces: *, {CRON_FIELDS[key]}")
    return value.strip().upper()


def _expression(value: object, *, by_key: bool = False) -> str:
    if not isinstance(value, str):
        raise ScheduleError("cron_expression", "must be a string, such as '*/5 * * * *'")
    if len(value) > CRON_LENGTH or not value.isascii():
        raise ScheduleError("cron_expression", f"must be plain ASCII of at most {CRON_LENGTH} characters")
    parts = value.upper().split()
    if len(parts) not in (5, 6):
        remedy = "must have 5 fields (minute hour day month day_of_week), or 6 with seconds first"
        raise ScheduleError("cron_expression", f"{remedy}; it has {len(parts)}")
    expression = " ".join(parts)
    try:
        compile_cron(expression)
    except CronSimError as error:
        raise _cron_error(parts, by_key=by_key) from error
    return expression


def _cron_error(parts: list[str], *, by_key: bool) -> ScheduleError:
    """Find the field at fault by trying each alone; if all are sound it is the date that does not exist."""
    keys = list(CRON_FIELDS)[-len(parts) :]
    for index, (key, part) in enumerate(zip(keys, parts, strict=True)):
        alone = ["*"] * len(parts)
        alone[index] = part
        try:
            compile_cron(" ".join(alone))
        except CronSimError:
            remedy = f"use {CRON_FIELDS[key]}, a list (1,2), a range (1-5) or a step (*/2)"
            if by_key:
                return ScheduleError(key, f"{part[:64]!r} is not understood; {remedy}")
            return ScheduleError("cron_expression", f"{key} {part[:64]!r} is not understood; {remedy}")
    return NeverFires(
        "day" if by_key else "cron_expression", "never fires; no chosen month has such a day, use L for its last"
    )


def _read_interval(config: Config, now: datetime) -> Reading:
    amounts = {key: _amount(key, config[key]) for key in INTERVAL_UNITS if key in config}
    total = timedelta(**amounts)
    if total < timedelta(seconds=1) or total % timedelta(seconds=1) or total > LONGEST_INTERVAL:
        remedy = f"must add up to whole seconds, at least 1 and at most {LONGEST_INTERVAL.days} days"
        raise ScheduleError("seconds", f"{', '.join(INTERVAL_UNITS)} {remedy}")
    anchor = now.astimezone(UTC).replace(microsecond=0)
    if "anchor" in config:
        anchor = _instant("anchor", config["anchor"], None)
    schedule = IntervalSchedule(total // timedelta(seconds=1), anchor)
    return schedule, {**amounts, "anchor": anchor.isoformat()}


def _amount(key: str, value: object) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ScheduleError(key, "must be a number")
    longest = LONGEST_INTERVAL // timedelta(**{key: 1})
    if not 0 <= value <= longest:  # refuses NaN too
        raise ScheduleError(key, f"must be between 0 and {longest}")
    return int(value) if value == int(value) else value


def _read_date(config: Config, _now: datetime) -> Reading:
    name = _timezone(config)
    if "run_date" not in config:
        raise ScheduleError("run_date", "missing; give the instant to run at, such as '2030-01-31T09:00:00Z'")
    run_at = _instant("run_date", config["run_date"], name)
    return DateSchedule(run_at), {"run_date": run_at.astimezone(zone(name)).isoformat(), "timezone": name}


def _instant(key: str, value: object, local_zone: str | None) -> datetime:
    """Read RFC 3339 to the millisecond, the resolution of the due index; naive only where a zone can complete it."""
    match = RFC3339.fullmatch(value.upper()) if isinstance(value, str) else None
    if match is None:
        raise ScheduleError(key, "must be an RFC 3339 string, such as '2030-01-31T09:00:00Z'")
    if match["offset"] is None and local_zone is None:
        raise ScheduleError(key, "needs an offset, such as the Z in '2030-01-31T09:00:00Z'")
    try:
        moment = datetime.fromisoformat(match[0])
    except ValueError as error:
        raise ScheduleError(key, f"is no date and time of the calendar: {error}") from error
    _in_years(key, moment, 1969, 9998)  # a year wider: what is stored with the zone's offset must parse again
    instant = resolve_local(moment, local_zone or "UTC") if moment.tzinfo is None else moment.astimezone(UTC)
    _in_years(key, instant, 1970, 9997)
    return instant.replace(microsecond=instant.microsecond // 1000 * 1000)


def _in_years(key: str, moment: datetime, first: int, last: int) -> None:
    if not first <= moment.year <= last:
        raise ScheduleError(key, "must lie in the years 1970 to 9997")


def _read_manual(_config: Config, _now: datetime) -> Reading:
    return ManualSchedule(), {}


READERS: dict[str, tuple[tuple[str, ...], Callable[[Config, datetime], Reading]]] = {
    "cron": (("cron_expression", *CRON_KEYS, "timezone"), _read_cron),
    "interval": ((*INTERVAL_UNITS, "anchor"), _read_interval),
    "date": (("run_date", "timezone"), _read_date),
    "manual": ((), _read_manual),
}
