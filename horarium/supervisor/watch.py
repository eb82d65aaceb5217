"""Learning that a child has ended: Erlang's monitor.

A watch is set on the incarnation that runs now and gives exactly one `Down`, whatever becomes of the child after
that: who wants to know of the next end sets the next watch. A child that does not run is down already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import anyio

if TYPE_CHECKING:
    from horarium.supervisor.decision import Reason

__all__ = ["Down", "Watch"]


@dataclass(frozen=True)
class Down:
    """The end of one incarnation; `not_running` if there was none when the watch was set."""

    child: str
    incarnation: int
    reason: Reason | Literal["not_running"]
    error: BaseException | None = None


class Watch:
    """Waits for the end of one incarnation."""

    def __init__(self) -> None:
        self._fired = anyio.Event()
        self._down: list[Down] = []

    async def down(self) -> Down:
        """Wait until the child is down, and say how it ended; the same answer however often it is asked."""
        await self._fired.wait()
        return self._down[0]

    def fire(self, down: Down) -> None:
        """Tell the end; only the first one counts."""
        if not self._down:
            self._down.append(down)
            self._fired.set()
