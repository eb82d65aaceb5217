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

from horarium.schedule.clock_changes import ClockEffect, clock_changes, is_by_real_time
from horarium.schedule.instants import SECOND, micros
from horarium.schedule.kinds import CronSchedule, ManualSchedule
from horarium.schedule.ticks import next_tick, ticks_between, within

if TYPE_CHECKING:
    from collections.abc import Iterator

    from horarium.schedule.clock_changes import ClockChange
    from horarium.schedule.kinds import Schedule

__all__ = ["Surprise", "SurpriseCode", "Terms", "coming_changes", "surprises"]

CLOSEST_AMONG = 1500  # ticks
AHEAD = timedelta(days=400)
"""Each of a year's changes of clocks, seen from any day."""

SurpriseCode = Literal[
    "never_fires",
    "more_often_than_timeout",
    "slower_than_interval",
    "jitter_wider_than_interval",
    "daylight_saving_gap",
    "daylight_saving_repeat",
]

OF_CHANGES: dict[ClockEffect, SurpriseCode] = {
    "moved": "daylight_saving_gap",
    "left_out": "daylight_saving_gap",
    "first_only": "daylight_saving_repeat",
    "both": "daylight_saving_repeat",
}
"""What a change of clocks does to a schedule, as a surprise."""


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
    if isinstance(schedule, CronSchedule) and is_by_real_time(schedule):
        return  # none of them can matter, and each config that is saved is asked
    for change in coming_changes(schedule, terms, now):
        if change.effect in OF_CHANGES:
            code = OF_CHANGES[change.effect]
            yield Surprise(code, change.message, changes_at=change.changes_at, date=change.date)


def coming_changes(schedule: Schedule, terms: Terms, now: datetime) -> Iterator[ClockChange]:
    """Every change of the clocks that the schedule goes by, as far as surprises are looked for."""
    start, end = within(micros(now), micros(_horizon(terms, now)), terms.start_at, terms.end_at)
    yield from clock_changes(schedule, start // SECOND, end // SECOND)
