"""The IANA name of a zone that another program has as an object or as an offset."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone, tzinfo
from pathlib import Path

from horarium.importing.carrying import CannotCarry

__all__ = ["local_zone", "offset_zone", "rfc3339", "zone_name"]

HOUR = timedelta(hours=1)
LOCALTIME = Path("/etc/localtime")


def zone_name(zone: tzinfo) -> str:
    """The name of a zone of zoneinfo or pytz, or of a fixed offset; raises CannotCarry for one that has none."""
    name = getattr(zone, "key", None) or getattr(zone, "zone", None)
    if name is not None:
        return str(name)
    offset = zone.utcoffset(None) if isinstance(zone, timezone) else None
    if offset is None:
        raise CannotCarry(f"is in the zone {zone}, which has no IANA name; --timezone gives one")
    return offset_zone(offset)


def offset_zone(offset: timedelta) -> str:
    """The zone that is always `offset` ahead of UTC; raises CannotCarry where there is none.

    IANA's names for them have the sign of POSIX, which counts to the west.
    """
    if not offset:
        return "UTC"
    if offset % HOUR or not -12 * HOUR <= offset <= 14 * HOUR:
        raise CannotCarry(f"is {offset} ahead of UTC, and there are only zones of whole hours from -12 to 14")
    return f"Etc/GMT{-(offset // HOUR):+d}"


def local_zone() -> str | None:
    """The zone of this machine, where it says which: it is where /etc/localtime leads, and what cron runs in."""
    _, _, name = str(LOCALTIME.resolve()).partition("zoneinfo/")
    return name or None


def rfc3339(moment: datetime) -> str:
    """An instant in UTC as the API takes it; without a zone of its own it is in UTC already."""
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.isoformat()
