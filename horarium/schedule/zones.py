"""Time zones as stretches of constant offset, the form in which cron can be computed by arithmetic.

zoneinfo answers "what is the offset at this instant" and keeps its list of changes to itself, so a change is found
by comparing both ends of a UTC day and bisecting in between. That needs at most one change a day; since 1970 no
zone of the IANA database has had two within three days. All numbers are whole seconds since the epoch, and days are
counted from it.
"""

from __future__ import annotations

import difflib
from bisect import bisect_left
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from horarium.schedule.instants import DAY, EPOCH, SECOND, from_micros, micros
from horarium.schedule.kinds import ScheduleError

__all__ = ["Change", "Stretch", "change_on", "resolve_local", "stretches", "zone"]


@dataclass(frozen=True, slots=True)
class Change:
    """An instant `at` which a zone's offset changes."""

    at: int
    before: int
    after: int

    @property
    def fresh(self) -> int:
        """From here on local times are ones that were not there before the change."""
        return self.at + max(self.before - self.after, 0)


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of one UTC day during which a zone keeps one offset.

    `skipped` seconds of local time were jumped over to enter it; before `fresh` its local times are repeated ones.
    """

    start: int
    end: int
    offset: int
    skipped: int
    fresh: int


@lru_cache(maxsize=1)
def _names() -> frozenset[str]:
    # "localtime" is whatever this machine is set to: another machine would fire at other times
    return frozenset(available_timezones() - {"localtime"})


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Give the IANA zone of that name. Membership first: ZoneInfo would try the name as a path, and leak OSError."""
    if name not in _names():
        known = {each.lower(): each for each in _names()}
        close = difflib.get_close_matches(name[:64].lower(), known, n=1)
        hint = f"did you mean {known[close[0]]!r}?" if close else "use an IANA name, such as 'Europe/Berlin'"
        raise ScheduleError("timezone", f"is no time zone; {hint}")
    return ZoneInfo(name)


def _offset(tz: ZoneInfo, second: int) -> int:
    offset = (EPOCH + timedelta(seconds=second)).astimezone(tz).utcoffset()
    return 0 if offset is None else offset // timedelta(seconds=1)


@lru_cache(maxsize=8192)
def change_on(name: str, day: int) -> Change | None:
    """The change of a zone's clocks on a UTC day, counted from the epoch."""
    tz = zone(name)
    instants = range(day * DAY - 1, (day + 1) * DAY)
    before, after = _offset(tz, instants[0]), _offset(tz, instants[-1])
    if before == after:
        return None
    changed = bisect_left(instants, 1, key=lambda second: _offset(tz, second) != before)
    return Change(instants[changed], before, after)


def stretches(name: str, day: int) -> tuple[Stretch, ...]:
    """Cut one UTC day at the zone's change, if it has one; a repeated hour may reach over from the day before."""
    start, end = day * DAY, (day + 1) * DAY
    yesterday, today = change_on(name, day - 1), change_on(name, day)
    fresh = yesterday.fresh if yesterday else start
    if today is None:
        return (Stretch(start, end, _offset(zone(name), start), 0, fresh),)
    head = Stretch(start, today.at, today.before, 0, fresh)
    tail = Stretch(today.at, end, today.after, max(today.after - today.before, 0), max(fresh, today.fresh))
    return (head, tail) if start < today.at else (tail,)


def resolve_local(naive: datetime, name: str) -> datetime:
    """Turn a zone's wall clock time into UTC: a skipped time is the end of its gap, a repeated one the first."""
    tz = zone(name)
    instant = naive.replace(tzinfo=tz, fold=0).astimezone(UTC)
    if instant.astimezone(tz).replace(tzinfo=None) == naive:
        return instant
    # read with the offset from before the gap, the instant lies less than the gap's length after the change
    day = micros(instant) // SECOND // DAY
    changes = [change for change in (change_on(name, day - 1), change_on(name, day)) if change]
    return from_micros(changes[-1].at * SECOND)
