"""A broker that remembers what it was given, for the faults that a real one cannot be brought to.

It passes the same contract suite as the real sending side: tests/integration/streams/test_sending_contract.py.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from horarium.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from horarium.tasks.message import TaskMessage

__all__ = ["RecordingBroker"]

MARGIN = timedelta(seconds=5)


class RecordingBroker:
    """Holds every message for ever; `away` makes it refuse, `crash` makes it fail as nothing should."""

    def __init__(self) -> None:
        self.sent: list[TaskMessage] = []
        self.away = False
        self.crash: Exception | None = None
        self._oldest: dict[str, datetime] = {}

    async def publish(self, messages: Sequence[TaskMessage]) -> None:
        self._answer()
        for message in messages:
            self._oldest.setdefault(message.queue, datetime.now(UTC))
        self.sent += messages

    async def depths(self) -> dict[str, int]:
        self._answer()
        return {"default": 0} | Counter(message.queue for message in self.sent)

    async def lost_after(self, queue: str) -> timedelta | None:
        self._answer()
        now = datetime.now(UTC)
        return now - self._oldest.get(queue, now) + MARGIN

    def forget(self) -> None:
        """Lose every message, as a flush does."""
        self.sent, self._oldest = [], {}

    def _answer(self) -> None:
        if self.crash is not None:
            raise self.crash
        if self.away:
            raise Unavailable("broker")
