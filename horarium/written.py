"""A schedule as people write it on a command line, read with nobody to ask: no server, no settings. Pure.

It becomes what the API would be sent, and so is refused in the same words; each fault then names the flag it came by
and not the field. Instants may leave out their offset, which the zone then completes, and their time of day, which then
is midnight.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, cast

from horarium.durations import DURATION_MANNER, read_units
from horarium.errors import FieldError, InvalidInput
from horarium.model import SchedulePreview
from horarium.preview import preview
from horarium.schedule import ScheduleError, parse_schedule
from horarium.schedule.instants import EPOCH
from horarium.schedule.zones import zone

if TYPE_CHECKING:
    from datetime import datetime
    from typing import Any

    from horarium.preview import Preview
    from horarium.schedule import DateSchedule

__all__ = ["Written", "foresee", "read_duration", "read_instant"]

BARE_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
MICROSECOND = timedelta(microseconds=1)
FLAGS = {
    "cron_expression": "EXPRESSION",
    "timezone": "--tz",
    "run_date": "--at",
    "anchor": "--anchor",
    **dict.fromkeys(("days", "hours", "minutes", "seconds"), "--every"),
}


@dataclass(frozen=True, slots=True)
class Written:
    """What was written; of `expression`, `every` and `at` exactly one."""

    timezone: str
    expression: str | None = None
    every: str | None = None
    at: str | None = None
    anchor: str | None = None

    def request(self, count: int, start: datetime | None) -> SchedulePreview:
        """What the API would be asked; an interval without an anchor begins at `start`. Raises InvalidInput."""
        if self.every is not None:
            config: dict[str, Any] = dict(read_duration(self.every, flag="--every"))
            begins = start if self.anchor is None else read_instant(self.anchor, self.timezone, flag="--anchor")
            config |= {} if begins is None else {"anchor": begins.isoformat()}
            return SchedulePreview(scheduler_type="interval", schedule_config=config, count=count)
        if self.at is not None:
            at = read_instant(self.at, self.timezone, flag="--at")
            config = {"run_date": at.isoformat(), "timezone": self.timezone}
            return SchedulePreview(scheduler_type="date", schedule_config=config, count=count)
        config = {"cron_expression": self.expression, "timezone": self.timezone}
        return SchedulePreview(scheduler_type="cron", schedule_config=config, count=count)


def foresee(written: Written, *, count: int, now: datetime, start: str | None) -> Preview:
    """The ticks after `now`, or from `start` on, that instant included; raises InvalidInput that names flags."""
    try:
        zone(written.timezone)
    except ScheduleError as error:
        raise InvalidInput(FieldError(("--tz",), error.message)) from None
    begin = None if start is None else read_instant(start, written.timezone, flag="--from")
    asked = written.request(count, begin)
    try:
        return preview(asked, None, now if begin is None else begin - MICROSECOND)
    except InvalidInput as error:
        raise InvalidInput(*(FieldError((_flag(fault),), fault.msg) for fault in error.errors)) from None


def read_duration(text: str, *, flag: str) -> dict[str, float]:
    """`90m`, `1d12h`: amounts by the name of their unit. Raises InvalidInput."""
    units = read_units(text)
    if units is None:
        raise InvalidInput(FieldError((flag,), f"{DURATION_MANNER}, not {text[:64]!r}"))
    return units


def read_instant(text: str, zone: str, *, flag: str) -> datetime:
    """An instant, in UTC; what has no offset is a time of this zone's clocks. Raises InvalidInput."""
    whole = f"{text}T00:00" if BARE_DATE.fullmatch(text) else text
    try:
        read = parse_schedule("date", {"run_date": whole, "timezone": zone}, now=EPOCH)
    except ScheduleError as error:
        raise InvalidInput(FieldError((flag,), error.message)) from None
    return cast("DateSchedule", read).run_at


def _flag(fault: FieldError) -> str:
    name = str(fault.loc[-1])
    return FLAGS.get(name, name)
