"""How long to wait before the next restart.

Delays grow exponentially to a cap, so that a child whose server is away neither spins nor waits for ever. The jitter
comes after the cap and only ever shortens: children that failed together do not come back together, and `maximum`
stays a promise. Which attempt it is, and when counting starts over, is the supervisor's business: it measures
`reset_after` from the moment the child was ready, since a child that dies during its start was never healthy.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Backoff"]


@dataclass(frozen=True)
class Backoff:
    """Exponential backoff; times in seconds, `jitter` the share of a delay (0 to 1) that chance may take off."""

    initial: float = 0.1
    factor: float = 2.0
    maximum: float = 5.0
    jitter: float = 0.2
    reset_after: float = 10.0

    def delay(self, attempt: int, random: Callable[[], float]) -> float:
        """Return the seconds to wait before restart number `attempt` (from 1); `random` gives 0 to below 1."""
        return self._capped(attempt) * (1.0 - self.jitter * random())

    def faults(self) -> list[str]:
        """Name every rule that these numbers break."""
        rules = {
            "backoff.initial must be 0 or more": self.initial >= 0,
            "backoff.factor must be 1 or more": self.factor >= 1,
            "backoff.maximum must not be below backoff.initial": self.maximum >= self.initial,
            "backoff.jitter must be between 0 and 1": 0 <= self.jitter <= 1,
            "backoff.reset_after must be 0 or more": self.reset_after >= 0,
        }
        return [rule for rule, kept in rules.items() if not kept]

    def _capped(self, attempt: int) -> float:
        if self.initial == 0 or self.factor == 1:
            return self.initial
        # Past this exponent the cap holds; 2.0 ** 1024 would be an OverflowError after a long night of restarts.
        enough = math.ceil(math.log(self.maximum / self.initial, self.factor))
        return min(self.maximum, self.initial * self.factor ** min(attempt - 1, enough))
