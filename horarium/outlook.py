"""The ticks to come of many configs, counted into bins of time: what a timeline shows of the next hour. Pure.

A schedule that ticks every second has thousands of ticks in an hour and nothing to tell by each. So of every schedule
the first few hundred are taken one by one, and what follows is counted at the same rate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from horarium.schedule import ticks_between

if TYPE_CHECKING:
    from datetime import datetime

    from horarium.firing import FiringSpec

__all__ = ["Outlook", "outlook"]

MOST_TICKS = 120
"""Ticks of one schedule that are taken one by one."""


@dataclass(frozen=True, slots=True)
class Outlook:
    """The first ticks of a schedule, and how many seconds apart those after them are, until an instant.

    `every_seconds` is None where there are no more.
    """

    ticks: tuple[datetime, ...]
    every_seconds: float | None
    until: datetime

    def count(self, bins: list[float], since: datetime, bin_seconds: float, weight: float = 1.0) -> None:
        """Add the ticks to `bins`, the first of which begins at `since`; each counts for `weight`."""
        for tick in self.ticks:
            place = int((tick - since).total_seconds() // bin_seconds)
            if 0 <= place < len(bins):
                bins[place] += weight
        if self.every_seconds is None:
            return
        begin = ((self.ticks[-1] - since).total_seconds() + self.every_seconds) / bin_seconds
        end = min((self.until - since).total_seconds() / bin_seconds, len(bins))
        for place in range(max(int(begin), 0), math.ceil(end)):
            share = min(place + 1, end) - max(place, begin)
            bins[place] += weight * share * bin_seconds / self.every_seconds


def outlook(spec: FiringSpec, now: datetime, until: datetime) -> Outlook:
    """The ticks of a config after `now` and before `until`; by their own instants, which jitter may put off."""
    until = until if spec.end_at is None else min(until, spec.end_at)
    coming = ticks_between(spec.schedule, now, until, not_before=spec.start_at, end_at=spec.end_at)
    ticks = tuple(islice(coming, MOST_TICKS))
    if len(ticks) < MOST_TICKS or next(coming, None) is None:
        return Outlook(ticks, None, until)
    return Outlook(ticks, (ticks[-1] - ticks[0]).total_seconds() / (MOST_TICKS - 1), until)
