"""The receiving end that one incarnation has of its mailbox.

It takes messages out of the mailbox's queue, and tells the incarnation's pulse that it lives. When the next message is
awaited, whatever was taken before counts as handled; taking more without waiting (`receive_nowait`) adds to the batch
in hand. An actor that handles several messages at a time thus loses count of them, though not of its askers.

A message leaves the queue in the step that returns it. So a reader that is cancelled, at whatever moment, has either
taken it or left it to the next.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from anyio import ClosedResourceError
from anyio.abc import ObjectReceiveStream
from anyio.lowlevel import checkpoint

if TYPE_CHECKING:
    from typing import Self

    from horarium.supervisor.mailbox import Mailbox
    from horarium.supervisor.watchdog import Pulse

__all__ = ["Inbox"]

T = TypeVar("T")


class Inbox(ObjectReceiveStream[T]):
    """One incarnation's end of a mailbox; `async for` reads it until the owner is gone for good."""

    def __init__(self, mailbox: Mailbox[T], pulse: Pulse) -> None:
        self._mailbox = mailbox
        self._pulse = pulse
        self._closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    async def receive(self) -> T:
        """Wait for the next message and take it.

        Raises anyio's `EndOfStream` when the mailbox is closed, `ClosedResourceError` when this end is.
        """
        self._mailbox.done()
        pulse = self._pulse
        pulse.waits += 1  # as Pulse.idle does, without the price of a context manager for every message
        try:
            await checkpoint()
            while not (self._mailbox.depth or self._mailbox.closed or self._closed):
                await self._mailbox.arrival()
            return self.receive_nowait()
        finally:
            pulse.waits -= 1
            pulse.beats += 1

    def receive_nowait(self) -> T:
        """Take the next message; as anyio's, raising `WouldBlock` on an empty queue."""
        if self._closed:
            raise ClosedResourceError
        self._pulse.beats += 1
        return self._mailbox.take()

    def close(self) -> None:
        """Take no more messages."""
        self._closed = True
        self._mailbox.rouse()

    async def aclose(self) -> None:
        """Take no more messages."""
        self.close()
