"""Who may start under limits, and when. Pure; the clock is passed in.

A `Gate` is one limit while somebody decides, with what has room under it already. Two decisions are made of gates:
which claims may start (`admit`), and which executions that wait may be sent again (`release`), for which room is then
reserved. An execution starts only where its task type and its queue both have room.

A rate is kept by the GCRA without bursts: two starts are at least `period / rate` apart, so no period, wherever it
begins, sees more of them than the rate. What may start within `AHEAD` is let in now and given its instant, for its
worker to wait until then: otherwise each start would come late by the way of a message, and a rate of 100 a second
never be reached.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

__all__ = ["Candidate", "Gate", "Key", "Kind", "Line", "admit", "opens_in", "release", "room"]

Kind = Literal["queue", "task_type"]

AHEAD = timedelta(seconds=0.2)
"""How far ahead of its instant a start is given out; so long a worker's slot may wait."""

MOST_RELEASED = 500
"""Of one line at a time: what a batch of messages takes."""


class Key(NamedTuple):
    """What a limit is about."""

    kind: Kind
    name: str


class Line(NamedTuple):
    """Where an execution stands and waits: with those of its task type and queue."""

    task_type: str
    queue: str

    @property
    def keys(self) -> tuple[Key, Key]:
        """The limits that may concern it."""
        return Key("queue", self.queue), Key("task_type", self.task_type)


class Candidate(NamedTuple):
    """An execution that wants to start; `released`: it has waited, and room was reserved for it."""

    execution_id: UUID
    line: Line
    priority: int
    released: bool = False


@dataclass(slots=True)
class Gate:
    """One limit: `spacing` is the least time between two starts, `running` and `reserved` are those that have room."""

    max_running: int | None
    spacing: timedelta | None
    next_start_at: datetime
    running: int = 0
    reserved: int = 0

    def lets_in(self, start: datetime, now: datetime, *, behind: int) -> bool:
        """Whether one more may start at `start`, with `behind` others to be let in as well."""
        if self.max_running is not None and self.running + behind >= self.max_running:
            return False
        return self.spacing is None or start + behind * self.spacing <= now + AHEAD

    def take(self, start: datetime) -> None:
        """One more starts."""
        self.running += 1
        if self.spacing is not None:
            self.next_start_at = start + self.spacing

    def room(self, now: datetime) -> int:
        """For how many more room can be reserved."""
        slots, starts = MOST_RELEASED, MOST_RELEASED
        if self.max_running is not None:
            slots = self.max_running - self.running - self.reserved
        if self.spacing is not None:
            ahead = now + AHEAD - max(self.next_start_at, now)
            starts = (ahead // self.spacing if ahead >= timedelta(0) else -1) + 1 - self.reserved
        return max(0, min(slots, starts))

    def opens_in(self, now: datetime) -> float:
        """Seconds until room can be reserved for one more; infinite where that waits for something to end."""
        if self.max_running is not None and self.running + self.reserved >= self.max_running:
            return math.inf
        if self.spacing is None:
            return 0.0
        opens = max(self.next_start_at, now) + self.reserved * self.spacing - AHEAD
        return max(0.0, (opens - now).total_seconds())


def admit(
    candidates: Iterable[Candidate], gates: Mapping[Key, Gate], waiting: Iterable[Line], now: datetime
) -> dict[UUID, datetime]:
    """The claims that may start, each with its instant; `gates` take note.

    Whoever was let go comes first. Of the others nobody overtakes those who wait in the same line.
    """
    starts: dict[UUID, datetime] = {}
    lines = set(waiting)
    for each in sorted(candidates, key=lambda c: (not c.released, -c.priority, c.execution_id)):
        mine = _concerning(each.line, gates)
        start = max([now, *(gate.next_start_at for gate in mine if gate.spacing is not None)])
        in_line = bool(mine) and each.line in lines and not each.released
        if not in_line and all(g.lets_in(start, now, behind=0 if each.released else g.reserved) for g in mine):
            for gate in mine:
                gate.take(start)
            starts[each.execution_id] = start
        else:
            lines.add(each.line)
    return starts


def release(heads: Iterable[Candidate], gates: Mapping[Key, Gate], now: datetime) -> list[UUID]:
    """Which of those that wait may be sent: by priority, the oldest first; `gates` take note."""
    released = []
    for each in sorted(heads, key=lambda c: (-c.priority, c.execution_id)):
        mine = _concerning(each.line, gates)
        if all(gate.room(now) for gate in mine):
            for gate in mine:
                gate.reserved += 1
            released.append(each.execution_id)
    return released


def room(line: Line, gates: Mapping[Key, Gate], now: datetime) -> int:
    """For how many of a line there is room: no more of it need be looked at."""
    return min([MOST_RELEASED, *(gate.room(now) for gate in _concerning(line, gates))])


def opens_in(lines: Iterable[Line], gates: Mapping[Key, Gate], now: datetime) -> float:
    """Seconds until the first of these lines goes on by itself; infinite where all wait for something to end."""
    waits = (max([0.0, *(gate.opens_in(now) for gate in _concerning(line, gates))]) for line in lines)
    return min(waits, default=math.inf)


def _concerning(line: Line, gates: Mapping[Key, Gate]) -> Sequence[Gate]:
    return [gates[key] for key in line.keys if key in gates]
