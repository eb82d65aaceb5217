"""Taking messages from a broker and handing each to a task of its own, as many at once as there are seats.

taskiq's receiver makes four tasks and two queues' worth of hand-overs of every message, to be able to stop between any
two steps. Here one task reads and is cancelled to stop; what it cannot have handed on is not acknowledged, and so
delivered again. A page of messages that was read at once is begun at once, and then claimed in one statement.

What is done for a message in a second task (`whole_context`) can have the context of its first one, and not a copy: an
app's middleware may set a context variable before a run and reset it after.
"""

from __future__ import annotations

import asyncio
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine

    from taskiq import AckableMessage

    Message = bytes | AckableMessage

__all__ = ["Intake", "whole_context"]

whole_context: ContextVar[Context | None] = ContextVar("whole_context", default=None)
"""The context of the task that handles a message; before Python 3.12 a task does not tell its own."""


class Intake:
    """Reads `messages` and calls `handle` with each, taking one of the `seats` for it, which others may draw on too.

    `most`: how many in all, None for any number.
    """

    def __init__(
        self,
        messages: AsyncGenerator[Message, None],
        handle: Callable[[Message], Coroutine[Any, Any, None]],
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
        context = copy_context()
        context.run(whole_context.set, context)
        task = asyncio.get_running_loop().create_task(self._handle(message), context=context)
        self._handling.add(task)
        task.add_done_callback(partial(self._ended, context))

    def _ended(self, context: Context, task: asyncio.Task[None]) -> None:
        context.run(whole_context.set, None)  # or it would hold itself
        self._handling.discard(task)
        self._seats.release()
