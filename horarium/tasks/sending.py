"""Sending the messages of rows, and letting buffered executions have their turn.

A buffered execution (overlap `buffer_one`, `buffer_all`, `cancel_other`) is a row that nobody sends. Postgres has the
truth: it may go when nothing else of its config is in flight, the oldest first, one at a time. The worker that ends an
execution lets the next one go at once; what that misses (a worker killed in between, a cancelled run, an attempt whose
holder is gone) the publisher finds within a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.crashpoints import crashpoint
from horarium.live_events import Moved, Tell, untold
from horarium.sql.executions import Claim, mark_queued, release_buffered
from horarium.tasks.message import TaskMessage

if TYPE_CHECKING:
    from collections.abc import Sequence

    from horarium.sql.database import Database
    from horarium.sql.queries import Row
    from horarium.tasks.broker import Publisher

__all__ = ["send", "send_next"]


async def send(database: Database, broker: Publisher, rows: Sequence[Row], tell: Tell = untold) -> None:
    """Send the message of each row, then say in the ledger that the broker holds them; raises Unavailable."""
    if not rows:
        return
    messages = [TaskMessage.of(row) for row in rows]
    await broker.publish(messages)
    crashpoint("sending.published")
    async with database.connection() as connection:
        await mark_queued(connection, [Claim(row["id"], row["attempt"]) for row in rows])
    tell(Moved.now("queued", messages))


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
