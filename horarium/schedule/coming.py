"""The runs to come: what the dispatcher will fire, as long as nobody changes the schedule and it is not late."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from horarium.schedule.instants import LATEST, from_micros, micros
from horarium.schedule.jitter import cut, fires_at
from horarium.schedule.ticks import ticks_between

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from horarium.schedule.jitter import Jitter
    from horarium.schedule.kinds import Schedule

__all__ = ["Run", "runs_to_come"]


class Run(NamedTuple):
    """A tick, and when it fires."""

    tick_at: datetime
    fires_at: datetime


def runs_to_come(
    schedule: Schedule,
    decided_until: datetime,
    now: datetime,
    *,
    not_before: datetime | None = None,
    end_at: datetime | None = None,
    jitter: Jitter | None = None,
) -> Iterator[Run]:
    """Yield, lazily, the ticks after `decided_until` that fire after `now`, in the order of both."""
    undecided = micros(decided_until) + 1
    to_come = cut(schedule, jitter, micros(now) + 1)
    after = from_micros(max(undecided, to_come) - 1)
    for tick in ticks_between(schedule, after, from_micros(LATEST), not_before=not_before, end_at=end_at):
        yield Run(tick, fires_at(schedule, tick, jitter))
