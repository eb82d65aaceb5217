"""Answers that are read once for all who ask, and kept for a time in proportion to what reading them cost.

A page asks again whenever something happens, and so do all who look at the same page. Of each thing asked for there is
one reading at a time, and it is not read again for twenty times as long as it took, or a second: looking costs a
twentieth of a connection at most, however many look and however much there is. Whoever has to be told what is true now
says that an answer is good for no time (`good_for`); even then, those who wait together share one reading that began
after the last of them had asked. That a server is away they share, too, and do not find it out one after the other.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import anyio

from horarium.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

__all__ = ["KEPT_TIMES_COST", "Kept"]

KEPT_SECONDS = 1.0
KEPT_TIMES_COST = 20
MOST_KEPT = 200
"""Answers that are kept, a few ten kilobytes each; of more, those that were read first go."""

K = TypeVar("K")
V = TypeVar("V")


class _Answer(NamedTuple, Generic[V]):
    """What was read, from when on, and until when it is good."""

    value: V
    began: float
    until: float


@dataclass(slots=True)
class _Reading:
    """A thing that is being read, and how many want it; `away` is how the last reading ended that `began` then."""

    alone: anyio.Lock = field(default_factory=anyio.Lock)
    wanted_by: int = 0
    away: Unavailable | None = None
    began: float = 0.0

    def check(self, asked: float) -> None:
        """Raise Unavailable where that was found out since it was asked for."""
        if self.away is not None and asked <= self.began:
            raise Unavailable(self.away.what, retry_after=self.away.retry_after) from self.away


def in_proportion(_answer: object, took: float) -> float:
    """For how many seconds an answer is good that took so many."""
    return max(KEPT_SECONDS, KEPT_TIMES_COST * took)


class Kept(Generic[K, V]):
    """Answers by what was asked for; what `read` raises is nobody else's, unless it is Unavailable.

    `good_for` says for how many seconds an answer is good, by the answer and by how many it took.
    """

    def __init__(
        self,
        read: Callable[[K], Awaitable[V]],
        *,
        good_for: Callable[[V, float], float] = in_proportion,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._good_for = good_for
        self._clock = clock
        self._answers: OrderedDict[K, _Answer[V]] = OrderedDict()
        self._reading: dict[K, _Reading] = {}

    async def get(self, key: K) -> V:
        """The answer, of now or of a moment ago; whoever awaits it holds nothing that others need."""
        asked = self._clock()
        if (known := self._good(key, asked)) is not None:
            return known.value
        async with self._alone(key) as reading:
            if (known := self._good(key, asked)) is not None:  # read while this one waited
                return known.value
            reading.check(asked)
            began = self._clock()
            try:
                value = await self._read(key)
            except Unavailable as error:
                reading.away, reading.began = error, began
                raise
            ended = self._clock()
            self._keep(key, _Answer(value, began, ended + self._good_for(value, ended - began)))
            return value

    def _good(self, key: K, asked: float) -> _Answer[V] | None:
        answer = self._answers.get(key)
        return answer if answer is not None and (self._clock() < answer.until or asked <= answer.began) else None

    def _keep(self, key: K, answer: _Answer[V]) -> None:
        self._answers.pop(key, None)
        self._answers[key] = answer
        while len(self._answers) > MOST_KEPT:
            self._answers.popitem(last=False)

    @asynccontextmanager
    async def _alone(self, key: K) -> AsyncIterator[_Reading]:
        """One at a time for each key; nothing is left of a key for which nobody waits."""
        reading = self._reading.setdefault(key, _Reading())
        reading.wanted_by += 1
        try:
            async with reading.alone:
                yield reading
        finally:
            reading.wanted_by -= 1
            if not reading.wanted_by:
                del self._reading[key]
