"""Taking many messages at once: an actor that works in batches takes what waits, and waits only for the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import anyio

if TYPE_CHECKING:
    from horarium.supervisor import Inbox

__all__ = ["gather"]

Message = TypeVar("Message")


async def gather(inbox: Inbox[Message], most: int) -> list[Message]:
    """Wait for a message and take along those that wait behind it, `most` in all; cancelled, it has taken none."""
    messages = [await inbox.receive()]
    while len(messages) < most:
        try:
            messages.append(inbox.receive_nowait())
        except anyio.WouldBlock:
            break
    return messages
