"""Writes recent history to Redis, many events at a time.

Owns nothing: the ledger in Postgres has every execution, and history is what people like to look at. So no sender
ever waits for it, a full mailbox drops the oldest news, and events that wait out an absent Redis are kept only as
far as the mailbox holds them.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

from horarium.actors.gathering import gather
from horarium.actors.patience import patiently
from horarium.crashpoints import crashpoint

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.abc import TaskStatus

    from horarium.keyspace.history import History, HistoryEvent
    from horarium.supervisor import ChildContext

__all__ = ["HistoryWriter"]

BATCH_EVENTS = 500
"""Events written in one call: the script holds Redis for well under a millisecond."""


class HistoryWriter:
    """The actor."""

    def __init__(self, history: History) -> None:
        self._history = history

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Write what comes, for ever."""
        assert context.inbox is not None, "the tree gives this actor a mailbox"  # noqa: S101 - a fault of the tree
        task_status.started()
        while True:
            events = list(chain.from_iterable(await gather(context.inbox, BATCH_EVENTS)))
            await patiently(context, lambda events=events: self.step(events), f"{len(events)} events")  # type: ignore[misc]  # bound now

    async def step(self, events: Sequence[HistoryEvent]) -> int:
        """Write these events; returns how many."""
        for first in range(0, len(events), BATCH_EVENTS):
            await self._history.push(events[first : first + BATCH_EVENTS])
            crashpoint("history_writer.pushed")
        return len(events)
