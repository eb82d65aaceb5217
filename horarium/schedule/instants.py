"""Instants as integers: microseconds since the epoch, exact, and several times faster than datetimes to compute.

`EARLIEST` and `LATEST` leave a few days at both ends of the calendar, so that no zone's offset leads out of it.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

__all__ = ["DAY", "EARLIEST", "EPOCH", "LATEST", "MILLISECOND", "SECOND", "from_micros", "micros"]

MILLISECOND = 1000  # microseconds
SECOND = 1_000_000  # microseconds
DAY = 86_400  # seconds
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)


def micros(instant: datetime) -> int:
    """Microseconds since the epoch; a naive datetime raises TypeError."""
    return (instant - EPOCH) // MICROSECOND


def from_micros(value: int) -> datetime:
    """Give back the aware UTC datetime of `micros`."""
    return EPOCH + value * MICROSECOND


EARLIEST = micros(datetime(1, 1, 4, tzinfo=UTC))
LATEST = micros(datetime(9999, 12, 28, tzinfo=UTC))
