"""Taking messages from a broker and handing each to a task of its own, as many at once as there are seats.

taskiq's receiver makes four tasks and two queues' worth of hand-overs of every message, to be able to stop between any
two steps. Here one task reads and is cancelled to stop; what it cannot have handed on is not acknowledged, and so
delivered again. A page of messages that was read at once is begun at once, and then claimed in one statement.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from taskiq import AckableMessage

    Message = bytes | AckableMessage

__all__ = ["Intake"]


class Intake:
    """Reads `messages` and calls `handle` with each, taking one of the `seats` for it, which others may draw on too.

    `most`: how many in all, None for any number.
    """

    def __init__(
        self,
        messages: AsyncGenerator[Message, None],
        handle: Callable[[Message], Awaitable[None]],
        *,
        seats: asyncio.Semaphore,
        most: int | None = None,
    ) -> None:
        self._messages = messages
        self._handle = handle
        self._seats = seats
        self._left = most
        self._handling: set[asyncio.Task[None]] = set()

    async def run(self, finish: asyncio.Event, *, drain_seconds: float | None) -> None:
        """Read until `finish`, then wait for what is being handled, so long at most; raises what the reading raises."""
        reading = asyncio.create_task(self._read())
        finishing = asyncio.create_task(finish.wait())
        try:
            await asyncio.wait((reading, finishing), return_when=asyncio.FIRST_COMPLETED)
        finally:
            with anyio.CancelScope(shield=True):
                reading.cancel()
                finishing.cancel()
                [end, _] = await asyncio.gather(reading, finishing, return_exceptions=True)
        if isinstance(end, BaseException) and not isinstance(end, asyncio.CancelledError):
            raise end
        if self._handling:
            await asyncio.wait(self._handling, timeout=drain_seconds)

    async def _read(self) -> None:
        try:
            while self._left != 0:
                await self._seats.acquire()
                try:
                    message = await anext(self._messages)
                except BaseException:
                    self._seats.release()  # which others take messages for: the next session of the same receiver
                    raise
                self._begin(message)
                if self._left is not None:
                    self._left -= 1
        finally:
            with anyio.CancelScope(shield=True):
                await self._messages.aclose()

    def _begin(self, message: Message) -> None:
        task = asyncio.ensure_future(self._handle(message))
        self._handling.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._handling.discard(task)
        self._seats.release()
