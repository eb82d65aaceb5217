"""The attempts that run in a worker, and how each is stopped: once, by its cancellation, and as what it ends then."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from horarium.outcome import HandBack, Unsuccessful

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from horarium.outcome import Outcome
    from horarium.sql.executions import Claim

__all__ = ["Stops"]


@dataclass(slots=True)
class Stops:
    """Which attempts run, each in a task of its own, and which of them have been stopped."""

    _running: dict[Claim, asyncio.Task[object]] = field(default_factory=dict)
    _stopped_as: dict[Claim, Outcome] = field(default_factory=dict)

    @contextmanager
    def running(self, claim: Claim, task: asyncio.Task[object]) -> Iterator[None]:
        """This attempt runs in the block, and is about to be written down after it."""
        self._running[claim] = task
        try:
            yield
        finally:
            del self._running[claim]
            self._stopped_as.pop(claim, None)

    def left(self) -> list[Claim]:
        """What runs and has not been stopped."""
        return [claim for claim in self._running if claim not in self._stopped_as]

    def stop(self, claim: Claim, outcome: Outcome) -> None:
        """Cancel an attempt, unless it is over; it ends as `outcome`."""
        if claim in self._running:
            self._stopped_as[claim] = outcome
            self._running[claim].cancel()

    def outcome(self, claim: Claim) -> Outcome:
        """Why a running attempt was cancelled: somebody had it stopped, its worker ends, or it did so itself."""
        task = self._running[claim]
        if claim in self._stopped_as:
            task.uncancel()  # what follows is not cancelled: the outcome is written, the message acknowledged
            return self._stopped_as[claim]
        if task.cancelling():
            return HandBack("worker_stopped")
        return Unsuccessful("failed", "the task was cancelled from inside")
