"""Reads the stream of events into the feed that this process' API serves from: one reader, however many clients.

Owns nothing. The stream is read in pages that begin with the event read last: where that is no more, events may be
missing in between (Redis was flushed, or this process stood still), and the feed begins anew, which every client is
told. One connection of the pool at a time is taken, to wait for news.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog

from horarium.actors.patience import patiently
from horarium.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from anyio.abc import TaskStatus

    from horarium.event_feed import EventFeed
    from horarium.keyspace.event_stream import Entry, EventId, EventStream
    from horarium.supervisor import ChildContext

__all__ = ["EventReader"]

log = structlog.get_logger(__name__)

GATHER_SECONDS = 0.1
"""How long events are let gather: clients are sent that many more at a time, and are told that much later."""


class EventReader:
    """The actor; `on_news` is given each event once, from when it began to read."""

    def __init__(self, stream: EventStream, feed: EventFeed, on_news: Callable[[Sequence[Entry]], None]) -> None:
        self._stream = stream
        self._feed = feed
        self._on_news = on_news
        self._last: EventId | None = None

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Read what is kept, and then what comes, for ever."""
        await patiently(context, self.step)
        task_status.started()
        while True:
            if await patiently(context, self.step):
                await context.sleep(GATHER_SECONDS)
            else:
                await patiently(context, lambda: self._wait(context))

    async def step(self) -> int:
        """Read all there is; returns how many events were new."""
        read = 0
        with self._telling():
            while page := await self._next_page():
                read += len(page)
                seen, self._last = self._last, page[-1].id
                self._feed.extend(page)
                if seen is not None:  # what was told before this process could hear it is no news
                    self._on_news([entry for entry in page if entry.id > seen])
        return read

    async def _wait(self, context: ChildContext) -> None:
        assert self._last is not None, "a step has been done, and no stream is empty"  # noqa: S101 - as it says
        with self._telling(), context.idle():
            await self._stream.wait(self._last)

    async def _next_page(self) -> Sequence[Entry]:
        page = None if self._last is None else await self._stream.page(self._last)
        return await self._anew() if page is None else page

    async def _anew(self) -> Sequence[Entry]:
        """Read all that is kept, to be followed from there."""
        if self._last is not None:
            log.warning("events.gap", after=str(self._last))
        await self._stream.begin()
        entries: list[Entry] = []
        page = await self._stream.page(None)
        while page:
            entries += page
            page = await self._stream.page(entries[-1].id)
        # the feed is told of all at once: a client that is told of the gap goes on behind them
        self._feed.clear()
        return entries

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Let clients know whether the stream can be read."""
        try:
            yield
        except Unavailable:
            self._feed.away(is_away=True)
            raise
        self._feed.away(is_away=False)
