"""What one incarnation of a child is given: who it is, what it reads, and its line to the supervisor."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio

from horarium.supervisor.watchdog import Pulse

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager

    from horarium.supervisor.inbox import Inbox
    from horarium.supervisor.watch import Watch

__all__ = ["ChildContext"]


def _nobody(child_id: str) -> Watch:
    raise LookupError(f"{child_id!r} cannot be watched from outside of a tree")


@dataclass(eq=False)
class ChildContext:
    """One incarnation; `stopping` is set when it should end, `watch` sets a watch on another child of the tree.

    Taking a message from the inbox, and waiting for one, are signs of life already; `beat`, `idle` and `sleep` are
    for work that takes long or does not come from a mailbox.
    """

    id: str
    incarnation: int
    inbox: Inbox[Any] | None = None
    watch: Callable[[str], Watch] = _nobody
    stopping: anyio.Event = field(default_factory=anyio.Event)
    pulse: Pulse = field(default_factory=Pulse)
    handling: str | None = None

    def working_on(self, text: str | None) -> None:
        """Note what the child is handling, for whoever reads the tree; None when it is done."""
        self.handling = text
        self.pulse.beat()

    def beat(self) -> None:
        """Give a sign of life in the middle of long work."""
        self.pulse.beat()

    def idle(self) -> AbstractContextManager[None]:
        """Wait for something to do for as long as the block lasts, which is no hang."""
        return self.pulse.idle()

    async def sleep(self, seconds: float) -> None:
        """Be idle for some seconds."""
        with self.pulse.idle():
            await anyio.sleep(seconds)
