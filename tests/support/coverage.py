"""The ledger's first rule, as a check: every tick in the past is covered by exactly one row.

The ticks come from an oracle that shares nothing with `horarium.schedule`: it looks at every second of the stretch
and asks whether the schedule matches it. Slow, and too simple to be wrong in the same way. It knows UTC only, cron
fields of `*`, numbers, lists, ranges and steps of `*`, and ticks on whole seconds.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["SOUND", "Faults", "expected_ticks", "faults"]

SECOND = timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Faults:
    """What is wrong with a ledger: ticks without a row, with several, rows for what is no tick, wrong counts."""

    missing: tuple[datetime, ...] = ()
    doubled: tuple[datetime, ...] = ()
    extra: tuple[datetime, ...] = ()
    miscounted: tuple[datetime, ...] = ()


SOUND = Faults()


def faults(rows: Iterable[Mapping[str, Any]], ticks: Sequence[datetime]) -> Faults:
    """Hold the rows of one config against the ticks it owes, ascending; a row covers `tick_at` to `tick_until`."""
    known = set(ticks)
    counted: Counter[datetime] = Counter()
    extra, miscounted = [], []
    for row in rows:
        first = row["tick_at"]
        if first is None:  # a run by hand is for no tick
            continue
        last = row["tick_until"] or first
        covered = ticks[bisect_left(ticks, first) : bisect_right(ticks, last)]
        counted.update(covered)
        extra += [end for end in {first, last} if end not in known]
        miscounted += [first] if row["tick_count"] != len(covered) else []
    return Faults(
        missing=tuple(tick for tick in ticks if not counted[tick]),
        doubled=tuple(tick for tick in ticks if counted[tick] > 1),
        extra=tuple(sorted(extra)),
        miscounted=tuple(miscounted),
    )


def expected_ticks(config: Mapping[str, Any], after: datetime, until: datetime) -> list[datetime]:
    """The ticks that a config's row owes with after < tick <= until."""
    first = max(after + timedelta(microseconds=1), config["start_at"] or after)
    last = min(until, config["end_at"] or until)
    second = first.replace(microsecond=0) + (SECOND if first.microsecond else timedelta(0))
    seconds = (second + n * SECOND for n in range(max(0, int((last - second) / SECOND) + 1)))
    return [each for each in seconds if each <= last and _matches(config, each)]


def _matches(config: Mapping[str, Any], second: datetime) -> bool:
    schedule = config["schedule_config"]
    match config["scheduler_type"]:
        case "cron":
            assert schedule["timezone"] == "UTC"
            fields = schedule["cron_expression"].split()
            return _cron_matches(fields if len(fields) == 6 else ["0", *fields], second)
        case "interval":
            apart = timedelta(**{unit: amount for unit, amount in schedule.items() if unit != "anchor"})
            anchor = datetime.fromisoformat(schedule["anchor"])
            return second >= anchor and not (second - anchor) % apart
        case "date":
            return second == datetime.fromisoformat(schedule["run_date"])
    return False


def _cron_matches(fields: Sequence[str], second: datetime) -> bool:
    weekday = second.isoweekday() % 7
    actual = (second.second, second.minute, second.hour, second.day, second.month, weekday)
    return all(_field_matches(field, value) for field, value in zip(fields, actual, strict=True))


def _field_matches(field: str, value: int) -> bool:
    for part in field.split(","):
        if part == "*" or (part.startswith("*/") and value % int(part[2:]) == 0):
            return True
        low, _, high = part.partition("-")
        if low.isdigit() and int(low) <= value <= int(high or low):
            return True
    return False
