"""Reading the pickles of other programs without doing what they say.

A pickle is a program: loading one as it is calls whatever it names. APScheduler keeps its jobs in nothing else, and
taskiq-redis its schedules by default, so there has to be a way, behind a flag; this is as narrow as it can be. No class
of another package is ever imported: what a pickle may name is a short list of values of the standard library, and
APScheduler's triggers, for which stand-ins are made that hold their state and have no behaviour. Whatever else it names
ends the reading of that entry. So the other package does not have to be installed either.

What remains is what a pickle of harmless values can do: use memory and time.
"""

from __future__ import annotations

import datetime as dt
import io
import pickle
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from horarium.importing.carrying import CannotCarry

__all__ = ["PICKLED", "StandIn", "unpickled"]

PICKLED = b"\x80"
"""How every pickle since protocol 2 begins."""

TRIGGERS = "apscheduler.triggers."
STAND_INS = {
    f"{TRIGGERS}cron": ("CronTrigger",),
    f"{TRIGGERS}interval": ("IntervalTrigger",),
    f"{TRIGGERS}date": ("DateTrigger",),
    f"{TRIGGERS}calendarinterval": ("CalendarIntervalTrigger",),
    f"{TRIGGERS}combining": ("AndTrigger", "OrTrigger"),
    f"{TRIGGERS}cron.fields": ("BaseField", "DayOfMonthField", "DayOfWeekField", "MonthField", "WeekField"),
    f"{TRIGGERS}cron.expressions": (
        "AllExpression",
        "LastDayOfMonthExpression",
        "MonthRangeExpression",
        "RangeExpression",
        "WeekdayPositionExpression",
        "WeekdayRangeExpression",
    ),
}


class StandIn:
    """An object of another package: the name of its class, and its attributes."""

    kind = ""

    def __setstate__(self, state: Any) -> None:
        slots = state[1] if isinstance(state, tuple) else state
        self.__dict__.update({str(name): value for name, value in dict(slots).items()})

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise CannotCarry(f"cannot be read: its {self.kind} has no {name}")


def unpickled(data: bytes) -> Any:
    """What a pickle holds; raises CannotCarry where it is broken, or names anything that is not on the list."""
    try:
        return _Reader(io.BytesIO(data)).load()
    except CannotCarry:
        raise
    except Exception as error:  # a broken pickle raises whatever the step it breaks at does
        raise CannotCarry(f"cannot be read: its pickle is broken ({type(error).__name__}: {error})") from error


def _zone_method(owner: object, name: object) -> Any:
    """All that `getattr` is needed for: zoneinfo's zones are pickled as a call of a method of their class."""
    if owner is not ZoneInfo or name != "_unpickle":
        raise CannotCarry(f"cannot be read: its pickle asks for the attribute {name!r} of a {type(owner).__name__}")
    return _zone


def _zone(key: str, *_: object) -> ZoneInfo:
    return ZoneInfo(key)


def _utc() -> dt.timezone:
    return dt.UTC


def _bytes(text: str, encoding: str) -> bytes:
    """How bytes are pickled by protocol 2, which knows none."""
    if encoding != "latin1":
        raise CannotCarry(f"cannot be read: its pickle holds bytes as {encoding!r:.40}")
    return text.encode("latin1")


NAMED: dict[tuple[str, str], Any] = {
    ("__builtin__", "getattr"): _zone_method,
    ("__builtin__", "set"): set,
    ("_codecs", "encode"): _bytes,
    ("builtins", "getattr"): _zone_method,
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("datetime", "date"): dt.date,
    ("datetime", "datetime"): dt.datetime,
    ("datetime", "time"): dt.time,
    ("datetime", "timedelta"): dt.timedelta,
    ("datetime", "timezone"): dt.timezone,
    ("decimal", "Decimal"): Decimal,
    ("pytz", "_UTC"): _utc,
    ("pytz", "_p"): _zone,
    ("uuid", "UUID"): UUID,
    ("zoneinfo", "ZoneInfo"): ZoneInfo,
    ("zoneinfo", "ZoneInfo._unpickle"): _zone,
} | {(module, name): type(name, (StandIn,), {"kind": name}) for module, names in STAND_INS.items() for name in names}


class _Reader(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        """What a name of the pickle stands for: never an import."""
        if (module, name) not in NAMED:
            raise CannotCarry(f"cannot be read: its pickle needs {module}.{name}, which is not loaded for safety")
        return NAMED[module, name]

    def persistent_load(self, pid: object) -> Any:
        """A reference to something outside of the pickle."""
        raise CannotCarry(f"cannot be read: its pickle refers to something outside of it ({pid!r:.40})")
