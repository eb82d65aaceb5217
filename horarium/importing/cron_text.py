"""Cron expressions for schedules that other programs keep as sets of numbers, in the same sense.

The trap is the two day fields. Celery and APScheduler run on days that match both; cron runs on days that match
either, unless one of the two begins with a star. So a pair that means "both" is written with a star wherever there is
a way to begin with one: `*/31` is the first of a month, `*/7` is Sunday, and the second week's Mondays are `MON#2`.
Where there is no way, the schedule has no equal here. Days of the week are cron's, Sunday is 0.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

from horarium.importing.carrying import CannotCarry

__all__ = ["ALL_DAYS", "ALL_HOURS", "ALL_MINUTES", "ALL_MONTHS", "ALL_WEEKDAYS", "CronSets"]

ALL_MINUTES = frozenset(range(60))
ALL_HOURS = frozenset(range(24))
ALL_DAYS = frozenset(range(1, 32))
ALL_MONTHS = frozenset(range(1, 13))
ALL_WEEKDAYS = frozenset(range(7))
WEEKS = tuple(frozenset(range(first, min(first + 7, 32))) for first in range(1, 32, 7))
"""Days of the month in which a weekday's first, second ... fifth falls."""

ON_BOTH = "runs on days that match both its day of the month and its day of the week; cron here takes either"


@dataclass(frozen=True, slots=True)
class CronSets:
    """What each field matches. `either` has days match one of the two day fields, instead of both.

    `last_day` adds the last of each month, `nth` weekdays counted in their month: (5, "#2") is the second Friday and
    (5, "L") the last.
    """

    minutes: frozenset[int] = ALL_MINUTES
    hours: frozenset[int] = ALL_HOURS
    days: frozenset[int] = ALL_DAYS
    months: frozenset[int] = ALL_MONTHS
    weekdays: frozenset[int] = ALL_WEEKDAYS
    seconds: frozenset[int] = field(default=frozenset({0}))
    either: bool = False
    last_day: bool = False
    nth: frozenset[tuple[int, str]] = frozenset()

    def expression(self) -> str:
        """Five fields, or six with seconds first; raises CannotCarry where there is no such expression."""
        day, weekday = self._day_fields()
        fields = [_field(self.minutes, ALL_MINUTES), _field(self.hours, ALL_HOURS), day]
        fields += [_field(self.months, ALL_MONTHS), weekday]
        if self.seconds != {0}:
            fields.insert(0, _field(self.seconds, ALL_MINUTES))
        if "" in fields:
            raise CannotCarry("never fires: one of its fields matches nothing")
        return " ".join(fields)

    def _day_fields(self) -> tuple[str, str]:
        if self.nth:
            return self._counted_weekdays()
        day = _field(self.days, ALL_DAYS)
        if self.last_day:
            day = ",".join(filter(None, (day, "L"))) if day != "*" else day
        weekday = _field(self.weekdays, ALL_WEEKDAYS)
        if "*" in (day, weekday):
            return ("*", "*") if self.either else (day, weekday)
        if self.either:
            return _field(self.days, ALL_DAYS, star=False), _field(self.weekdays, ALL_WEEKDAYS, star=False)
        return self._both(day, weekday)

    def _both(self, day: str, weekday: str) -> tuple[str, str]:
        """The fields, one of them with a star in front."""
        if day.startswith("*") or weekday.startswith("*"):
            return day, weekday
        if 1 in self.days:
            rest = _field(self.days - {1}, ALL_DAYS, star=False)
            return ",".join(filter(None, ("*/31", rest, "L" if self.last_day else ""))), weekday
        if 0 in self.weekdays:
            return day, ",".join(filter(None, ("*/7", _field(self.weekdays - {0}, ALL_WEEKDAYS, star=False))))
        weeks = [number for number, week in enumerate(WEEKS, 1) if week <= self.days]
        if self.last_day or frozenset().union(*(WEEKS[number - 1] for number in weeks)) != self.days:
            raise CannotCarry(ON_BOTH)
        return "*", ",".join(f"{each}#{number}" for number in weeks for each in sorted(self.weekdays))

    def _counted_weekdays(self) -> tuple[str, str]:
        if self.days or self.last_day or self.weekdays != ALL_WEEKDAYS:
            raise CannotCarry("mixes weekdays counted in their month with other days")
        return "*", ",".join(f"{weekday}{which}" for weekday, which in sorted(self.nth))


def _field(values: frozenset[int], everything: frozenset[int], *, star: bool = True) -> str:
    """The values as one field, as short as it can be said; without a star in front where that has a meaning."""
    low, high = min(everything), max(everything)
    if values == everything and star:
        return "*"
    ordered = sorted(values)
    steps = {after - before for before, after in pairwise(ordered)}
    if len(ordered) > 2 and len(steps) == 1 and steps != {1}:
        step = steps.pop()
        whole = star and ordered[0] == low and ordered[-1] + step > high
        return f"*/{step}" if whole else f"{ordered[0]}-{ordered[-1]}/{step}"
    return ",".join(_stretches(ordered))


def _stretches(ordered: list[int]) -> list[str]:
    """Numbers that follow each other as ranges."""
    found: list[list[int]] = []
    for each in ordered:
        if found and found[-1][-1] + 1 == each:
            found[-1].append(each)
        else:
            found.append([each])
    return [f"{run[0]}-{run[-1]}" if len(run) > 2 else ",".join(map(str, run)) for run in found]
