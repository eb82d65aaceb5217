"""What can be done to one execution: cancel it, or do it once more.

A cancel is committed before it is answered, and obeyed whoever has the execution. What waits for a worker ends at once
and never starts. What runs is marked; its worker asks for such marks twice a second and stops the task, and the sweeper
ends what its worker does not stop. Of a task that succeeds all the same meanwhile, the success stands.

A retry is a new execution, since what is final does not change: a row of its own that says which one it repeats, and
which tick it is about. It does what the old one did, with its parameters; how it is run (queue, priority, timeout,
retries) is as the config says now, for that is what people mend before they try again. Like a run by hand it starts at
once, whatever else of the config is running. What an app has kicked has no config: it is kicked again as it was.

Executions are known here by the id that the API shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from uuid_utils.compat import uuid7

from horarium.audit_log import SYSTEM, Target, note
from horarium.config_rules import ConfigRules
from horarium.crashpoints import crashpoint
from horarium.endings import tell_cancelled
from horarium.errors import Conflict, NotFound
from horarium.keyspace.history import HistoryEvent
from horarium.live_events import Moved
from horarium.messages import Publish
from horarium.sql.queries import QUERIES
from horarium.stages import tell_created, tell_stop_asked
from horarium.tasks.kicked import NO_JSON
from horarium.tasks.message import TaskMessage
from horarium.tracing.carried import note_trace

if TYPE_CHECKING:
    from uuid import UUID

    import asyncpg

    from horarium.audit_log import Author
    from horarium.messages import Mailboxes
    from horarium.sql.database import Database
    from horarium.sql.queries import Connection
    from horarium.tasks.registry import TaskTypes

__all__ = ["Executions"]

UNSUCCESSFUL = ("failed", "timeout", "cancelled", "lost", "skipped")


class Executions:
    """Actions on executions; raises NotFound, Conflict, Forbidden and Unavailable."""

    def __init__(self, database: Database, task_types: TaskTypes, mailboxes: Mailboxes) -> None:
        self._database = database
        self._rules = ConfigRules(task_types)
        self._mailboxes = mailboxes

    async def cancel(self, task_id: UUID, *, by: Author = SYSTEM) -> asyncpg.Record:
        """Cancel an execution that is not final; returns its row, still `running` where a worker has to stop it.

        `said` of the row is how far its attempt says that it has come.
        """
        async with self._database.transaction() as connection:
            known = await _read(connection, task_id)
            row = await QUERIES.execution_cancel.row(connection, id=known["id"])
            if row is None:
                raise _final(await _read(connection, task_id))
            await note(connection, by, "execution.cancelled", _target(row))
        if row["status"] == "cancelled":
            tell_cancelled(row, self._mailboxes.record)
            self._mailboxes.publisher.send_nowait(Publish(()))  # another may have waited for this one to end
        else:
            tell_stop_asked(row["message_id"] or row["id"], row["config_id"], row["attempt"])
        return row

    async def retry(self, task_id: UUID, *, idempotency_key: str | None = None, by: Author = SYSTEM) -> asyncpg.Record:
        """Do a final, unsuccessful execution once more; returns the new row. The same key again answers the same."""
        async with self._database.transaction() as connection:
            old = await _read(connection, task_id)
            _check_repeatable(old)
            await self._check_allowed(connection, old, by)
            row = await QUERIES.execution_insert_retry.row(
                connection, id=uuid7(), retried=old["id"], idempotency_key=idempotency_key
            )
            if row is None:
                return await _earlier_retry(connection, old, idempotency_key)
            await note_trace(connection, [row["id"]])
            await note(connection, by, "execution.retried", _target(old), after={"task_id": str(row["id"])})
            crashpoint("executions.retry_inserted")
        crashpoint("executions.retry_committed")
        tell_created(row["id"], row["config_id"], "retry", retry_of=row["retry_of"])
        self._mailboxes.publisher.send_nowait(Publish((row["id"],)))
        self._mailboxes.record(_retried(row, by))
        return row

    async def _check_allowed(self, connection: Connection, old: asyncpg.Record, by: Author) -> None:
        """An app's own task is repeated with what it was kicked with, by workers that know it, which we need not."""
        if old["message"] is None:
            self._check_permitted(old, await _config_of(connection, old), by)
        else:
            self._rules.permit(by, old["task_type"])

    def _check_permitted(self, old: asyncpg.Record, config: asyncpg.Record, by: Author) -> None:
        """Whoever may run a config as it is may repeat what ran just so; else an `admin_only` task is an admin's."""
        if any(old[name] != config[name] for name in ("task_type", "parameters")):
            self._rules.permit(by, old["task_type"])
        self._rules.check_runnable(old["task_type"], old["parameters"])


async def _read(connection: Connection, task_id: UUID) -> asyncpg.Record:
    row = await QUERIES.execution_public.row(connection, task_id=task_id)
    if row is None:
        raise NotFound("execution", task_id)
    return row


def _retried(row: asyncpg.Record, by: Author) -> HistoryEvent | Moved:
    if row["config_id"] is None:
        return Moved.now("pending", (TaskMessage.of(row),))
    ids = {"task_id": str(row["id"]), "retry_of": str(row["retry_of"])}
    return HistoryEvent.now(row["config_id"], "task_executed", **ids, by=by.name)


def _final(row: asyncpg.Record) -> Conflict:
    return Conflict("state", f"the execution is {row['status']} already, and what is final does not change")


def _check_repeatable(old: asyncpg.Record) -> None:
    """Raise Conflict for what is not final, has succeeded, stands for more ticks than one, or cannot be sent again."""
    if old["status"] not in UNSUCCESSFUL:
        raise Conflict("state", f"the execution is {old['status']}; it is retried once it is final, unless it succeeds")
    if old["tick_count"] > 1:
        raise Conflict("state", f"it stands for {old['tick_count']} ticks that were skipped; a backfill runs them")
    if old["message"] is not None and "args" not in old["message"]:
        raise Conflict("message", NO_JSON)


async def _config_of(connection: Connection, old: asyncpg.Record) -> asyncpg.Record:
    """The config of an execution, held against editors until the transaction ends; raises Conflict where it is gone."""
    config = None
    if old["config_id"] is not None:
        await QUERIES.task_config_hold.rows(connection, ids=[old["config_id"]])
        config = await QUERIES.task_config_get.row(connection, id=old["config_id"])
    if config is None:
        raise Conflict("config_deleted", "its config is no more; create it anew, and run that")
    return config


async def _earlier_retry(connection: Connection, old: asyncpg.Record, idempotency_key: str | None) -> asyncpg.Record:
    """The execution that an earlier request with the same key made; raises Conflict where it was another request."""
    key, public = {"idempotency_key": idempotency_key}, old["message_id"] or old["id"]
    if old["config_id"] is None:
        earlier = await QUERIES.execution_external_retry.row(connection, retry_of=public, **key)
    else:
        earlier = await QUERIES.execution_by_idempotency_key.row(connection, config_id=old["config_id"], **key)
    if earlier is None:  # retention was here between two statements
        raise NotFound("execution", public)
    if earlier["retry_of"] != public:
        raise Conflict("idempotency_key", "this Idempotency-Key was used before, for another request")
    return earlier


def _target(row: asyncpg.Record) -> Target:
    return Target("execution", row["message_id"] or row["id"], row["task_type"])
