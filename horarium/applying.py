"""Makes the configs equal to a declaration, all of it or nothing.

What is there is read and the plan made (`declared.py`) without a lock, so that the many configs that are as they should
be are never held against their ticks. Then one transaction locks those that change, in the order of their ids as every
other editor does, and makes sure that they still are as they were read; where they are not, all of it is begun again.
New configs are inserted in the order of their names: two declarations that make the same ones wait for each other's
end and not in a circle, and the later one finds them there.

Each change is an edit, a start, a stop or a deletion as it could be made one by one (`lifecycle.py`), and owes the
same: the ticks it passes over, an entry in the audit log, an event. All of it goes in pages, so that thousands of
configs take a few statements and the event loop is never away for long.
"""

from __future__ import annotations

from itertools import chain, islice
from typing import TYPE_CHECKING, TypeVar

from anyio.lowlevel import checkpoint

from horarium.audit_log import SYSTEM, Change, Target, note_all, shown
from horarium.bookkeeping import PassedOver, pass_over, rescheduled
from horarium.clock import utc_now
from horarium.config_rules import ConfigRules
from horarium.declared import Planner
from horarium.errors import Conflict, InvalidInput
from horarium.keyspace.history import HistoryEvent
from horarium.lifecycle import RELOAD_SECONDS, target_of, tell
from horarium.sql.queries import QUERIES
from horarium.sql.task_configs import EDITABLE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from datetime import datetime

    from horarium.audit_log import Author
    from horarium.declared import Plan, Update
    from horarium.keyspace.history import HistoryEventName
    from horarium.messages import Mailboxes
    from horarium.model import ApplyRequest
    from horarium.sql.database import Database
    from horarium.sql.queries import Connection, Row
    from horarium.tasks.registry import TaskTypes

__all__ = ["Applying"]

T = TypeVar("T")

PAGE_CONFIGS = 1000
"""Configs written by one statement: some ten milliseconds, and about a megabyte."""

PLANNED_AT_ONCE = 50
"""Configs looked at before others run: a few milliseconds."""

TRIES = 5
"""How often a declaration begins again because somebody else has changed what it was about to change."""

RELOAD_SECONDS_A_CONFIG = 0.001

MOVES: dict[str, HistoryEventName] = {"active": "task_started", "inactive": "task_stopped"}


class _Overtaken(Exception):
    """Somebody else has changed, made or deleted one of the configs since they were read."""


class Applying:
    """Carries declarations out; raises InvalidInput, Forbidden, Conflict and Unavailable."""

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

    async def apply(self, body: ApplyRequest, *, by: Author = SYSTEM) -> Plan:
        """Make the configs as `body` has them; what that was. A dry run plans, and locks and changes nothing."""
        for _ in range(TRIES):
            try:
                return await self._attempt(body, by)
            except _Overtaken:
                continue
        raise Conflict("changed_meanwhile", "others keep changing the same configs; try again")

    async def _attempt(self, body: ApplyRequest, by: Author) -> Plan:
        plan = await self._planned(body, by)
        if plan.changes_anything and not body.dry_run:
            async with self._database.transaction() as connection:
                ids = await self._carry_out(connection, plan, by, body.source)
            events = list(_events(plan, ids, by))
            await tell(self._mailboxes, *events, seconds=RELOAD_SECONDS + len(events) * RELOAD_SECONDS_A_CONFIG)
        return plan

    async def _planned(self, body: ApplyRequest, by: Author) -> Plan:
        """What there is to do; raises InvalidInput with everything wrong in the declaration."""
        async with self._database.connection() as connection:
            names = [config.name for config in body.configs]
            there = {row["name"]: row for row in await QUERIES.task_config_by_names.rows(connection, names=names)}
            others = []
            if body.prune:
                others = await QUERIES.task_config_of_source.rows(connection, source=body.source)
        planner = Planner(self._rules, by, source=body.source, now=self._clock())
        for page in _pages(body.configs, PLANNED_AT_ONCE):
            for config in page:
                planner.add(config, there.get(config.name))
            await checkpoint()
        planner.remove_others(others)
        if planner.plan.faults:
            raise InvalidInput(*planner.plan.faults)
        return planner.plan

    async def _carry_out(self, connection: Connection, plan: Plan, by: Author, source: str | None) -> dict[str, int]:
        """Make all changes of the plan in this transaction; the ids of the configs changed, by name."""
        held = await _locked(connection, [*(update.old for update in plan.updates), *plan.deletions])
        now = self._clock()
        for updates in _pages(plan.updates):
            await _update(connection, updates, now)
        for deletions in _pages(held[row["id"]] for row in plan.deletions):
            await _delete(connection, deletions, now)
        ids = {row["name"]: row["id"] for row in held.values()}
        for creations in _pages(sorted((each.wanted for each in plan.creations), key=lambda wanted: wanted["name"])):
            made = await QUERIES.task_config_insert_many.rows(
                connection, rows=creations, scheduled_from=now, created_by=by.user_id, source=source
            )
            if len(made) < len(creations):
                raise _Overtaken
            ids |= {row["name"]: row["id"] for row in made}
        for changes in _pages(_noted(plan, held, ids)):
            await note_all(connection, by, changes)
        return ids


async def _locked(connection: Connection, rows: Sequence[Row]) -> dict[int, Row]:
    """These configs by id, held until the transaction ends and still as they were read; raises _Overtaken."""
    held = await QUERIES.task_config_lock.rows(connection, ids=[row["id"] for row in rows])
    if {row["id"]: row["version"] for row in held} != {row["id"]: row["version"] for row in rows}:
        raise _Overtaken
    return {row["id"]: row for row in held}


async def _update(connection: Connection, updates: Sequence[Update], now: datetime) -> None:
    owed_from = await pass_over(connection, *chain.from_iterable(_passes_over(update, now) for update in updates))
    rows = [
        {
            **each.wanted,
            "id": each.old["id"],
            "scheduled_from": owed_from.get(each.old["id"], each.old["scheduled_from"]),
        }
        for each in updates
    ]
    await QUERIES.task_config_update_many.rows(connection, rows=rows)


def _passes_over(update: Update, now: datetime) -> Sequence[PassedOver]:
    """The ticks that will not run: of a start or a stop those until then, else those of another schedule."""
    old = update.old
    if "status" in update.fields:
        return (PassedOver(old, "paused" if old["status"] == "paused" else "stopped", now),)
    return rescheduled(old, update.wanted, now)


async def _delete(connection: Connection, configs: Sequence[Row], now: datetime) -> None:
    ids = [config["id"] for config in configs]
    await pass_over(connection, *(PassedOver(config, "deleted", now) for config in configs))
    await QUERIES.execution_cancel_waiting.rows(connection, config_ids=ids, reason="config_deleted")
    await QUERIES.task_config_delete.rows(connection, ids=ids)


def _noted(plan: Plan, held: dict[int, Row], ids: dict[str, int]) -> Iterator[Change]:
    """The entries of the audit log."""
    for creation in plan.creations:
        wanted = creation.wanted
        target = Target("task_config", ids[wanted["name"]], wanted["name"])
        yield Change("task_config.created", target, after=shown(wanted, EDITABLE))
    for update in plan.updates:
        action = _event(update).replace("task_", "task_config.", 1)
        before, after = shown(update.old, update.fields), shown(update.wanted, update.fields)
        yield Change(action, target_of(update.old), before=before, after=after)
    for row in plan.deletions:
        config = held[row["id"]]
        yield Change("task_config.deleted", target_of(config), before=shown(config, EDITABLE))


def _events(plan: Plan, ids: dict[str, int], by: Author) -> Iterator[HistoryEvent]:
    """What the history of each config has to say of it."""
    for creation in plan.creations:
        yield HistoryEvent.now(ids[creation.wanted["name"]], "task_loaded", by=by.name)
    for update in plan.updates:
        yield HistoryEvent.now(update.old["id"], _event(update), by=by.name)
    for row in plan.deletions:
        yield HistoryEvent.now(row["id"], "task_deleted", by=by.name)


def _event(update: Update) -> HistoryEventName:
    """A change of the status alone is a start or a stop."""
    return MOVES[update.wanted["status"]] if list(update.fields) == ["status"] else "task_updated"


def _pages(rows: Iterable[T], size: int = PAGE_CONFIGS) -> Iterator[list[T]]:
    waiting = iter(rows)
    while page := list(islice(waiting, size)):
        yield page
