"""Jitter: a tick that fires a little later than it is, so that what is due at once does not all start at once.

Jitter moves when a tick fires, never which tick it is. How far is a pure function of the config's id and the tick, so
that a preview is exact and a restart changes nothing:

    fires_at(tick) = tick + floor(h * min(jitter, gap to the next tick)) milliseconds

`h` is a fraction of 0 <= h < 1: the first 8 bytes of BLAKE2b over the text "config id:tick in Unix milliseconds", as a
big-endian number, over 2**64. This is stable for ever, on every machine and in every release: processes of two releases
may share a database, and both must fire a tick at the same instant.

A tick never fires at or after the next one's instant, whatever the jitter. So ticks fire in their order, and an instant
at which something fires says which tick it was: the last one at or before it. The due index needs no more than that
instant. The gap is the schedule's own: `start_at` and `end_at` say which ticks there are, and move none.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

from horarium.schedule.instants import MILLISECOND, SECOND, from_micros, micros
from horarium.schedule.ticks import first_tick, runs

if TYPE_CHECKING:
    from datetime import datetime

    from horarium.schedule.kinds import Schedule

__all__ = ["Jitter", "cut", "fires_at", "first_firing", "jitter_of"]

HASH_BYTES = 8


@dataclass(frozen=True, slots=True)
class Jitter:
    """By how much at most the ticks of one config are moved; in the place of one that moves none stands None."""

    config_id: int
    seconds: int

    def shift(self, tick: int, gap: int) -> int:
        """By how much a tick is moved, when the next one is `gap` later; all in microseconds."""
        key = b"%d:%d" % (self.config_id, tick // MILLISECOND)
        fraction = int.from_bytes(blake2b(key, digest_size=HASH_BYTES).digest(), "big")
        widest = min(self.seconds * SECOND, gap) // MILLISECOND
        return (fraction * widest >> 8 * HASH_BYTES) * MILLISECOND


def jitter_of(config_id: int, seconds: int) -> Jitter | None:
    """What moves the ticks of a config that has so many seconds of jitter; None where nothing does."""
    return Jitter(config_id, seconds) if seconds else None


def _firing(schedule: Schedule, jitter: Jitter, tick: int) -> int:
    reach = jitter.seconds * SECOND
    following = first_tick(schedule, tick + 1, tick + reach)
    return tick + jitter.shift(tick, reach if following is None else following - tick)


def cut(schedule: Schedule, jitter: Jitter | None, instant: int) -> int:
    """Where the ticks that fire before an instant end: those from the answer on fire at or after it.

    Without jitter it is the instant itself; with it, it may lie as much earlier as a tick can be moved.
    """
    if jitter is None:
        return instant
    tick = _last_tick(schedule, instant - jitter.seconds * SECOND, instant)
    return tick if tick is not None and _firing(schedule, jitter, tick) >= instant else instant


def _last_tick(schedule: Schedule, start: int, end: int) -> int | None:
    """The last tick in start <= tick < end."""
    found = list(runs(schedule, start, end))
    return found[-1][len(found[-1]) - 1] if found else None


def fires_at(schedule: Schedule, tick: datetime, jitter: Jitter | None) -> datetime:
    """When a tick of the schedule fires."""
    return tick if jitter is None else from_micros(_firing(schedule, jitter, micros(tick)))


def first_firing(schedule: Schedule, instant: datetime, jitter: Jitter | None) -> datetime:
    """The tick that fires at an instant; where none does, an instant that parts those fired before from those after."""
    return instant if jitter is None else from_micros(cut(schedule, jitter, micros(instant)))
