"""How many rows a list has on all of its pages, counted once for everybody who asks at about the same time.

Counting a million rows takes a tenth of a second or more, and a hundred open lists ask again whenever something
happens. So a count that is large, or took long, is kept in proportion to what it took: counting the same takes a
twentieth of the time at most, however many look. One that is small and quick is made anew each time: a list of three
says three.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

__all__ = ["Totals"]

LARGE = 10_000
"""From here on nobody misses one."""
QUICK_SECONDS = 0.1
KEPT_TIMES_COST = 20
KEPT_SECONDS = 20.0
"""The longest, whatever it took."""
MOST_KEPT = 256


@dataclass(slots=True)
class _Kept:
    """A count, when it was begun, how long it is good for, and whoever counts just now."""

    total: int = 0
    began: float = -math.inf
    until: float = -math.inf
    counting: anyio.Lock = field(default_factory=anyio.Lock)


class Totals:
    """Counts of one process, each by what is counted."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[Hashable, _Kept] = {}

    async def of(self, what: Hashable, count: Callable[[], Awaitable[int]]) -> int:
        """How many there are, by a count of now or of a moment ago; whoever awaits it holds nothing others need."""
        kept, asked = self._place(what), self._clock()
        if asked < kept.until:
            return kept.total
        async with kept.counting:
            if kept.began >= asked or self._clock() < kept.until:  # counted while this one waited
                return kept.total
            began = self._clock()
            kept.total = await count()
            kept.began, took = began, self._clock() - began
            if kept.total >= LARGE or took > QUICK_SECONDS:
                kept.until = self._clock() + min(KEPT_TIMES_COST * took, KEPT_SECONDS)
            return kept.total

    def _place(self, what: Hashable) -> _Kept:
        """Where a count is kept; the one that was asked for first goes when there are too many."""
        if what not in self._kept and len(self._kept) >= MOST_KEPT:
            del self._kept[next(iter(self._kept))]
        return self._kept.setdefault(what, _Kept())
