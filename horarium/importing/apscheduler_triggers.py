"""What APScheduler's triggers mean, from the state that a pickle has of them. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from horarium.importing.carrying import CannotCarry
from horarium.importing.cron_text import ALL_DAYS, ALL_HOURS, ALL_MINUTES, ALL_MONTHS, ALL_WEEKDAYS, CronSets
from horarium.importing.pickles import StandIn
from horarium.importing.zones import rfc3339, zone_name

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["trigger_fields"]

RANGES = {
    "month": ALL_MONTHS,
    "day": ALL_DAYS,
    "day_of_week": ALL_WEEKDAYS,
    "hour": ALL_HOURS,
    "minute": ALL_MINUTES,
    "second": ALL_MINUTES,
}
LAST = 5
"""Its number of the position `last`; those before it are the first to the fifth."""


def trigger_fields(trigger: Any) -> dict[str, Any]:
    """Kind and config of a trigger, with its start, end and jitter; raises CannotCarry where there is no equal."""
    kind = type(trigger).kind if isinstance(trigger, StandIn) else type(trigger).__name__
    if kind == "DateTrigger":
        return {"scheduler_type": "date", "schedule_config": {"run_date": rfc3339(trigger.run_date)}}
    if kind == "IntervalTrigger":
        return _interval(trigger) | _limits(None, trigger.end_date) | _jitter(trigger)
    if kind == "CronTrigger":
        return _cron(trigger) | _limits(trigger.start_date, trigger.end_date) | _jitter(trigger)
    if kind in ("AndTrigger", "OrTrigger"):
        raise CannotCarry("combines several triggers; make each of them a config of its own")
    raise CannotCarry(f"has a {kind}, which has no equal here")


def _interval(trigger: Any) -> dict[str, Any]:
    """Its start is our anchor: both run at the start and every interval after it."""
    every, second = trigger.interval, timedelta(seconds=1)
    if every % second:
        raise CannotCarry(f"runs every {every.total_seconds():g} s; intervals here are whole seconds")
    config = {"seconds": every // second, "anchor": rfc3339(trigger.start_date)}
    return {"scheduler_type": "interval", "schedule_config": config}


def _cron(trigger: Any) -> dict[str, Any]:
    fields = {field.name: field.expressions for field in trigger.fields}
    for name in ("year", "week"):
        if any(each.kind != "AllExpression" or each.step for each in fields[name]):
            raise CannotCarry(f"is bound to certain {name}s")
    nth = frozenset(_nth(each) for each in fields["day"] if each.kind == "WeekdayPositionExpression")
    sets = CronSets(
        seconds=_values("second", fields["second"]),
        minutes=_values("minute", fields["minute"]),
        hours=_values("hour", fields["hour"]),
        days=_values("day", fields["day"]),
        months=_values("month", fields["month"]),
        weekdays=frozenset((day + 1) % 7 for day in _values("day_of_week", fields["day_of_week"])),
        last_day=any(each.kind == "LastDayOfMonthExpression" for each in fields["day"]),
        nth=nth,
    )
    config = {"cron_expression": sets.expression(), "timezone": zone_name(trigger.timezone)}
    return {"scheduler_type": "cron", "schedule_config": config}


def _values(name: str, expressions: Iterable[Any]) -> frozenset[int]:
    """The numbers that plain expressions match, by APScheduler's counting."""
    everything = RANGES[name]
    low, high = min(everything), max(everything)
    found: set[int] = set()
    for each in expressions:
        if each.kind == "AllExpression":
            found.update(range(low, high + 1, each.step or 1))
        elif each.kind.endswith("RangeExpression"):
            last = high if each.last is None and each.step else each.first if each.last is None else each.last
            found.update(range(each.first, min(last, high) + 1, each.step or 1))
    return frozenset(found)


def _nth(expression: Any) -> tuple[int, str]:
    weekday = (expression.weekday + 1) % 7
    return weekday, "L" if expression.option_num == LAST else f"#{expression.option_num + 1}"


def _limits(start: datetime | None, end: datetime | None) -> dict[str, Any]:
    fields = {"start_at": start, "end_at": end}
    return {name: rfc3339(moment) for name, moment in fields.items() if moment is not None}


def _jitter(trigger: Any) -> dict[str, Any]:
    """Both put a run off by up to so many seconds."""
    jitter = vars(trigger).get("jitter")  # it came with 3.6
    if not jitter:
        return {}
    if jitter != int(jitter):
        raise CannotCarry(f"has a jitter of {jitter} s; here it is whole seconds")
    return {"jitter_seconds": int(jitter)}
