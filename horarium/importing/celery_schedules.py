"""What Celery's schedules mean: its crontab, in the objects of an app and in the texts of a database, and intervals.

Both forms come down to sets of numbers. Celery's texts are read by rules of its own: ranges wrap around (`fri-mon`,
`22-2`), a weekday is known by its first three letters, Sunday is 0 and 7 is an error; and days match both day fields.
"""

from __future__ import annotations

import calendar
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from horarium.importing.carrying import CannotCarry
from horarium.importing.cron_text import ALL_DAYS, ALL_HOURS, ALL_MINUTES, ALL_MONTHS, ALL_WEEKDAYS, CronSets
from horarium.importing.zones import zone_name

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import tzinfo

__all__ = ["cron_fields", "interval_fields", "object_fields", "text_sets"]

CELERY = ("celery.", "django_celery_beat.")
SOLAR = "follows the sun, which no schedule here does"
MONTHS = {name.lower(): number for number, name in enumerate(calendar.month_abbr) if name}
WEEKDAYS = {name: number for number, name in enumerate(("sun", "mon", "tue", "wed", "thu", "fri", "sat"))}
PART = re.compile(r"(?:(?P<star>\*)|(?P<first>\w+)-(?P<last>\w+))(?:/(?P<step>[1-9]\d*))?|(?P<single>\w+)", re.ASCII)
FIELDS = {
    "minute": ALL_MINUTES,
    "hour": ALL_HOURS,
    "day_of_month": ALL_DAYS,
    "month_of_year": ALL_MONTHS,
    "day_of_week": ALL_WEEKDAYS,
}
"""Celery's name of each field, and what it ranges over."""


def object_fields(schedule: Any, zone: tzinfo) -> dict[str, Any]:
    """Kind and config of a schedule of an app: one of Celery's classes, a timedelta, or seconds."""
    if isinstance(schedule, int | float) and not isinstance(schedule, bool):
        return interval_fields(timedelta(seconds=schedule))
    if isinstance(schedule, timedelta):
        return interval_fields(schedule)
    if schedule is None:
        raise CannotCarry("has no schedule")
    kind = type(schedule)
    if not kind.__module__.startswith(CELERY):
        raise CannotCarry(f"has a schedule of a class of its own, {kind.__module__}.{kind.__qualname__}")
    if kind.__name__ in ("crontab", "TzAwareCrontab"):
        sets = _sets({name: frozenset(map(int, getattr(schedule, name))) for name in FIELDS})
        return cron_fields(sets, zone_name(vars(schedule).get("tz", zone)))
    if kind.__name__ == "schedule":
        return interval_fields(schedule.run_every)
    raise CannotCarry(SOLAR if kind.__name__ == "solar" else f"has a schedule of the kind {kind.__name__}")


def cron_fields(sets: CronSets, zone: str) -> dict[str, Any]:
    """Kind and config of a crontab."""
    return {"scheduler_type": "cron", "schedule_config": {"cron_expression": sets.expression(), "timezone": zone}}


def interval_fields(every: timedelta) -> dict[str, Any]:
    """Kind and config of an interval; raises CannotCarry for parts of a second."""
    if every < timedelta(seconds=1) or every % timedelta(seconds=1):
        raise CannotCarry(f"runs every {every.total_seconds():g} s; intervals here are whole seconds")
    return {"scheduler_type": "interval", "schedule_config": {"seconds": int(every.total_seconds())}}


def text_sets(texts: Mapping[str, str]) -> CronSets:
    """What the five texts of a crontab match, by Celery's names of them; raises CannotCarry for what it cannot read."""
    return _sets({name: _numbers(name, texts[name], everything) for name, everything in FIELDS.items()})


def _sets(fields: Mapping[str, frozenset[int]]) -> CronSets:
    return CronSets(
        minutes=fields["minute"],
        hours=fields["hour"],
        days=fields["day_of_month"],
        months=fields["month_of_year"],
        weekdays=fields["day_of_week"],
    )


def _numbers(name: str, text: str, everything: frozenset[int]) -> frozenset[int]:
    low, high = min(everything), max(everything)
    found: set[int] = set()
    for part in text.split(","):
        match = PART.fullmatch(part.strip() if part.strip().isdigit() else part)  # a space is fine beside a number
        if match is None:
            raise CannotCarry(f"has the {name} {text!r:.60}, which Celery cannot read either")
        first = low if match["star"] else _number(name, match["first"] or match["single"], everything)
        last = high if match["star"] else _number(name, match["last"] or match["single"], everything)
        stretch = list(range(first, last + 1)) if first <= last else [*range(first, high + 1), *range(low, last + 1)]
        found.update(stretch[:: int(match["step"] or 1)])
    return frozenset(found)


def _number(name: str, word: str, everything: frozenset[int]) -> int:
    names = WEEKDAYS if name == "day_of_week" else MONTHS if name == "month_of_year" else {}
    number = int(word) if word.isdigit() else names.get(word[:3].lower())
    if number is None or number not in everything:
        raise CannotCarry(f"has the {name} {word!r:.20}, which Celery refuses too")
    return number
