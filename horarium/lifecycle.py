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

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog
from uuid_utils.compat import uuid7

from horarium.audit_log import SYSTEM, Target, note, shown, what_changed
from horarium.crashpoints import crashpoint
from horarium.errors import Conflict, FieldError, Forbidden, InvalidInput, NotFound
from horarium.keyspace.history import HistoryEvent
from horarium.messages import Publish, Reload
from horarium.schedule import ScheduleError, missed_between, next_tick, normalise_config, parse_schedule
from horarium.sql.executions import last_ticks
from horarium.sql.queries import QUERIES
from horarium.sql.task_configs import EDITABLE
from horarium.supervisor import AskTimeout, MailboxFull, TargetDown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from horarium.audit_log import Author
    from horarium.keyspace.history import HistoryEventName
    from horarium.messages import Mailboxes
    from horarium.model import RunRequest, TaskConfigCreate, TaskConfigPatch
    from horarium.sql.database import Database
    from horarium.sql.queries import Connection
    from horarium.tasks.registry import TaskTypes

__all__ = ["TaskConfigs", "check_limits", "refused", "utc_now"]

log = structlog.get_logger(__name__)

SCHEDULE_FIELDS = ("scheduler_type", "schedule_config", "start_at", "end_at")
VERBS = {"task_started": "start", "task_stopped": "stop", "task_resumed": "resume"}
MICROSECOND = timedelta(microseconds=1)
RELOAD_SECONDS = 3.0
"""How long a change waits for the due index to show it; it is committed either way."""


def utc_now() -> datetime:
    """The present, aware."""
    return datetime.now(UTC)


def check_limits(start_at: datetime | None, end_at: datetime | None) -> None:
    """Refuse a config that would end before it begins; raises InvalidInput."""
    if start_at is not None and end_at is not None and end_at <= start_at:
        raise InvalidInput(FieldError(("end_at",), "must be after start_at"))


def refused(error: ScheduleError) -> InvalidInput:
    """A fault of a schedule as one of the config's fields."""
    loc = ("scheduler_type",) if error.field == "scheduler_type" else ("schedule_config", error.field)
    return InvalidInput(FieldError(loc, error.message))


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
        self._task_types = task_types
        self._mailboxes = mailboxes
        self._clock = clock

    async def create(self, body: TaskConfigCreate, *, by: Author = SYSTEM) -> asyncpg.Record:
        """A new config."""
        wanted, now = body.model_dump(), self._clock()
        self._permit(by, body.task_type)
        task_type = self._check(wanted, changed=wanted, now=now)
        wanted["queue"] = body.queue or task_type
        async with self._database.transaction() as connection:
            row = await QUERIES.task_config_insert.row(connection, **wanted, scheduled_from=now, created_by=by.user_id)
            crashpoint("lifecycle.create_inserted")
            if row is None:
                raise _name_taken(body.name)
            await note(connection, by, "task_config.created", _target(row), after=shown(row, EDITABLE))
        crashpoint("lifecycle.create_committed")
        await self._tell(row["id"], "task_loaded")
        return row

    async def edit(
        self, config_id: int, patch: TaskConfigPatch, *, version: int | None, by: Author = SYSTEM
    ) -> asyncpg.Record:
        """Change the fields that `patch` gives; `version` is the one the caller has seen, None for any."""
        changed = patch.model_dump(exclude_unset=True)
        try:
            async with self._database.transaction() as connection:
                old = await _locked(connection, config_id, version)
                wanted, now = {name: changed.get(name, old[name]) for name in EDITABLE}, self._clock()
                self._permit(by, old["task_type"], wanted["task_type"])
                _keep_anchor(old, wanted)
                self._check(wanted, changed=changed, now=now)
                scheduled_from = await _rescheduled(connection, old, wanted, now)
                row = await QUERIES.task_config_update.row(
                    connection, **wanted, id=config_id, scheduled_from=scheduled_from
                )
                before, after = what_changed(old, _there(row, config_id), EDITABLE)
                await note(connection, by, "task_config.updated", _target(old), before=before, after=after)
                crashpoint("lifecycle.edit_written")
        except asyncpg.UniqueViolationError:
            raise _name_taken(changed["name"]) from None
        crashpoint("lifecycle.edit_committed")
        await self._tell(config_id, "task_updated")
        return _there(row, config_id)

    async def delete(self, config_id: int, *, version: int | None, by: Author = SYSTEM) -> None:
        """Take a config away; what waits of it is cancelled, what runs goes on, its executions stay."""
        async with self._database.transaction() as connection:
            old = await _locked(connection, config_id, version)
            await _pass_over(connection, old, "deleted", self._clock())
            await QUERIES.execution_cancel_waiting.rows(connection, config_id=config_id, reason="config_deleted")
            await QUERIES.task_config_delete.rows(connection, id=config_id)
            await note(connection, by, "task_config.deleted", _target(old), before=shown(old, EDITABLE))
            crashpoint("lifecycle.delete_written")
        crashpoint("lifecycle.delete_committed")
        await self._tell(config_id, "task_deleted")

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
            await _note_move(connection, by, old, _there(row, config_id), "task_config.paused")
        await self._tell(config_id, "task_paused", reason=reason, until=until)
        return _there(row, config_id)

    async def resume(self, config_id: int, *, by: Author = SYSTEM) -> asyncpg.Record:
        """From paused to active; the ticks of the pause become one skipped row.

        A pause that has an end ends there, however much later that is noticed: from then on ticks are owed.
        """
        return await self._move(config_id, ("paused",), "active", "task_resumed", by)

    async def reload(self, config_id: int) -> asyncpg.Record:
        """Put the config into the due index anew, as Postgres has it."""
        async with self._database.connection() as connection:
            row = _there(await QUERIES.task_config_get.row(connection, id=config_id), config_id)
        await self._tell(config_id, "task_reloaded")
        return row

    async def run(self, config_id: int, body: RunRequest, *, idempotency_key: str | None, by: Author = SYSTEM) -> UUID:
        """Run once, now; the row is committed before its message is sent. The same key again answers the same run."""
        async with self._database.transaction() as connection:
            config = _there(await QUERIES.task_config_get.row(connection, id=config_id), config_id)
            parameters = config["parameters"] if body.parameters is None else body.parameters
            if body.parameters is not None:
                self._permit(by, config["task_type"])
            self._task_types.get(config["task_type"]).check(parameters)
            execution_id: UUID | None = await QUERIES.execution_insert_run.value(
                connection, id=uuid7(), config_id=config_id, parameters=parameters, idempotency_key=idempotency_key
            )
            if execution_id is None:
                return await _earlier_run(connection, config_id, idempotency_key, body.parameters)
            ran = {"task_id": str(execution_id)}
            await note(connection, by, "task_config.run", _target(config), after=ran)
            crashpoint("lifecycle.run_inserted")
        crashpoint("lifecycle.run_committed")
        self._mailboxes.publisher.send_nowait(Publish((execution_id,)))
        self._mailboxes.record(HistoryEvent.now(config_id, "task_executed", task_id=str(execution_id)))
        return execution_id

    async def _move(
        self, config_id: int, allowed: tuple[str, ...], status: str, event: HistoryEventName, by: Author
    ) -> asyncpg.Record:
        async with self._database.transaction() as connection:
            old = await _locked(connection, config_id, None)
            _require(old, allowed, VERBS[event])
            now = self._clock() if status == "inactive" else _end_of_pause(old, self._clock())
            await _pass_over(connection, old, "paused" if old["status"] == "paused" else "stopped", now)
            row = await QUERIES.task_config_set_status.row(
                connection,
                id=config_id,
                status=status,
                paused_reason=None,
                paused_until=None,
                scheduled_from=now,
            )
            await _note_move(connection, by, old, _there(row, config_id), event.replace("task_", "task_config.", 1))
            crashpoint("lifecycle.move_written")
        crashpoint("lifecycle.move_committed")
        await self._tell(config_id, event)
        return _there(row, config_id)

    def _permit(self, by: Author, *task_types: str) -> None:
        """Leave it to administrators what an `admin_only` task type is run with; raises Forbidden."""
        kept = [each.name for each in self._task_types.all() if each.admin_only and each.name in task_types]
        if kept and not by.is_admin:
            raise Forbidden(f"only an admin may say with which parameters {kept[0]} runs")

    def _check(self, wanted: dict[str, Any], *, changed: Mapping[str, Any], now: datetime) -> str:
        """Check type, parameters and schedule, and normalise the schedule in place; returns the type's queue."""
        try:
            task_type = self._task_types.get(wanted["task_type"])
        except NotFound:
            known = ", ".join(t.name for t in self._task_types.all())
            raise InvalidInput(FieldError(("task_type",), f"unknown; this server knows {known}")) from None
        task_type.check(wanted["parameters"])
        check_limits(wanted["start_at"], wanted["end_at"])
        if any(name in changed for name in SCHEDULE_FIELDS):
            wanted["schedule_config"] = _normalised(wanted, now)
        return task_type.queue

    async def _tell(self, config_id: int, event: HistoryEventName, **details: object) -> None:
        self._mailboxes.record(HistoryEvent.now(config_id, event, **details))
        try:
            await self._mailboxes.loader.ask(lambda reply: Reload((config_id,), reply), timeout=RELOAD_SECONDS)
        except (AskTimeout, TargetDown, MailboxFull) as error:
            log.warning("reload.delayed", config_id=config_id, error=str(error))


def _target(config: asyncpg.Record) -> Target:
    return Target("task_config", config["id"], config["name"])


async def _note_move(connection: Connection, by: Author, old: asyncpg.Record, new: asyncpg.Record, action: str) -> None:
    before, after = what_changed(old, new, ("status", "paused_reason", "paused_until"))
    await note(connection, by, action, _target(new), before=before, after=after)


def _there(row: asyncpg.Record | None, config_id: int) -> asyncpg.Record:
    if row is None:
        raise NotFound("task config", config_id)
    return row


async def _locked(connection: Connection, config_id: int, version: int | None) -> asyncpg.Record:
    """The config, held until the transaction ends."""
    row = _there(await QUERIES.task_config_lock.row(connection, ids=[config_id]), config_id)
    if version is not None and row["version"] != version:
        raise Conflict("version", f"the config is at version {row['version']}, not {version}; read it again")
    return row


def _keep_anchor(old: asyncpg.Record, wanted: dict[str, Any]) -> None:
    """An interval that is edited without naming an anchor keeps the one it has: its ticks do not drift."""
    if old["scheduler_type"] == wanted["scheduler_type"] == "interval":
        wanted["schedule_config"] = {"anchor": old["schedule_config"]["anchor"], **wanted["schedule_config"]}


def _end_of_pause(config: asyncpg.Record, now: datetime) -> datetime:
    """Up to when ticks are passed over by a start or a resume: `until` itself is not paused any more."""
    if config["status"] != "paused" or config["paused_until"] is None:
        return now
    ended: datetime = max(config["paused_until"] - MICROSECOND, config["scheduled_from"])
    return min(now, ended)


async def _rescheduled(
    connection: Connection, old: asyncpg.Record, wanted: Mapping[str, Any], now: datetime
) -> datetime:
    """From when on the edited config owes ticks: unchanged, or now if its schedule is another."""
    if all(old[name] == wanted[name] for name in SCHEDULE_FIELDS):
        before: datetime = old["scheduled_from"]
        return before
    await _pass_over(connection, old, "paused" if old["status"] == "paused" else "edited", now)
    return now


async def _pass_over(connection: Connection, config: asyncpg.Record, reason: str, now: datetime) -> None:
    """Write the ticks that were due by now and have no row as one skipped row."""
    if config["status"] not in ("active", "paused"):
        return
    try:
        schedule = parse_schedule(config["scheduler_type"], config["schedule_config"], now=now)
    except ScheduleError as error:
        # Nobody can say what it owed, and it must still be possible to stop or mend it; started, it becomes `error`.
        log.warning("schedule.unreadable", config_id=config["id"], error=str(error))
        return
    last = await last_ticks(connection, [config["id"]])
    since = max(config["scheduled_from"], last.get(config["id"], config["scheduled_from"]))
    missed = missed_between(schedule, since, now, reason, not_before=config["start_at"], end_at=config["end_at"])
    if missed is not None:
        await QUERIES.execution_insert_skipped.rows(
            connection,
            id=uuid7(),
            config_id=config["id"],
            tick_at=missed.first,
            tick_until=missed.last if missed.count > 1 else None,
            tick_count=missed.count,
            reason=reason,
        )


def _normalised(wanted: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    kind = wanted["scheduler_type"]
    try:
        config = normalise_config(kind, wanted["schedule_config"], now=now)
        schedule = parse_schedule(kind, config, now=now)
    except ScheduleError as error:
        raise refused(error) from None
    fires = next_tick(schedule, now, not_before=wanted["start_at"], end_at=wanted["end_at"])
    if fires is None and kind == "date":
        raise InvalidInput(FieldError(("schedule_config", "run_date"), "must be in the future, before end_at"))
    if fires is None and kind != "manual":
        raise InvalidInput(FieldError(("end_at",), "leaves the schedule no tick to come"))
    return config


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
    if sent is not None and earlier["parameters"] != sent:
        raise Conflict("idempotency_key", "this Idempotency-Key was used before, with other parameters")
    execution_id: UUID = earlier["id"]
    return execution_id
