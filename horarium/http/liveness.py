"""Whether the process still does its work: /livez asks here, and so does whatever answers while the event loop cannot.

A blocked event loop is not yet a dead process: a call that blocks for a second or two is a fault, and the log says so,
but whoever watches over containers kills what is not live, with all it has in hand. So liveness is lost only past a
limit that no honest work needs. Both answers say for how long; where the loop stands is in the log, not in an answer
that is open to everybody.
"""

from __future__ import annotations

from collections.abc import Callable  # noqa: TC003 - a dataclass' field
from dataclasses import dataclass

from horarium.errors import Stalled

__all__ = ["Liveness"]

LIMIT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Liveness:
    """The verdict on `stalled_for`, the seconds for which the event loop is blocked. Thread safe if that is."""

    stalled_for: Callable[[], float]
    limit: float = LIMIT_SECONDS

    @property
    def is_lost(self) -> bool:
        """Whether the loop is blocked for longer than the limit."""
        return self.stalled_for() > self.limit

    def check(self) -> None:
        """Raise `Stalled` when liveness is lost."""
        if (seconds := self.stalled_for()) > self.limit:
            raise Stalled(seconds)
