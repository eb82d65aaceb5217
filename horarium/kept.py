"""Answers that are read once for all who ask, and kept for a time in proportion to what reading them cost.

A page asks again whenever something happens, and so do all who look at the same page. Of each thing asked for there is
one reading at a time, and it is not read again for twenty times as long as it took, or a second: looking costs a
twentieth of a connection at most, however many look and however much there is.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Generic, TypeVar

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

__all__ = ["Kept"]

KEPT_SECONDS = 1.0
KEPT_TIMES_COST = 20
MOST_KEPT = 200
"""Answers that are kept, a few ten kilobytes each; of more, those that were read first go."""

K = TypeVar("K")


class Kept(Generic[K]):
    """Answers by what was asked for; what `read` raises is nobody else's."""

    def __init__(self, read: Callable[[K], Awaitable[bytes]]) -> None:
        self._read = read
        self._answers: OrderedDict[K, tuple[float, bytes]] = OrderedDict()
        self._reading: dict[K, tuple[anyio.Lock, int]] = {}

    async def get(self, key: K) -> bytes:
        """The answer, a moment old at most."""
        if (known := self._fresh(key)) is not None:
            return known
        async with self._alone(key):
            if (known := self._fresh(key)) is not None:  # read while this one waited
                return known
            began = time.monotonic()
            answer = await self._read(key)
            ended = time.monotonic()
            self._keep(key, ended + max(KEPT_SECONDS, KEPT_TIMES_COST * (ended - began)), answer)
            return answer

    def _fresh(self, key: K) -> bytes | None:
        until, answer = self._answers.get(key, (0.0, b""))
        return answer if time.monotonic() < until else None

    def _keep(self, key: K, until: float, answer: bytes) -> None:
        self._answers.pop(key, None)
        self._answers[key] = (until, answer)
        while len(self._answers) > MOST_KEPT:
            self._answers.popitem(last=False)

    @asynccontextmanager
    async def _alone(self, key: K) -> AsyncIterator[None]:
        """One at a time for each key; nothing is left of a key for which nobody waits."""
        lock, waiting = self._reading.get(key, (anyio.Lock(), 0))
        self._reading[key] = (lock, waiting + 1)
        try:
            async with lock:
                yield
        finally:
            lock, waiting = self._reading.pop(key)
            if waiting > 1:
                self._reading[key] = (lock, waiting - 1)
