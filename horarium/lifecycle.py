"""What can be done to a task config, each as one transaction that leaves no tick unaccounted for.

An editor holds the config's row (FOR UPDATE) against the dispatcher (FOR KEY SHARE), so a tick is written either
before the change, under the old config, or after it, under the new one. Ticks that were due before a change and were
never written get one `skipped` row that says why: `edited`, `stopped`, `paused`. From `scheduled_from` on, ticks are
owed again.

When a method returns, its change is committed and, unless the schedule loader is down, in the due index. If it is
down the change is obeyed all the same, because every tick is joined to the config's version when it is written.

Each change reads the clock once, and once it holds the row: where the old ticks end is where the new ones begin.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import asyncpg
import structlog
from uuid_utils.compat import uuid7

from horarium.audit_log import SYSTEM, Change, Target, note, note_all, shown, what_changed
from horarium.bookkeeping import PassedOver, end_of_pause, pass_over, rescheduled
from horarium.clock import utc_now
from horarium.config_rules import SCHEDULE_FIELDS, ConfigRules, keep_anchor, normalised
from horarium.crashpoints import crashpoint
from horarium.declared import same
from horarium.errors import Conflict, FieldError, InvalidInput, NotFound
from horarium.keyspace.history import HistoryEvent
from horarium.messages import Publish, Reload
from horarium.sql.queries import QUERIES
from horarium.sql.task_configs import EDITABLE
from horarium.stages import tell_created
from horarium.supervisor import AskTimeout, MailboxFull, TargetDown
from horarium.tracing.carried import note_trace

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from uuid import UUID

    from horarium.audit_log import Author
    from horarium.bookkeeping import Why
    from horarium.keyspace.history import HistoryEventName
    from horarium.messages import Mailboxes
    from horarium.model import RunRequest, TaskConfigCreate, TaskConfigPatch
    from horarium.sql.database import Database
    from horarium.sql.queries import Connection, Row
    from horarium.tasks.registry import TaskTypes

__all__ = ["RELOAD_SECONDS", "TaskConfigs", "target_of", "tell"]

log = structlog.get_logger(__name__)

VERBS = {"task_started": "start", "task_stopped": "stop", "task_resumed": "resume"}
RELOAD_SECONDS = 3.0
"""How long a change waits for the due index to show it; it is committed either way."""


class TaskConfigs:
    """The life of task configs; raises NotFound, Conflict, Forbidden, InvalidInput and Unavailable.

    `by` is who asks: the audit log says so, and some task types are an admin's alone to say what to run with.
    """

    def __init__(
        self,
        database: Database,
        task_types: TaskTypes,
        mailboxes: Mailboxes,
        *,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._database = database
        self._rules = ConfigRules(task_types)
        self._mailboxes = mailboxes
        self._clock = clock

    async def create(self, body: TaskConfigCreate, *, by: Author = SYSTEM) -> asyncpg.Record:
        """A new config, as it is shown (`task_config_shown`)."""
        wanted, now = body.model_dump(), self._clock()
        self._rules.permit(by, body.task_type)
        task_type = self._rules.check(wanted, changed=wanted, now=now)
        wanted["queue"] = body.queue or task_type
        async with self._database.transaction() as connection:
            row = await QUERIES.task_config_insert.row(connection, **wanted, scheduled_from=now, created_by=by.user_id)
            crashpoint("lifecycle.create_inserted")
            if row is None:
                raise _name_taken(body.name)
            await note(connection, by, "task_config.created", target_of(row), after=shown(row, EDITABLE))
            made = await _as_shown(connection, row["id"])
        crashpoint("lifecycle.create_committed")
        await tell(self._mailboxes, HistoryEvent.now(row["id"], "task_loaded", by=by.name))
        return made

    async def edit(
        self, config_id: int, patch: TaskConfigPatch, *, version: int | None, by: Author = SYSTEM
    ) -> asyncpg.Record:
        """Change the fields that `patch` gives; `version` is the one the caller has seen, None for any.

        Returns the config as it is shown (`task_config_shown`). Where all of it is so already, nothing is changed.
        """
        given = patch.model_dump(exclude_unset=True)
        try:
            async with self._database.transaction() as connection:
                old = await _locked(connection, config_id, version)
                wanted, now = {name: given.get(name, old[name]) for name in EDITABLE}, self._clock()
                keep_anchor(old, wanted)
                if any(name in given for name in SCHEDULE_FIELDS):
                    wanted["schedule_config"] = normalised(wanted, now)
                changed = {name: wanted[name] for name in EDITABLE if not same(old[name], wanted[name])}
                if not changed:
                    return await _as_shown(connection, config_id)
                self._rules.permit(by, old["task_type"], wanted["task_type"])
                self._rules.check(wanted, changed=changed, now=now)
                await _update(connection, old, wanted, now, by)
                edited = await _as_shown(connection, config_id)
                crashpoint("lifecycle.edit_written")
        except asyncpg.UniqueViolationError:
            raise _name_taken(given["name"]) from None
        crashpoint("lifecycle.edit_committed")
        await tell(self._mailboxes, HistoryEvent.now(config_id, "task_updated", by=by.name))
        return edited

    async def delete(self, config_id: int, *, version: int | None, by: Author = SYSTEM) -> None:
        """Take a config away; what waits of it is cancelled, what runs goes on, its executions stay."""
        async with self._database.transaction() as connection:
            old = await _locked(connection, config_id, version)
            await pass_over(connection, PassedOver(old, "deleted", self._clock()))
            await QUERIES.execution_cancel_waiting.rows(connection, config_ids=[config_id], reason="config_deleted")
            await QUERIES.task_config_delete.rows(connection, ids=[config_id])
            await note(connection, by, "task_config.deleted", target_of(old), before=shown(old, EDITABLE))
            crashpoint("lifecycle.delete_written")
        crashpoint("lifecycle.delete_committed")
        await tell(self._mailboxes, HistoryEvent.now(config_id, "task_deleted", by=by.name))

    async def start(self, config_id: int, *, by: Author = SYSTEM) -> asyncpg.Record:
        """From inactive or error to active; ticks are owed from now on."""
        return await self._move(config_id, ("inactive", "error"), "active", "task_started", by)

    async def stop(self, config_id: int, *, by: Author = SYSTEM) -> asyncpg.Record:
        """To inactive; ticks are owed no more."""
        return await self._move(config_id, ("active", "paused", "error"), "inactive", "task_stopped", by)

    async def pause(
        self, config_id: int, *, reason: str | None, until: datetime | None, by: Author = SYSTEM
    ) -> asyncpg.Record:
        """From active to paused: ticks go on being owed, and are written down as skipped when it is resumed."""
        if until is not None and until <= self._clock():
            raise InvalidInput(FieldError(("until",), "must be in the future"))
        async with self._database.transaction() as connection:
            old = await _locked(connection, config_id, None)
            _require(old, ("active",), "pause")
            row = await QUERIES.task_config_set_status.row(
                connection,
                id=config_id,
                status="paused",
                paused_reason=reason,
                paused_until=until,
                scheduled_from=old["scheduled_from"],
            )
            await note_all(connection, by, [_moved(old, _there(row, config_id), "task_config.paused")])
        await tell(self._mailboxes, HistoryEvent.now(config_id, "task_paused", reason=reason, until=until, by=by.name))
        return _there(row, config_id)

    async def resume(self, config_id: int, *, by: Author = SYSTEM) -> asyncpg.Record:
        """From paused to active; the ticks of the pause become one skipped row.

        A pause that has an end ends there, however much later that is noticed: from then on ticks are owed.
        """
        return await self._move(config_id, ("paused",), "active", "task_resumed", by)

    async def end_pauses(self, seen: Sequence[Row], *, by: Author = SYSTEM) -> int:
        """Resume configs whose pause has run out, all at once; returns how many.

        `seen` are their ids and versions: what somebody has changed since then is left to them.
        """
        versions = {row["id"]: row["version"] for row in seen}
        async with self._database.transaction() as connection:
            locked = await QUERIES.task_config_lock.rows(connection, ids=list(versions))
            held = {row["id"]: row for row in locked if row["version"] == versions[row["id"]]}
            now = self._clock()
            passed = [PassedOver(row, "paused", end_of_pause(row, now)) for row in held.values()]
            owed_from = await pass_over(connection, *passed)
            resumed = await QUERIES.task_config_end_pauses.rows(
                connection, ids=list(owed_from), scheduled_froms=list(owed_from.values())
            )
            await note_all(connection, by, [_moved(held[row["id"]], row, "task_config.resumed") for row in resumed])
        if resumed:
            await tell(self._mailboxes, *(HistoryEvent.now(row["id"], "task_resumed", by=by.name) for row in resumed))
        return len(resumed)

    async def reload(self, config_id: int, *, by: Author = SYSTEM) -> asyncpg.Record:
        """Put the config into the due index anew, as Postgres has it."""
        async with self._database.connection() as connection:
            row = _there(await QUERIES.task_config_get.row(connection, id=config_id), config_id)
        await tell(self._mailboxes, HistoryEvent.now(config_id, "task_reloaded", by=by.name))
        return row

    async def run(self, config_id: int, body: RunRequest, *, idempotency_key: str | None, by: Author = SYSTEM) -> UUID:
        """Run once, now; the row is committed before its message is sent. The same key again answers the same run."""
        async with self._database.transaction() as connection:
            # held, so that the row is made of the very config whose task type was looked at
            await QUERIES.task_config_hold.rows(connection, ids=[config_id])
            config = _there(await QUERIES.task_config_get.row(connection, id=config_id), config_id)
            parameters = self._parameters(config, body, by)
            execution_id: UUID | None = await QUERIES.execution_insert_run.value(
                connection, id=uuid7(), config_id=config_id, parameters=parameters, idempotency_key=idempotency_key
            )
            if execution_id is None:
                return await _earlier_run(connection, config_id, idempotency_key, body.parameters)
            await note_trace(connection, [execution_id])
            ran = {"task_id": str(execution_id)}
            await note(connection, by, "task_config.run", target_of(config), after=ran)
            crashpoint("lifecycle.run_inserted")
        crashpoint("lifecycle.run_committed")
        tell_created(execution_id, config_id, "manual")
        self._mailboxes.publisher.send_nowait(Publish((execution_id,)))
        self._mailboxes.record(HistoryEvent.now(config_id, "task_executed", task_id=str(execution_id), by=by.name))
        return execution_id

    def _parameters(self, config: asyncpg.Record, body: RunRequest, by: Author) -> dict[str, Any]:
        """What a run by hand is given, which fits the task type as it is now."""
        kept: dict[str, Any] = config["parameters"]
        if body.parameters is None:
            self._rules.check_runnable(config["task_type"], kept)
            return kept
        self._rules.permit(by, config["task_type"])
        self._rules.kept_task_type(config["task_type"]).check(body.parameters)
        return body.parameters

    async def _move(
        self, config_id: int, allowed: tuple[str, ...], status: str, event: HistoryEventName, by: Author
    ) -> asyncpg.Record:
        async with self._database.transaction() as connection:
            old = await _locked(connection, config_id, None)
            _require(old, allowed, VERBS[event])
            now = self._clock() if status == "inactive" else end_of_pause(old, self._clock())
            why: Why = "paused" if old["status"] == "paused" else "stopped"
            owed_from = await pass_over(connection, PassedOver(old, why, now))
            row = await QUERIES.task_config_set_status.row(
                connection,
                id=config_id,
                status=status,
                paused_reason=None,
                paused_until=None,
                scheduled_from=owed_from[config_id],
            )
            action = event.replace("task_", "task_config.", 1)
            await note_all(connection, by, [_moved(old, _there(row, config_id), action)])
            crashpoint("lifecycle.move_written")
        crashpoint("lifecycle.move_committed")
        await tell(self._mailboxes, HistoryEvent.now(config_id, event, by=by.name))
        return _there(row, config_id)


async def tell(mailboxes: Mailboxes, *events: HistoryEvent, seconds: float = RELOAD_SECONDS) -> None:
    """Record what has happened to configs, and wait until the due index shows it, for this long at most."""
    mailboxes.record(*events)
    ids = tuple({event.config_id: None for event in events})
    try:
        await mailboxes.loader.ask(lambda reply: Reload(ids, reply), timeout=seconds)
    except (AskTimeout, TargetDown, MailboxFull) as error:
        log.warning("reload.delayed", config_ids=ids[:10], configs=len(ids), error=str(error))


def target_of(config: Row) -> Target:
    """A config as the audit log names it."""
    return Target("task_config", config["id"], config["name"])


def _moved(old: asyncpg.Record, new: asyncpg.Record, action: str) -> Change:
    """A change of the status as the audit log has it."""
    before, after = what_changed(old, new, ("status", "paused_reason", "paused_until"))
    return Change(action, target_of(new), before, after)


def _there(row: asyncpg.Record | None, config_id: int) -> asyncpg.Record:
    if row is None:
        raise NotFound("task config", config_id)
    return row


async def _as_shown(connection: Connection, config_id: int) -> asyncpg.Record:
    """What the API shows of a config, read in the transaction that writes it: what is committed can be answered."""
    return _there(await QUERIES.task_config_shown.row(connection, id=config_id), config_id)


async def _update(
    connection: Connection, old: asyncpg.Record, wanted: Mapping[str, Any], now: datetime, by: Author
) -> None:
    """Write an edit of a config that is held, with the ticks that it passes over, and note it."""
    owed_from = await pass_over(connection, *rescheduled(old, wanted, now))
    scheduled_from = owed_from.get(old["id"], old["scheduled_from"])
    row = await QUERIES.task_config_update.row(connection, **wanted, id=old["id"], scheduled_from=scheduled_from)
    before, after = what_changed(old, _there(row, old["id"]), EDITABLE)
    await note(connection, by, "task_config.updated", target_of(old), before=before, after=after)


async def _locked(connection: Connection, config_id: int, version: int | None) -> asyncpg.Record:
    """The config, held until the transaction ends."""
    row = _there(await QUERIES.task_config_lock.row(connection, ids=[config_id]), config_id)
    if version is not None and row["version"] != version:
        who = await QUERIES.audit_log_last_author.value(connection, target_kind="task_config", target_id=str(config_id))
        told = "" if who is None else f"{who} changed it last: "
        raise Conflict("version", f"{told}the config is at version {row['version']}, not {version}; read it again")
    return row


def _require(config: asyncpg.Record, allowed: tuple[str, ...], action: str) -> None:
    if config["status"] not in allowed:
        raise Conflict("state", f"cannot {action} a config that is {config['status']}, only {' or '.join(allowed)}")


def _name_taken(name: str) -> Conflict:
    return Conflict("duplicate_name", f"a config named {name!r} exists already")


async def _earlier_run(
    connection: Connection, config_id: int, idempotency_key: str | None, sent: Mapping[str, Any] | None
) -> UUID:
    earlier = await QUERIES.execution_by_idempotency_key.row(
        connection, config_id=config_id, idempotency_key=idempotency_key
    )
    if earlier is None:  # deleted between the two statements
        raise NotFound("task config", config_id)
    if earlier["trigger"] != "manual":
        raise Conflict("idempotency_key", "this Idempotency-Key was used before, for another request")
    if sent is not None and earlier["parameters"] != sent:
        raise Conflict("idempotency_key", "this Idempotency-Key was used before, with other parameters")
    execution_id: UUID = earlier["id"]
    return execution_id
