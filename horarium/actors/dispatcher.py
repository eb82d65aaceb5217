"""Turns what is due into rows, and rows into messages.

A step reads due configs from the index in batches and does, for each batch and in this order:

1. *decide*, by pure arithmetic, which of their ticks run and which are skipped, and why;
2. *write* them all in one statement, joined to the configs, so that a config paused, deleted or edited since cannot
   fire, and a tick that has a row already gets no second one;
3. *publish* a message for each row that was written to run;
4. *advance* the index, last.

A crash anywhere replays from the index and changes nothing twice. A row whose message could not be sent stays
`pending` and is the publisher's. The index is only a cursor: what it lost the loader puts back.

A config under overlap `skip` fires one tick at a time. Its tick may be deferred for a moment, when the run before it
was started only just now; then its place in the index stays, and the next step looks again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

import anyio
import structlog
from uuid_utils.compat import uuid7

from horarium.actors.patience import patiently
from horarium.errors import Unavailable
from horarium.firing import FiringSpec
from horarium.keyspace.due_index import Advance
from horarium.keyspace.history import HistoryEvent
from horarium.messages import Publish, Reload
from horarium.schedule import plan
from horarium.sql.executions import Claim, TickRow, insert_ticks, last_ticks, mark_queued
from horarium.sql.queries import QUERIES
from horarium.tasks.message import TaskMessage

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from anyio.abc import TaskStatus

    from horarium.keyspace.due_index import DueConfig, DueIndex
    from horarium.messages import Mailboxes
    from horarium.sql.database import Database
    from horarium.sql.executions import Decision
    from horarium.sql.queries import Connection
    from horarium.supervisor import ChildContext
    from horarium.tasks.broker import Publisher

__all__ = ["Dispatched", "Dispatcher"]

log = structlog.get_logger(__name__)

BATCH_CONFIGS = 2000
"""Configs decided, written and published together."""

LONGEST_SLEEP_SECONDS = 1.0
"""A stepped wall clock is noticed within this time."""

DEFERRED_SECONDS = 0.05
"""When a deferred tick is looked at again."""

SETTLE_SECONDS = 2.0
"""How long a tick under overlap `skip` waits for a run that was started only just now."""


@dataclass(slots=True)
class Dispatched:
    """What one step did: configs read, rows written, messages confirmed; `deferred` configs are still due."""

    configs: int = 0
    written: int = 0
    published: int = 0
    skipped: int = 0
    deferred: int = 0

    def add(self, other: Dispatched) -> None:
        """Add another step's figures to these."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True)
class _Firing:
    """A due config with what was decided of it, and then what became of its rows."""

    due: DueConfig
    spec: FiringSpec
    rows: list[TickRow]
    following: datetime | None
    decisions: list[Decision] = field(default_factory=list)

    @property
    def skips_a_stretch(self) -> bool:
        """Whether a row covers several ticks: such a row is planned anew while the config is locked."""
        return any(row.reason is not None for row in self.rows)

    @property
    def stale(self) -> bool:
        """Whether the config has changed since it was put into the index."""
        return "stale" in self.decisions

    @property
    def cursor(self) -> datetime | None:
        """The first tick that has no row now; None when none is left."""
        deferred = (r.tick_at for r, decision in zip(self.rows, self.decisions, strict=True) if decision == "defer")
        return next(deferred, self.following)


class Dispatcher:
    """The actor."""

    def __init__(
        self,
        database: Database,
        index: DueIndex,
        broker: Publisher,
        mailboxes: Mailboxes,
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._index = index
        self._broker = broker
        self._mailboxes = mailboxes
        self._clock = clock

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Fire what is due, then sleep until something is, or until the loader says so."""
        assert context.inbox is not None, "the tree gives this actor a mailbox"  # noqa: S101 - a fault of the tree
        task_status.started()
        while True:
            done = await patiently(context.id, self.step)
            if done.configs > done.deferred:
                log.debug("ticks.dispatched", written=done.written, published=done.published, skipped=done.skipped)
            delay = DEFERRED_SECONDS if done.deferred else await patiently(context.id, self._until_next_tick)
            with anyio.move_on_after(delay):
                await context.inbox.receive()

    async def step(self) -> Dispatched:
        """Dispatch everything that is due now."""
        done = Dispatched()
        while True:
            now = self._clock()
            due = await self._index.due(now, passed_over=done.deferred, limit=BATCH_CONFIGS)
            if not due:
                return done
            done.add(await self._dispatch(due, now))

    async def _dispatch(self, due: Sequence[DueConfig], now: datetime) -> Dispatched:
        firings = [_decide(config, config.tick, now) for config in due if config.spec]
        await self._write([f for f in firings if not f.skips_a_stretch])
        await self._catch_up([f for f in firings if f.skips_a_stretch], now)
        published = await self._publish([message for firing in firings for message in _messages(firing)])
        await self._advance([f for f in firings if not f.stale])
        self._reload([c.config_id for c in due if not c.spec] + [f.due.config_id for f in firings if f.stale])
        self._tell_skipped(firings)
        decisions = [decision for firing in firings for decision in firing.decisions]
        return Dispatched(
            configs=len(due),
            written=sum(decision in ("run", "skip", "overlap") for decision in decisions),
            published=published,
            skipped=sum(decision in ("skip", "overlap") for decision in decisions),
            deferred=len(due) - len(firings) + sum(bool({"defer", "stale"} & set(f.decisions)) for f in firings),
        )

    async def _write(self, firings: Sequence[_Firing]) -> None:
        """Write single ticks: any number of dispatchers may, the unique key leaves each one row."""
        if firings:
            async with self._database.transaction() as connection:
                await QUERIES.task_config_hold.rows(connection, ids=[f.due.config_id for f in firings])
                await _insert(connection, firings)

    async def _catch_up(self, firings: Sequence[_Firing], now: datetime) -> None:
        """Write stretches of ticks, planned from what the ledger holds: the index may lag behind it after a crash."""
        if not firings:
            return
        ids = [f.due.config_id for f in firings]
        async with self._database.transaction() as connection:
            held = {row["id"]: row for row in await QUERIES.task_config_lock.rows(connection, ids=ids)}
            last = await last_ticks(connection, ids)
            for firing in firings:
                config = held.get(firing.due.config_id)
                if config is not None:
                    since = config["scheduled_from"]
                    _decide_again(firing, max(since, last.get(config["id"], since)), now)
            await _insert(connection, firings)

    async def _publish(self, messages: Sequence[TaskMessage]) -> int:
        """Send messages and say so in the ledger; what cannot be sent now is left to the publisher."""
        if not messages:
            return 0
        try:
            await self._broker.publish(messages)
        except Unavailable as error:
            log.warning("publish.failed", executions=len(messages), error=str(error))
            self._mailboxes.publisher.send_nowait(Publish(tuple(m.execution_id for m in messages)))
            return 0
        async with self._database.connection() as connection:
            await mark_queued(connection, [Claim(m.execution_id, m.attempt) for m in messages])
        return len(messages)

    async def _advance(self, firings: Sequence[_Firing]) -> None:
        """Move the index on; a config that has no tick left becomes inactive first."""
        ended = [firing.due for firing in firings if firing.cursor is None]
        if ended:
            async with self._database.connection() as connection:
                await QUERIES.task_config_exhaust.rows(
                    connection, ids=[due.config_id for due in ended], versions=[due.version for due in ended]
                )
        await self._index.advance(
            [Advance(f.due.config_id, f.due.version, f.due.tick, f.cursor) for f in firings if f.cursor != f.due.tick]
        )

    def _reload(self, config_ids: list[int]) -> None:
        """Ask for entries that do not match Postgres to be made anew; the loader's own comparison finds them too."""
        if config_ids and self._mailboxes.loader.depth < self._mailboxes.loader.capacity:
            self._mailboxes.loader.send_nowait(Reload(tuple(config_ids)))

    def _tell_skipped(self, firings: Sequence[_Firing]) -> None:
        events = [
            _skipped(row, decision)
            for firing in firings
            for row, decision in zip(firing.rows, firing.decisions, strict=True)
            if decision in ("skip", "overlap")
        ]
        if events:
            self._mailboxes.record(*events)

    async def _until_next_tick(self) -> float:
        """Seconds until the next tick, and not longer than a stepped clock may go unnoticed."""
        tick = await self._index.next_tick()
        if tick is None:
            return LONGEST_SLEEP_SECONDS
        return min(max((tick - self._clock()).total_seconds(), 0.0), LONGEST_SLEEP_SECONDS)


def _decide(due: DueConfig, cursor: datetime, now: datetime) -> _Firing:
    """Which ticks of a due config, from `cursor` on, become which rows, and where its cursor goes."""
    spec = FiringSpec.from_json(due.spec)
    planned = plan(spec.schedule, cursor, now, spec.catchup, not_before=spec.start_at, end_at=spec.end_at)
    run, following = planned.run, planned.next
    if spec.one_at_a_time and len(run) > 1:
        run, following = run[:1], run[1]
    missed = [
        TickRow(uuid7(), due.config_id, due.version, m.first, m.last if m.count > 1 else None, m.count, m.reason)
        for m in planned.missed
    ]
    return _Firing(due, spec, [*missed, *(TickRow(uuid7(), due.config_id, due.version, t) for t in run)], following)


def _decide_again(firing: _Firing, decided_until: datetime, now: datetime) -> None:
    """Decide anew from the first tick after `decided_until`."""
    cursor = firing.spec.first_after(decided_until)
    firing.rows, firing.following = [], cursor
    if cursor is not None and cursor <= now:
        again = _decide(firing.due, cursor, now)
        firing.rows, firing.following = again.rows, again.following


async def _insert(connection: Connection, firings: Sequence[_Firing]) -> None:
    """Write the rows of all firings, and note what became of each."""
    rows = [row for firing in firings for row in firing.rows]
    decisions = await insert_ticks(connection, rows, settle_seconds=SETTLE_SECONDS) if rows else []
    left = iter(decisions)
    for firing in firings:
        firing.decisions = list(islice(left, len(firing.rows)))


def _messages(firing: _Firing) -> list[TaskMessage]:
    spec = firing.spec
    return [
        TaskMessage(
            execution_id=row.execution_id,
            attempt=1,
            config_id=row.config_id,
            task_type=spec.task_type,
            scheduler_type=spec.scheduler_type,
            tick_at=row.tick_at,
            parameters=spec.parameters,
            queue=spec.queue,
            priority=spec.priority,
        )
        for row, decision in zip(firing.rows, firing.decisions, strict=True)
        if decision == "run"
    ]


def _skipped(row: TickRow, decision: Decision) -> HistoryEvent:
    return HistoryEvent.now(
        row.config_id,
        "skipped",
        task_id=str(row.execution_id),
        tick_at=row.tick_at,
        tick_until=row.tick_until,
        tick_count=row.tick_count if row.tick_count > 1 else None,
        reason="overlap" if decision == "overlap" else row.reason,
    )
