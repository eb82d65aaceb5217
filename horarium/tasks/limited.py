"""Executions under limits: a worker's claims of them, and those that wait being sent when there is room.

A claim that a limit concerns is made in a way that counts. An attempt that has no room becomes a row that waits, and
its message is done with: no slot of a worker is held by it. The worker whose attempt has ended lets the next one go at
once; the publisher lets go what that misses (a worker killed, an attempt that somebody else ended, a limit raised), and
what a rate lets through as time passes.

Where there are no limits, claims cost what they did: a worker looks once a second whether there are any. In that second
after the first one is set, a claim may pass it by; what was claimed so counts from the publisher's next look on.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio
import structlog

from horarium.crashpoints import crashpoint
from horarium.live_events import Moved, Tell, untold
from horarium.sql.limits import claim_limited, release_limited
from horarium.sql.queries import QUERIES
from horarium.tasks.sending import send
from horarium.troubles import reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet
    from uuid import UUID

    from horarium.admission import Key
    from horarium.sql.database import Database
    from horarium.sql.executions import Claim
    from horarium.sql.limits import Admitted
    from horarium.sql.queries import Connection
    from horarium.tasks.broker import Publisher

__all__ = ["LimitedClaims", "Sent", "send_limited"]

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
"""How often a worker that claims looks whether there are any limits."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How many executions were let go; `more_in`: seconds until a rate lets more go, infinite if none does."""

    executions: int
    more_in: float


async def send_limited(
    database: Database, broker: Publisher, tell: Tell = untold, concerned: AbstractSet[Key] | None = None
) -> Sent:
    """Let those go that waited and have room now, where these keys concern them; raises Unavailable."""
    async with database.transaction() as connection:
        released = await release_limited(connection, concerned)
    if released.rows:
        crashpoint("limited.released")
    await send(database, broker, released.rows, tell)
    return Sent(len(released.rows), released.more_in)


@dataclass(slots=True)
class LimitedClaims:
    """One worker's; it knows which of the attempts in hand are under limits."""

    database: Database
    broker: Publisher
    worker: str
    tell: Tell = untold
    _concerned: dict[UUID, frozenset[Key]] = field(default_factory=dict)
    _any: bool = False
    _look_at: float = 0.0

    async def concerned(self, connection: Connection, claims: Sequence[Claim]) -> frozenset[UUID]:
        """Which of these executions a limit concerns."""
        if anyio.current_time() >= self._look_at:
            self._any = await QUERIES.limit_any.value(connection)
            self._look_at = anyio.current_time() + LOOK_SECONDS
        if not self._any:
            return frozenset()
        rows = await QUERIES.limit_concerned.rows(connection, ids=[claim.execution_id for claim in claims])
        return frozenset(row["id"] for row in rows)

    async def claim(self, claims: Sequence[Claim]) -> dict[Claim, Admitted]:
        """The attempts that there is room for; the others wait for some, where they may be had at all."""
        async with self.database.transaction() as connection:
            won, refused = await claim_limited(connection, self.worker, claims)
        crashpoint("limited.claims_committed")
        for claim, admitted in won.items():
            self._concerned[claim.execution_id] = frozenset(admitted.line.keys)
        if refused:
            self.tell(Moved.now("pending", refused, reason="limited"))
        return won

    def concern(self, execution_id: UUID) -> bool:
        """Whether the attempt that is in hand of this execution is under a limit."""
        return execution_id in self._concerned

    async def ended(self, execution_ids: Sequence[UUID]) -> list[None]:
        """These attempts are over: let go what waited for their room; what cannot be sent now is the publisher's.

        Whatever goes wrong: their end is written.
        """
        concerned: set[Key] = set()
        for each in execution_ids:
            concerned |= self._concerned.pop(each, frozenset())
        try:
            await send_limited(self.database, self.broker, self.tell, concerned)
        except Exception as error:  # noqa: BLE001 - not swallowed: the publisher meets it within a second, and fails of it
            log.warning("limited.left", worker=self.worker, error=reason(error))
        return [None] * len(execution_ids)
