"""The receiving end that one incarnation has of its mailbox.

It wraps a clone of the mailbox's stream, tells the mailbox what was taken, and the incarnation's pulse that it lives.
When the next message is awaited, whatever was taken before counts as handled; taking more without waiting
(`receive_nowait`) adds to the batch in hand. An actor that handles several messages at a time thus loses count of
them, though not of its askers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from anyio import WouldBlock
from anyio.abc import ObjectReceiveStream
from anyio.lowlevel import checkpoint

if TYPE_CHECKING:
    from typing import Self

    from anyio.streams.memory import MemoryObjectReceiveStream

    from horarium.supervisor.mailbox import Mailbox
    from horarium.supervisor.watchdog import Pulse

__all__ = ["Inbox"]

T = TypeVar("T")


class Inbox(ObjectReceiveStream[T]):
    """One incarnation's end of a mailbox; `async for` reads it for ever, since it never ends while the owner lives."""

    def __init__(self, stream: MemoryObjectReceiveStream[T], mailbox: Mailbox[T], pulse: Pulse) -> None:
        self._stream = stream
        self._mailbox = mailbox
        self._pulse = pulse

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def receive(self) -> T:
        """Wait for the next message and take it."""
        self._mailbox.done()
        pulse = self._pulse
        pulse.waits += 1  # as Pulse.idle does, without the price of a context manager for every message
        try:
            message = await self._next()
        finally:
            pulse.waits -= 1
            pulse.beats += 1
        self._mailbox.took(message)
        return message

    def receive_nowait(self) -> T:
        """Take the next message; as anyio's, raising `WouldBlock` on an empty queue."""
        message = self._stream.receive_nowait()
        self._pulse.beats += 1
        self._mailbox.took(message)
        return message

    def close(self) -> None:
        """Take no more messages."""
        self._stream.close()
        self._mailbox.rouse()

    async def aclose(self) -> None:
        """Take no more messages."""
        self.close()

    async def _next(self) -> T:
        # Not the stream's own `receive`: that one is handed a message while it still waits, and the message is gone
        # when somebody calls the task's `cancel` in that very moment. Here it leaves the queue as it is returned.
        await checkpoint()
        while True:
            try:
                return self._stream.receive_nowait()
            except WouldBlock:
                await self._mailbox.arrival()
