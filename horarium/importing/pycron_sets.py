"""What a cron expression of taskiq means: its scheduler asks pycron minute by minute, and so is pycron asked here.

pycron differs from cron where nobody looks: 7 is no day, `5-7` leaves Sunday out, and days match either field only
where neither has a star in it. So nothing is parsed a second time; each value of each field is put to pycron itself.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import pycron  # type: ignore[import-untyped]  # it has annotations, and does not say so

from horarium.importing.carrying import CannotCarry
from horarium.importing.cron_text import ALL_DAYS, ALL_HOURS, ALL_MINUTES, ALL_MONTHS, ALL_WEEKDAYS, CronSets

__all__ = ["pycron_sets"]

SUNDAY = datetime(2023, 1, 1)  # noqa: DTZ001 - pycron looks at the wall clock alone; a Sunday, and a first of January


def pycron_sets(expression: str) -> CronSets:
    """The values that each field matches; raises CannotCarry for what pycron cannot read."""
    try:
        minute, hour, day, month, weekday = (part.strip() for part in expression.split(" "))
        return CronSets(
            minutes=frozenset(n for n in ALL_MINUTES if pycron.is_now(f"{minute} * * * *", SUNDAY.replace(minute=n))),
            hours=frozenset(n for n in ALL_HOURS if pycron.is_now(f"* {hour} * * *", SUNDAY.replace(hour=n))),
            days=frozenset(n for n in ALL_DAYS if pycron.is_now(f"* * {day} * *", SUNDAY.replace(day=n))),
            months=frozenset(n for n in ALL_MONTHS if pycron.is_now(f"* * * {month} *", SUNDAY.replace(month=n))),
            weekdays=frozenset(
                n for n in ALL_WEEKDAYS if pycron.is_now(f"* * * * {weekday}", SUNDAY + timedelta(days=n))
            ),
            either="*" not in day and "*" not in weekday,
        )
    except ValueError as error:
        raise CannotCarry(f"has the cron expression {expression!r}, which taskiq cannot read either") from error
