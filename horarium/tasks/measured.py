"""The dispatcher's publisher, which counts how late the ticks are that it is given and sends.

Backfills and what is sent again go another way, and are in neither figure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime, timedelta

    from horarium.measures import Measures
    from horarium.tasks.broker import Publisher
    from horarium.tasks.message import TaskMessage

__all__ = ["MeasuredPublisher"]


class MeasuredPublisher:
    """Sends through `broker` what was committed just before."""

    def __init__(self, broker: Publisher, measures: Measures, clock: Callable[[], datetime]) -> None:
        self._broker = broker
        self._measures = measures
        self._clock = clock

    async def publish(self, messages: Sequence[TaskMessage]) -> None:
        """Send messages; what could not be sent counts as committed and not as published."""
        ticks = [message.tick_at for message in messages if message.tick_at is not None]
        committed_at = self._clock()
        try:
            await self._broker.publish(messages)
            self._measures.ticks("published", ticks, self._clock())
        finally:  # only now: nothing is to come between a commit and its message
            self._measures.ticks("committed", ticks, committed_at)

    async def depths(self) -> dict[str, int]:
        """How many messages wait or run, by queue."""
        return await self._broker.depths()

    async def lost_after(self, queue: str) -> timedelta | None:
        """How long ago a message of the queue was sent, at least, that is lost unless it was claimed; None: none is."""
        return await self._broker.lost_after(queue)
