"""The worker's hold on the ledger: claims and finishes of concurrent messages, each committed in groups.

The timeout index in Redis follows Postgres and never leads (`deadlines.py`). When Redis is away the attempt runs on;
the sweeper rebuilds the index.

Where a buffered execution waited for the one that ended, it is let go here, at once; and so is what waited for its room
under a limit (`limited.py`). That is sending, and a broker may hang: it is done after the finish, in groups of its own,
so that nobody's end is written late for it, past a deadline perhaps.

What an attempt has said of itself (`reports`) is written before its finish: whoever sees it end finds all of it.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

import structlog

from horarium.crashpoints import crashpoint
from horarium.live_events import Moved, untold
from horarium.outcome import Cancelled, HandBack
from horarium.sql import executions
from horarium.sql.executions import Claim, Finish
from horarium.sql.external import claim_kicked
from horarium.sql.queries import QUERIES
from horarium.tasks.batching import Batcher
from horarium.tasks.deadlines import Deadlines
from horarium.tasks.limited import LimitedClaims
from horarium.tasks.reports import Reports
from horarium.tasks.sending import send_next
from horarium.troubles import reason

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from horarium.keyspace.timeouts import TimeoutIndex
    from horarium.live_events import Tell
    from horarium.outcome import Attempt, Ending, Outcome
    from horarium.sql.database import Database
    from horarium.sql.executions import Finished
    from horarium.sql.external import Kicked
    from horarium.sql.limits import Admitted
    from horarium.tasks.broker import Publisher

__all__ = ["Ledger"]

log = structlog.get_logger(__name__)

Limited = Literal["limited"]
"""What a plain claim answers of an attempt that a limit concerns."""

SUPERSEDED = HandBack("superseded")
"""What an attempt comes to that was ended without its worker; the ledger refuses it, as any late word."""


class Ledger:
    """Claims and finishes for one worker; `tell` is told what has begun, and what has been let go."""

    def __init__(
        self, database: Database, broker: Publisher, timeouts: TimeoutIndex, worker: str, tell: Tell = untold
    ) -> None:
        self.reports = Reports(database, tell)
        self.worker = worker
        self._database = database
        self._broker = broker
        self._deadlines = Deadlines(timeouts)
        self._tell = tell
        self._limited = LimitedClaims(database, broker, worker, tell)
        self._claims: Batcher[Claim, Attempt | Limited | None] = Batcher(self._claim_all)
        self._limited_claims: Batcher[Claim, Admitted | None] = Batcher(self._claim_limited)
        self._kicks: Batcher[Kicked, Attempt | Claim | None] = Batcher(self._claim_kicks)
        self._finishes: Batcher[Finish, Finished | None] = Batcher(self._finish_all)
        self._turns: Batcher[int, None] = Batcher(self._next_turns)
        self._rooms: Batcher[UUID, None] = Batcher(self._limited.ended)

    async def claim(self, claim: Claim) -> Attempt | None:
        """The attempt, now running here; None when it is not to be run. Raises Unavailable."""
        answer = await self._claims.submit(claim)
        return answer if answer != "limited" else await self._claim_for_room(claim)

    async def claim_kicked(self, kicked: Kicked) -> Attempt | None:
        """The same of what an app has kicked by itself, whose row this makes; committed in groups of its own."""
        answer = await self._kicks.submit(kicked)
        return await self._claim_for_room(answer) if isinstance(answer, Claim) else answer

    async def _claim_for_room(self, claim: Claim) -> Attempt | None:
        """Claim what a limit concerns; apart, so that no other claim waits for the lock of a limit."""
        admitted = await self._limited_claims.submit(claim)
        if admitted is None:
            return None
        await asyncio.sleep(admitted.starts_in)  # a rate may have given out an instant a moment ahead
        return admitted.attempt

    async def finish(self, attempt: Attempt, ending: Ending) -> Finished | None:
        """What the ledger says now; None when this attempt had been ended without us. Raises Unavailable."""
        await self.reports.settle(attempt)
        finished = await self._finishes.submit(Finish(attempt.execution_id, attempt.attempt, ending))
        if finished is None:
            self._deadlines.forget(Claim(attempt.execution_id, attempt.attempt))
            await self._let_go(attempt.execution_id)
        elif finished.awaited and finished.config_id is not None:
            await self._turns.submit(finished.config_id)
        if self._limited.concern(attempt.execution_id):
            await self._rooms.submit(attempt.execution_id)
        return finished

    async def to_stop(self, claims: Sequence[Claim]) -> dict[Claim, Outcome]:
        """Which of these running attempts are to be stopped, and as what they end then. Raises Unavailable."""
        async with self._database.connection() as connection:
            rows = await QUERIES.execution_to_stop.rows(
                connection,
                ids=[claim.execution_id for claim in claims],
                attempts=[claim.attempt for claim in claims],
                worker=self.worker,
            )
        reasons = {Claim(row["id"], row["attempt"]): row["cancel_reason"] for row in rows}
        return {claim: SUPERSEDED if reason is None else Cancelled(reason) for claim, reason in reasons.items()}

    async def let_go_rest(self, in_hand: Sequence[UUID]) -> int:
        """Hold nothing but what is in hand; returns how many executions are free for it. Raises Unavailable."""
        async with self._database.connection() as connection:
            return len(await QUERIES.execution_let_go_rest.rows(connection, in_hand=list(in_hand), worker=self.worker))

    async def follow_deadlines(self) -> None:
        """Bring the timeout index up to date; raises Unavailable, and the sweeper does it then."""
        await self._deadlines.follow()

    async def _let_go(self, execution_id: UUID) -> None:
        """Whoever ended the attempt without us may have kept its slot until it is over here too: it is."""
        async with self._database.connection() as connection:
            await QUERIES.execution_let_go.rows(connection, ids=[execution_id], worker=self.worker)

    async def _claim_all(self, claims: Sequence[Claim]) -> list[Attempt | Limited | None]:
        async with self._database.connection() as connection:
            limited = await self._limited.concerned(connection, claims)
            plain = [claim for claim in claims if claim.execution_id not in limited] if limited else claims
            attempts = await executions.claim(connection, self.worker, plain) if plain else []
        self._begun(attempts)
        others = iter(attempts)
        return ["limited" if claim.execution_id in limited else next(others) for claim in claims]

    async def _claim_limited(self, claims: Sequence[Claim]) -> list[Admitted | None]:
        """Claim as far as there is room; each attempt is answered once."""
        admitted = await self._limited.claim(sorted(set(claims)))
        self._begun([each.attempt for each in admitted.values()])
        return [admitted.pop(claim, None) for claim in claims]

    async def _claim_kicks(self, kicks: Sequence[Kicked]) -> list[Attempt | Claim | None]:
        async with self._database.connection() as connection:
            answers = await claim_kicked(connection, self.worker, kicks)
        self._begun([answer for answer in answers if not isinstance(answer, Claim)])
        return answers

    def _begun(self, attempts: Sequence[Attempt | None]) -> None:
        crashpoint("ledger.claims_committed")
        won = [attempt for attempt in attempts if attempt is not None]
        if won:
            self._deadlines.begun(won)
            self._tell(Moved.now("running", won, worker=self.worker))

    async def _finish_all(self, finishes: Sequence[Finish]) -> list[Finished | None]:
        async with self._database.connection() as connection:
            ended = await executions.finish(connection, finishes)
        crashpoint("ledger.finishes_committed")
        done = [Claim(f.execution_id, f.attempt) for f, end in zip(finishes, ended, strict=True) if end is not None]
        self._deadlines.over(done)
        return ended

    async def _next_turns(self, config_ids: Sequence[int]) -> list[None]:
        """Let go what waited for its turn; what cannot be sent now is the publisher's.

        Whatever goes wrong: those who ask have ended, and that is written.
        """
        awaited = sorted(set(config_ids))
        try:
            await send_next(self._database, self._broker, awaited, self._tell)
        except Exception as error:  # noqa: BLE001 - not swallowed: the publisher meets it within a second, and fails of it
            log.warning("next_turn.left", worker=self.worker, configs=len(awaited), error=reason(error))
        return [None] * len(config_ids)
