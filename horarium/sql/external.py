"""Typed access to executions whose message was there before their row; the statements are in queries/external.sql."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from horarium.sql.executions import Claim, attempt_of
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    import asyncpg

    from horarium.outcome import Attempt
    from horarium.sql.queries import Connection

__all__ = ["Kicked", "claim_kicked"]


class Kicked(NamedTuple):
    """What an app has kicked by itself, as the row that its claim makes.

    `message_id` is the id under which app and API know it; `retry_of` that of the run which the app tries again.
    `parameters` and `message` are JSON texts: what is shown, and what the message is made of when it is sent again.
    """

    execution_id: UUID
    message_id: UUID
    retry_of: UUID | None
    task_type: str
    parameters: str
    message: str
    queue: str
    priority: int
    timeout_seconds: float
    max_retries: int
    retry_backoff_seconds: float


async def claim_kicked(connection: Connection, worker: str, kicks: Sequence[Kicked]) -> list[Attempt | Claim | None]:
    """Make and take an execution for each message; None where it has one that this worker may not run (again).

    What a limit concerns is made and not taken: the answer is what is to be claimed, where there is room. A message
    that is asked for twice in one batch is answered once.
    """
    first = {kicked.message_id: kicked for kicked in reversed(kicks)}
    columns = list(zip(*first.values(), strict=True))
    rows = await QUERIES.execution_claim_external.rows(
        connection, worker=worker, **dict(zip(COLUMNS, columns, strict=True))
    )
    won = {row["message_id"]: _taken(row) for row in rows}
    return [won.pop(kicked.message_id, None) for kicked in kicks]


def _taken(row: asyncpg.Record) -> Attempt | Claim:
    return attempt_of(row) if row["status"] == "running" else Claim(row["id"], row["attempt"])


COLUMNS = (
    "ids",
    "message_ids",
    "retries_of",
    "task_types",
    "parameters",
    "messages",
    "queues",
    "priorities",
    "timeouts_seconds",
    "max_retries",
    "retry_backoffs_seconds",
)
"""The statement's arrays, in the order of the fields."""
