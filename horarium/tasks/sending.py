"""Sending the messages of rows, and letting buffered executions have their turn.

A buffered execution (overlap `buffer_one`, `buffer_all`, `cancel_other`) is a row that nobody sends. Postgres has the
truth: it may go when nothing else of its config is in flight, the oldest first, one at a time. The worker that ends an
execution lets the next one go at once; what that misses (a worker killed in between, a cancelled run, an attempt whose
holder is gone) the publisher finds within a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.crashpoints import crashpoint
from horarium.endings import tell_not_sendable
from horarium.live_events import Moved, Tell, untold
from horarium.sql.executions import Claim, mark_queued, refuse, release_buffered
from horarium.stages import tell_published
from horarium.tasks.message import TaskMessage
from horarium.tasks.unsent import Unsent

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from uuid import UUID

    from horarium.sql.database import Database
    from horarium.sql.queries import Row
    from horarium.tasks.broker import Publisher

__all__ = ["send", "send_next"]


async def send(database: Database, broker: Publisher, rows: Sequence[Row], tell: Tell = untold) -> None:
    """Send the message of each row, then say in the ledger that the broker holds them; raises Unavailable.

    What can never be sent is said to have failed, and is no reason to raise.
    """
    if not rows:
        return
    messages = [TaskMessage.of(row) for row in rows]
    try:
        await broker.publish(messages)
    except Unsent as error:
        await _refuse(database, [m for m in messages if m.execution_id in error.refused], error.refused, tell)
        await _sent(database, [m for m in messages if m.execution_id in error.sent], tell)
        if error.away:
            raise
    else:
        await _sent(database, messages, tell)


async def _sent(database: Database, messages: Sequence[TaskMessage], tell: Tell) -> None:
    """Say that the broker holds these."""
    crashpoint("sending.published")
    if not messages:
        return
    async with database.connection() as connection:
        await mark_queued(connection, [Claim(m.execution_id, m.attempt) for m in messages])
    tell_published(messages)
    tell(Moved.now("queued", messages))


async def _refuse(database: Database, messages: Sequence[TaskMessage], errors: Mapping[UUID, str], tell: Tell) -> None:
    """End what can never be sent: it would come back with every look."""
    if not messages:
        return
    async with database.connection() as connection:
        ended = await refuse(connection, {Claim(m.execution_id, m.attempt): errors[m.execution_id] for m in messages})
    for message in messages:
        if message.execution_id in ended:  # a worker may have had it all the same
            tell_not_sendable(message, errors[message.execution_id], ended[message.execution_id], tell)


async def send_next(database: Database, broker: Publisher, config_ids: Sequence[int], tell: Tell = untold) -> int:
    """Let the next buffered execution of each config go, where it is its turn; returns how many went."""
    if not config_ids:
        return 0
    async with database.transaction() as connection:
        rows = await release_buffered(connection, config_ids)
    if rows:
        crashpoint("sending.released")
    await send(database, broker, rows, tell)
    return len(rows)
