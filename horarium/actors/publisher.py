"""Sends the message of every row that waits for one: runs by hand, due retries, and whatever a crash left unsent.

Postgres has the truth: a row is `pending` or `retrying` until the broker has confirmed its message. So this actor
needs no memory. It is told of new rows, for speed, and looks for the rest by itself. A row whose message may still
be on its way gets a second one now and then; the claim lets only one run.

It lets buffered executions have their turn (`tasks/sending.py`), where the worker before them did not, and executions
under limits have their room (`tasks/limited.py`). Where a rate is what they wait for, it wakes when that lets them go.

It also looks for `queued` rows whose message the broker has lost (a flushed Redis, a deleted queue): the broker says
how old what is lost must be, and rows that were queued longer ago are sent again. Each age is told by one clock, the
broker's or Postgres', and the latter is read first, so that a slow answer makes nothing look older than it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
import structlog

from horarium.actors.gathering import gather
from horarium.actors.patience import patiently
from horarium.crashpoints import crashpoint
from horarium.leadership import ALONE
from horarium.live_events import untold
from horarium.sql.queries import QUERIES
from horarium.stages import NAMED
from horarium.tasks.limited import send_limited
from horarium.tasks.sending import send, send_next

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from uuid import UUID

    import asyncpg
    from anyio.abc import TaskStatus

    from horarium.leadership import Leads
    from horarium.live_events import Tell
    from horarium.messages import Publish
    from horarium.sql.database import Database
    from horarium.supervisor import ChildContext
    from horarium.tasks.broker import Publisher as Broker
    from horarium.tasks.limited import Sent

__all__ = ["Published", "Publisher"]

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
"""How often rows are looked for that nobody told of."""

PENDING_SECONDS = 5.0
"""How long a pending row is left to the dispatcher that wrote it."""

RATE_SECONDS = 0.1
"""How often at most it looks what rates let go; less than they may be ahead (`admission.AHEAD`)."""

SOON_SECONDS = 0.01
"""When it looks again for a retry that has become due since it looked."""

BATCH_ROWS = 1000


@dataclass(frozen=True, slots=True)
class Published:
    """What one step did: messages confirmed, rows found lost.

    `next_retry` is in seconds, infinite if none waits, and so is `more_in`: when a rate lets the next execution go.
    """

    published: int
    lost: int
    next_retry: float
    more_in: float = math.inf


class Publisher:
    """The actor."""

    def __init__(
        self,
        database: Database,
        broker: Broker,
        *,
        leadership: Leads = ALONE,
        tell: Tell = untold,
    ) -> None:
        self._database = database
        self._broker = broker
        self._leadership = leadership
        self._tell = tell
        self._beat: Callable[[], None] = lambda: None

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Publish what is asked for at once, and look for the rest."""
        assert context.inbox is not None, "the tree gives this actor a mailbox"  # noqa: S101 - a fault of the tree
        self._beat = context.beat
        task_status.started()
        next_look, next_start = anyio.current_time(), math.inf
        while True:
            if not self._leadership.leads:  # standing by, it still sends what its own API asks for
                next_look, next_start = anyio.current_time() + LOOK_SECONDS, math.inf
            elif anyio.current_time() >= next_look:
                done = await patiently(context, self.step, "unsent messages")
                next_look = anyio.current_time() + min(LOOK_SECONDS, done.next_retry)
                next_start = anyio.current_time() + max(RATE_SECONDS, done.more_in)
            elif anyio.current_time() >= next_start:
                sent = await patiently(context, self.let_limited_go, "executions under limits")
                next_start = anyio.current_time() + max(RATE_SECONDS, sent.more_in)
            messages: list[Publish] = []
            with anyio.move_on_at(min(next_look, next_start)):
                messages = await gather(context.inbox, BATCH_ROWS)
            asked = tuple(execution_id for message in messages for execution_id in message.execution_ids)
            if asked:
                await patiently(context, lambda asked=asked: self.step(asked), "messages asked for")  # type: ignore[misc]  # bound now
            elif messages:
                next_look = anyio.current_time()

    async def step(self, asked: Sequence[UUID] = ()) -> Published:
        """Send what waits, these rows first of all. Where nothing is in flight, one look is all it takes."""
        if not asked and not await self._any_open():
            return Published(0, 0, math.inf)
        published = 0
        while rows := await self._rows(asked):
            crashpoint("publisher.rows_read")
            await send(self._database, self._broker, rows, self._tell)
            published += len(rows)
            self._beat()
            if len(rows) < BATCH_ROWS:
                break
        if asked:
            return Published(published, 0, await self._next_retry())
        published += await self._next_turns()
        await self._count_running()
        limited = await self.let_limited_go()
        lost = await self._find_lost()
        return Published(published + limited.executions, lost, await self._next_retry(), limited.more_in)

    async def let_limited_go(self) -> Sent:
        """Send what has waited for room and has it."""
        return await send_limited(self._database, self._broker, self._tell)

    async def _any_open(self) -> bool:
        async with self._database.connection() as connection:
            return bool(await QUERIES.execution_any_open.value(connection))

    async def _rows(self, asked: Sequence[UUID]) -> list[asyncpg.Record]:
        async with self._database.connection() as connection:
            return await QUERIES.execution_to_publish.rows(
                connection, ids=list(asked), pending_seconds=PENDING_SECONDS, max_rows=BATCH_ROWS
            )

    async def _next_turns(self) -> int:
        async with self._database.connection() as connection:
            waiting = await QUERIES.execution_awaiting_turn.rows(connection, max_rows=BATCH_ROWS)
        return await send_next(self._database, self._broker, [row["config_id"] for row in waiting], self._tell)

    async def _count_running(self) -> None:
        """Where there are limits, what was claimed before they were there counts, too."""
        async with self._database.connection() as connection:
            if await QUERIES.limit_any.value(connection):
                await QUERIES.limit_admit_running.rows(connection)

    async def _find_lost(self) -> int:
        """Put rows back to pending whose message is gone; they are sent with the next look."""
        async with self._database.connection() as connection:
            queues = await QUERIES.execution_queues_waiting.rows(connection)
        lost = 0
        for queue in queues:
            age = await self._broker.lost_after(queue["queue"])
            before = None if age is None else queue["asked_at"] - age
            if before is not None and queue["oldest"] < before:
                async with self._database.connection() as connection:
                    rows = await QUERIES.execution_requeue_lost.rows(
                        connection, queue=queue["queue"], published_before=before
                    )
                crashpoint("publisher.lost_requeued")
                _tell_lost(queue["queue"], [row["message_id"] or row["id"] for row in rows])
                lost += len(rows)
        return lost

    async def _next_retry(self) -> float:
        async with self._database.connection() as connection:
            seconds = await QUERIES.execution_next_retry.value(connection)
        return math.inf if seconds is None else max(seconds, SOON_SECONDS)


def _tell_lost(queue: str, ids: Sequence[UUID]) -> None:
    if ids:
        log.warning("messages.lost", queue=queue, executions=len(ids), task_ids=[*map(str, ids[:NAMED])])
