"""The limit on restarts: at most `intensity` within any `period` seconds.

Erlang's rule, unchanged: the restart that makes it `intensity + 1` within the window is not done; the supervisor
gives up instead and lets its own parent decide. The window slides; a restart exactly `period` seconds old has left it.
"""

from __future__ import annotations

from collections import deque

__all__ = ["Intensity"]


class Intensity:
    """A sliding window over the instants of restarts; instants and `period` in seconds of one clock."""

    def __init__(self, limit: int, period: float) -> None:
        self.limit = limit
        self.period = period
        self._restarts: deque[float] = deque()

    def admit(self, now: float) -> bool:
        """Count a restart at `now` and say whether the window still allows it."""
        while self._restarts and now - self._restarts[0] >= self.period:
            self._restarts.popleft()
        self._restarts.append(now)
        return len(self._restarts) <= self.limit

    def clear(self) -> None:
        """Forget all restarts, as a supervisor does that is itself started anew."""
        self._restarts.clear()
