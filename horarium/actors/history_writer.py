"""Writes recent history to Redis, many events at a time, and tells the stream of events.

Owns nothing: the ledger in Postgres has every execution, and history is what people like to look at. So no sender
ever waits for it, a full mailbox drops the oldest news, and events that wait out an absent Redis are kept only as
far as the mailbox holds them. Of those that were dropped the stream says that something is missing.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING

import anyio

from horarium.actors.gathering import gather
from horarium.actors.patience import patiently
from horarium.crashpoints import crashpoint
from horarium.keyspace.event_stream import PAGE_EVENTS
from horarium.keyspace.history import HistoryEvent
from horarium.live_events import live_events

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anyio.abc import TaskStatus

    from horarium.keyspace.event_stream import EventStream
    from horarium.keyspace.history import History
    from horarium.live_events import Told
    from horarium.supervisor import ChildContext
    from horarium.witness import Witness

__all__ = ["HistoryWriter"]

BATCH_EVENTS = 500
"""Events written in one call: the script holds Redis for well under a millisecond."""

LOOK_SECONDS = 0.5
"""How often the supervisor's own events are looked for while nothing else is to be written."""


class HistoryWriter:
    """The actor."""

    def __init__(self, history: History, stream: EventStream, witness: Witness) -> None:
        self._history = history
        self._stream = stream
        self._witness = witness

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Write what comes, for ever."""
        assert context.inbox is not None, "the tree gives this actor a mailbox"  # noqa: S101 - a fault of the tree
        task_status.started()
        while True:
            told: list[Told] = []
            with anyio.move_on_after(LOOK_SECONDS):
                told = list(chain.from_iterable(await gather(context.inbox, BATCH_EVENTS)))
            history = [each for each in told if isinstance(each, HistoryEvent)]
            if history:
                await patiently(context, lambda history=history: self.step(history), f"{len(history)} events")  # type: ignore[misc]  # bound now
            await self._tell(context, told)

    async def step(self, events: Sequence[HistoryEvent]) -> int:
        """Write these events; returns how many."""
        for first in range(0, len(events), BATCH_EVENTS):
            await self._history.push(events[first : first + BATCH_EVENTS])
            crashpoint("history_writer.pushed")
        return len(events)

    async def _tell(self, context: ChildContext, told: Sequence[Told]) -> None:
        """Add to the stream what was recorded, and what this process has to say besides."""
        news = self._witness.news()
        events = iter([*news.events, *live_events(told)])
        while page := list(islice(events, PAGE_EVENTS)):
            batch = self._stream.batch(page)  # once: tried again, it is the same batch
            await patiently(context, lambda batch=batch: self._stream.append(batch), f"{len(page)} events to tell")  # type: ignore[misc]  # bound now
        self._witness.told(news)
