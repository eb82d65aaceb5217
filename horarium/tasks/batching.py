"""Group commit: what concurrent tasks ask for while one round trip is under way goes out together in the next.

No timer: an idle batcher sends a single item after a few turns of the event loop, in which those who are about to ask
come along, and a busy one grows its batches with the load.
An item whose caller was cancelled is still sent, since it may be the end of an execution. A batch that is refused goes
again item by item, so that one bad item fails alone; a server that is away fails them all at once.
"""

from __future__ import annotations

import asyncio
import contextvars
from typing import TYPE_CHECKING, Generic, TypeVar

from horarium.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

__all__ = ["Batcher"]

TURNS = 5
"""Turns of the event loop that a batch waits, some microseconds: what came in one read of a socket asks in several."""

Item = TypeVar("Item")
Answer = TypeVar("Answer")


class Batcher(Generic[Item, Answer]):
    """Collects items for `flush`, which answers one value for each item, in order."""

    def __init__(self, flush: Callable[[Sequence[Item]], Awaitable[Sequence[Answer]]], *, max_batch: int = 500) -> None:
        self._flush = flush
        self._max_batch = max_batch
        self._waiting: list[tuple[Item, asyncio.Future[Answer]]] = []
        self._sender: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """How many items wait for the next round trip, those included that nobody waits for any more."""
        return len(self._waiting)

    async def submit(self, item: Item) -> Answer:
        """The answer for `item`; raises what the flush of its batch raised."""
        if self._sender is None:
            # a context of its own: it sends for all who ask, and what it logs is not the first one's alone
            self._sender = asyncio.create_task(self._send_all(), context=contextvars.Context())
        answer: asyncio.Future[Answer] = self._sender.get_loop().create_future()
        self._waiting.append((item, answer))
        return await answer

    async def _send_all(self) -> None:
        try:
            while self._waiting:
                for _ in range(TURNS):
                    await asyncio.sleep(0)
                batch, self._waiting = self._waiting[: self._max_batch], self._waiting[self._max_batch :]
                await self._send(batch)
        finally:
            self._sender = None

    async def _send(self, batch: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._flush([item for item, _ in batch])
            answered = list(zip(batch, answers, strict=True))
        except Exception as error:  # noqa: BLE001 - not swallowed: each asker gets it
            if len(batch) > 1 and not isinstance(error, Unavailable):
                for alone in batch:
                    await self._send([alone])
                return
            for _, answer in batch:
                if not answer.done():
                    answer.set_exception(error)
            return
        for (_, answer), value in answered:
            if not answer.done():
                answer.set_result(value)
