"""A worker's share in the timeout index, which follows the ledger a moment later.

Most tasks are over within milliseconds, and to enter each into the index and take it out again was a tenth of a busy
worker's time. So what begins and ends is noted here, and what has not ended by the next `follow` is entered. Deadlines
are a second or more away, and the sweeper, which makes the index equal to Postgres every second, waits much longer than
that before it ends an attempt in its worker's place.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.keyspace.timeouts import Watch
from horarium.sql.executions import Claim

if TYPE_CHECKING:
    from collections.abc import Iterable

    from horarium.keyspace.timeouts import TimeoutIndex
    from horarium.outcome import Attempt

__all__ = ["Deadlines"]


class Deadlines:
    """What a worker runs and the index does not show yet, and what it shows and is over."""

    def __init__(self, index: TimeoutIndex) -> None:
        self._index = index
        self._begun: dict[Claim, Watch] = {}
        self._entered: set[Claim] = set()
        self._over: set[Claim] = set()

    def begun(self, attempts: Iterable[Attempt]) -> None:
        """These run here now."""
        for each in attempts:
            claim = Claim(each.execution_id, each.attempt)
            self._begun[claim] = Watch(each.execution_id, each.attempt, each.deadline_at)

    def over(self, claims: Iterable[Claim]) -> None:
        """These have ended."""
        for claim in claims:
            if self._begun.pop(claim, None) is None and claim in self._entered:
                self._entered.discard(claim)
                self._over.add(claim)

    def forget(self, claim: Claim) -> None:
        """This one was ended by somebody else: what the index has of it by now is not this worker's."""
        self._begun.pop(claim, None)
        self._entered.discard(claim)

    async def follow(self) -> None:
        """Bring the index up to date; raises Unavailable, and leaves it to the sweeper then."""
        begun, self._begun, over, self._over = self._begun, {}, self._over, set()
        self._entered |= begun.keys()
        await self._index.unwatch([claim.execution_id for claim in over])
        await self._index.watch(list(begun.values()))
