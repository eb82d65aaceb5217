"""What may surprise about a schedule, found before it is saved: each a warning, none an error.

    never_fires                   there is no tick to come
    more_often_than_timeout       two ticks are closer to each other than a run may take
    slower_than_interval          two ticks are closer to each other than runs have lately taken
    jitter_wider_than_interval    two ticks are closer to each other than the jitter is wide
    daylight_saving_gap           the clocks skip a time of a cron that names its hours
    daylight_saving_repeat        the clocks repeat one

It is looked for in 400 days from the first tick that can be, and how close ticks come among the first 1500 of them: a
cron repeats itself every day it fires, and one with more ticks a day than that has its closest ones within the hour.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice, pairwise
from typing import TYPE_CHECKING, Literal
from zoneinfo import ZoneInfo

from horarium.schedule.cron import compile_cron
from horarium.schedule.instants import DAY, SECOND, from_micros, micros
from horarium.schedule.kinds import CronSchedule, ManualSchedule
from horarium.schedule.ticks import next_tick, ticks_between, within
from horarium.schedule.zones import stretches

if TYPE_CHECKING:
    from collections.abc import Iterator

    from horarium.schedule.cron import Cron, DayTicks
    from horarium.schedule.kinds import Schedule
    from horarium.schedule.zones import Stretch

__all__ = ["Surprise", "SurpriseCode", "Terms", "surprises"]

CLOSEST_AMONG = 1500  # ticks
AHEAD = timedelta(days=400)
"""Each of a year's changes of clocks, seen from any day."""

HOURS_OF_A_DAY = 24

SurpriseCode = Literal[
    "never_fires",
    "more_often_than_timeout",
    "slower_than_interval",
    "jitter_wider_than_interval",
    "daylight_saving_gap",
    "daylight_saving_repeat",
]


@dataclass(frozen=True, slots=True)
class Terms:
    """What a config says beside its schedule, in seconds; None where it is not known.

    `run_seconds` is how long its runs have lately taken, where one that is still at it has the next tick skipped.
    """

    start_at: datetime | None = None
    end_at: datetime | None = None
    jitter_seconds: int = 0
    timeout_seconds: float | None = None
    run_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Surprise:
    """A warning: two ticks and how far they are apart, or when and on which local date the clocks change."""

    code: SurpriseCode
    message: str
    tick_at: datetime | None = None
    next_tick_at: datetime | None = None
    apart_seconds: float | None = None
    changes_at: datetime | None = None
    date: str | None = None


def surprises(schedule: Schedule, terms: Terms, now: datetime) -> list[Surprise]:
    """Everything that may surprise about the ticks after `now`."""
    if isinstance(schedule, ManualSchedule):
        return []
    if next_tick(schedule, now, not_before=terms.start_at, end_at=terms.end_at) is None:
        return [Surprise("never_fires", "there is no tick to come: every one lies in the past or outside its limits")]
    return [*_too_close(schedule, terms, now), *_changes_of_clocks(schedule, terms, now)]


def _horizon(terms: Terms, now: datetime) -> datetime:
    return max(now, terms.start_at or now) + AHEAD


def _too_close(schedule: Schedule, terms: Terms, now: datetime) -> Iterator[Surprise]:
    coming = ticks_between(schedule, now, _horizon(terms, now), not_before=terms.start_at, end_at=terms.end_at)
    pairs = list(pairwise(islice(coming, CLOSEST_AMONG)))
    if not pairs:
        return
    tick, following = min(pairs, key=lambda pair: pair[1] - pair[0])
    apart = (following - tick).total_seconds()
    if terms.timeout_seconds is not None and apart < terms.timeout_seconds:
        message = f"ticks come within {apart:g} s of each other, and a run may take {terms.timeout_seconds:g} s"
        yield Surprise("more_often_than_timeout", message, tick, following, apart)
    if terms.run_seconds is not None and apart < terms.run_seconds:
        message = (
            f"ticks come within {apart:g} s of each other, and runs have lately taken {terms.run_seconds:.3g} s:"
            " those that find one still running are skipped"
        )
        yield Surprise("slower_than_interval", message, tick, following, apart)
    if apart < terms.jitter_seconds:
        message = (
            f"ticks come within {apart:g} s of each other, and jitter is {terms.jitter_seconds} s:"
            " a tick is put off by less than the time to the next one"
        )
        yield Surprise("jitter_wider_than_interval", message, tick, following, apart)


def _changes_of_clocks(schedule: Schedule, terms: Terms, now: datetime) -> Iterator[Surprise]:
    if not isinstance(schedule, CronSchedule):
        return
    cron = compile_cron(schedule.expression)
    if not cron.fixed and len(cron.times.hours) == HOURS_OF_A_DAY:
        return  # real time passes as ever
    limits = within(micros(now), micros(_horizon(terms, now)), terms.start_at, terms.end_at)
    start, end = (each // SECOND for each in limits)
    for day in range(start // DAY, end // DAY + 1):
        for part in stretches(schedule.timezone, day):
            if start <= part.start < end:
                yield from _gap(cron, schedule.timezone, part)
                yield from _repeat(cron, schedule.timezone, part)


def _gap(cron: Cron, name: str, part: Stretch) -> Iterator[Surprise]:
    skipped = next(cron.local(part.start - part.skipped, part.start, part.offset), None)
    if skipped is not None:
        what = f"runs once, at {_clock(part.start, name)}, right after it" if cron.fixed else "does not run"
        time = _time(skipped, part)
        yield _changed("daylight_saving_gap", name, part, f"there is no {time}, and what is due then {what}")


def _repeat(cron: Cron, name: str, part: Stretch) -> Iterator[Surprise]:
    repeated = next(cron.local(part.start, part.fresh, part.offset), None) if part.fresh > part.start else None
    if repeated is not None:
        what = "runs the first time only" if cron.fixed else "runs both times"
        time = _time(repeated, part)
        yield _changed("daylight_saving_repeat", name, part, f"there are two of {time}, and what is due then {what}")


def _changed(code: SurpriseCode, name: str, part: Stretch, what: str) -> Surprise:
    at = from_micros(part.start * SECOND)
    date = at.astimezone(ZoneInfo(name)).date().isoformat()
    return Surprise(code, f"on {date} the clocks change in {name}: {what}", changes_at=at, date=date)


def _time(ticks: DayTicks, part: Stretch) -> str:
    """The first of these ticks as a time of day, by the clock as it is set after the change."""
    return (from_micros(ticks[0]) + timedelta(seconds=part.offset)).strftime("%H:%M:%S")


def _clock(second: int, name: str) -> str:
    return from_micros(second * SECOND).astimezone(ZoneInfo(name)).strftime("%H:%M:%S")
