"""What can be done to one execution.

A cancel is committed before it is answered, and obeyed whoever has the execution. What waits for a worker ends at once
and never starts. What runs is marked; its worker asks for such marks twice a second and stops the task, and the sweeper
ends what its worker does not stop. Of a task that succeeds all the same meanwhile, the success stands.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.audit_log import SYSTEM, Target, note
from horarium.endings import tell_cancelled
from horarium.errors import Conflict, NotFound
from horarium.messages import Publish
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from horarium.audit_log import Author
    from horarium.messages import Mailboxes
    from horarium.sql.database import Database
    from horarium.sql.queries import Connection

__all__ = ["Executions"]


class Executions:
    """Actions on executions; raises NotFound, Conflict and Unavailable."""

    def __init__(self, database: Database, mailboxes: Mailboxes) -> None:
        self._database = database
        self._mailboxes = mailboxes

    async def cancel(self, execution_id: UUID, *, by: Author = SYSTEM) -> asyncpg.Record:
        """Cancel an execution that is not final; returns its row, still `running` where a worker has to stop it."""
        async with self._database.transaction() as connection:
            row = await QUERIES.execution_cancel.row(connection, id=execution_id)
            if row is None:
                raise await _not_to_cancel(connection, execution_id)
            await note(connection, by, "execution.cancelled", Target("execution", execution_id, row["task_type"]))
        if row["status"] == "cancelled":
            tell_cancelled(row, self._mailboxes.record)
            self._mailboxes.publisher.send_nowait(Publish(()))  # another may have waited for this one to end
        return row


async def _not_to_cancel(connection: Connection, execution_id: UUID) -> NotFound | Conflict:
    row = await QUERIES.execution_get.row(connection, id=execution_id)
    if row is None:
        return NotFound("execution", execution_id)
    return Conflict("state", f"the execution is {row['status']} already, and what is final does not change")
