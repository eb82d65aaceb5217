"""What a per-second config's rows say about its ticks: which seconds they cover, and how often."""

from __future__ import annotations

from collections import Counter
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["covered", "gaps", "overlaps", "ticks_of"]

SECOND = timedelta(seconds=1)


def ticks_of(row: dict[str, Any]) -> list[datetime]:
    """Every second that one row covers; its `tick_count` must say the same."""
    first = datetime.fromisoformat(row["tick_at"])
    last = datetime.fromisoformat(row["tick_until"] or row["tick_at"])
    ticks = [first + n * SECOND for n in range(int((last - first) / SECOND) + 1)]
    assert row["tick_count"] == len(ticks), row
    return ticks


def covered(rows: Iterable[dict[str, Any]]) -> Counter[datetime]:
    """How many rows cover each second."""
    return Counter(tick for row in rows if row["tick_at"] for tick in ticks_of(row))


def gaps(rows: Iterable[dict[str, Any]]) -> list[datetime]:
    """The seconds between the first and the last tick that no row covers."""
    counted = covered(rows)
    first, last = min(counted), max(counted)
    return [tick for n in range(int((last - first) / SECOND) + 1) if (tick := first + n * SECOND) not in counted]


def overlaps(rows: Iterable[dict[str, Any]]) -> list[datetime]:
    """The seconds that more than one row covers."""
    return [tick for tick, times in covered(rows).items() if times > 1]
