"""A hook for supervision events that any thread may call, and any thread may wait on: the event loop's as well."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from horarium.supervisor import SupervisionEvent
from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Hook"]

E = TypeVar("E", bound=SupervisionEvent)


class Hook:
    """What was told, in order. The first `broken` calls raise."""

    def __init__(self, broken: int = 0) -> None:
        self.told: list[SupervisionEvent] = []
        self._broken = broken
        self._news = threading.Condition()

    def __call__(self, event: SupervisionEvent) -> None:
        """Be told."""
        with self._news:
            if self._broken:
                self._broken -= 1
                raise RuntimeError("no log today")
            self.told.append(event)
            self._news.notify_all()

    def wait_for(self, kind: type[E], count: int = 1) -> E:
        """Block the calling thread until so many events of a kind have been told; the last of them."""
        with self._news:
            assert self._news.wait_for(lambda: len(self.of(kind)) >= count, WAIT_SECONDS), self.told
            return self.of(kind)[count - 1]

    def of(self, kind: type[E]) -> Sequence[E]:
        """The events of a kind, so far."""
        return [event for event in self.told if isinstance(event, kind)]
