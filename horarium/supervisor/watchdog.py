"""Telling a child that hangs from one that waits.

A child gives signs of life: a heartbeat for every message that it takes, for every wait for the next one, and wherever
it says so itself. While it waits for something to do it is idle, and may be so for ever. A child that is neither idle
nor gives a sign for `limit` seconds hangs, and its supervisor cancels and restarts it.

A heartbeat costs one addition, since a busy mailbox has hundreds of thousands of them a second: it is a count, not an
instant, and the supervisor looks four times within the limit whether the count has moved. So a hang is never told
before `limit` seconds of silence, and at most a quarter later. The pulse is the whole child's: as long as one of its
tasks waits for something to do, the child counts as idle, whatever the others do.

Only hangs that leave the event loop running are seen here; `stall` sees to the others. After such a stall every child
looks silent, since none of them could run; so a look that itself comes late accuses nobody and begins anew.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Pulse", "Watchdog"]

LOOKS = 4
"""How often the supervisor looks within the limit."""


class Pulse:
    """The signs of life of one incarnation."""

    __slots__ = ("beats", "waits")

    def __init__(self) -> None:
        self.beats = 0
        self.waits = 0

    def beat(self) -> None:
        """Give a sign of life."""
        self.beats += 1

    @contextmanager
    def idle(self) -> Iterator[None]:
        """Be idle for the length of a block, which may take as long as it likes."""
        self.waits += 1
        try:
            yield
        finally:
            self.waits -= 1
            self.beats += 1


class Watchdog:
    """Judges one pulse; `alive_at` is the last sign seen; `limit` in seconds, instants in those of one clock."""

    def __init__(self, limit: float, pulse: Pulse, now: float) -> None:
        self._limit = limit
        self._pulse = pulse
        self._beats = pulse.beats
        self.alive_at = now
        self.next_look = now + limit / LOOKS

    def barks(self, now: float) -> bool:
        """Look at the pulse, and say whether its child hangs."""
        held_up = now - self.next_look > self._limit / LOOKS
        if held_up or self._pulse.waits or self._pulse.beats != self._beats:
            self._beats = self._pulse.beats
            self.alive_at = now
        self.next_look = min(now + self._limit / LOOKS, self.alive_at + self._limit)
        return now >= self.alive_at + self._limit

    def silence(self, now: float) -> float:
        """Return the seconds since the last sign of life that was seen."""
        return now - self.alive_at
