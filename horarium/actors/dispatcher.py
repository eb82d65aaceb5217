"""Turns what is due into rows, and rows into messages.

A step reads due configs from the index in batches, several of which are under way at once, and does for each batch, or
each portion of one that has many rows to write, in this order:

1. *decide*, by pure arithmetic, which of their ticks run and which are skipped, and why;
2. *write* them all in one statement, joined to the configs, so that a config paused, deleted or edited since cannot
   fire, and a tick that has a row already gets no second one;
3. *publish* a message for each row that was written to run;
4. *advance* the index, last.

What is due in a moment is read and decided before it is: writing begins at the tick. A change made in between is obeyed
like any other, since rows are joined to the configs as they are by then.

A crash anywhere replays from the index and changes nothing twice. A row whose message could not be sent stays
`pending` and is the publisher's. The index is only a cursor: what it lost the loader puts back.

A config that does not allow its runs to overlap fires one tick at a time. Under overlap `skip` the tick may be deferred
for a moment, when the run before it was started only just now; then its place in the index stays, and the next step
looks again. Under `cancel_other` whatever else of the config is in flight is cancelled with the same commit.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import timedelta
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING

import anyio
import structlog

from horarium.actors.patience import patiently
from horarium.crashpoints import crashpoint
from horarium.endings import tell_cancelled
from horarium.errors import Unavailable
from horarium.firing import decide, first_undecided, portions
from horarium.keyspace.due_index import Advance
from horarium.keyspace.history import HistoryEvent
from horarium.leadership import ALONE
from horarium.live_events import LiveEvent, Moved
from horarium.messages import Publish, Reload
from horarium.sql.executions import Claim, cancel_others, insert_ticks, last_ticks, mark_queued, release_buffered
from horarium.sql.queries import QUERIES
from horarium.stages import NAMED, named, tell_committed, tell_published

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    import asyncpg
    from anyio.abc import TaskStatus

    from horarium.firing import Firing
    from horarium.keyspace.due_index import DueConfig, DueIndex
    from horarium.leadership import Leads
    from horarium.messages import Mailboxes
    from horarium.sql.database import Database
    from horarium.sql.executions import Decision, TickRow
    from horarium.sql.queries import Connection
    from horarium.supervisor import ChildContext
    from horarium.tasks.broker import Publisher
    from horarium.tasks.message import TaskMessage

__all__ = ["Dispatched", "Dispatcher"]

log = structlog.get_logger(__name__)

BATCH_CONFIGS = 1000
"""Configs decided, written and published together."""

LANES = 3
"""Batches under way at once: while Postgres writes one, another is decided and a third sent."""

MOST_ROWS = 20_000
"""Rows fired before the first of them are moved on, so that a flood is not all in memory."""

PORTION_ROWS = 5000
"""Rows written and sent together: after an outage each config may have a hundred, and no transaction is for all."""

NOT_RUN: tuple[Decision, ...] = ("skip", "overlap", "buffer_full")
WAITS: tuple[Decision, ...] = ("buffer", "replace")
WRITTEN: tuple[Decision, ...] = ("run", *WAITS, *NOT_RUN)

LONGEST_SLEEP_SECONDS = 1.0
"""A stepped wall clock is noticed within this time, and so is a lease that ran out for a moment and is ours again."""

AHEAD_SECONDS = 0.02
"""How long before its tick a config is read: as long as it takes to read and decide several hundred."""

DEFERRED_SECONDS = 0.05
"""When a deferred tick is looked at again."""


@dataclass(slots=True)
class _Batch:
    """Due configs read together, and how far they have come."""

    due: list[DueConfig]
    rows: int = 0
    firings: list[Firing] = field(default_factory=list)
    cancelled: list[asyncpg.Record] = field(default_factory=list)
    published: list[TaskMessage] = field(default_factory=list)


@dataclass(slots=True)
class Dispatched:
    """What one step did: configs read, rows written, messages confirmed; `deferred` configs are still due.

    `named` are the first executions of those written.
    """

    configs: int = 0
    written: int = 0
    published: int = 0
    skipped: int = 0
    deferred: int = 0
    named: list[str] = field(default_factory=list)

    def count(self, batch: _Batch) -> None:
        """Add what became of a batch."""
        decisions = Counter(decision for firing in batch.firings for decision in firing.decisions)
        self.configs += len(batch.due)
        self.named += named(_written(batch.firings), NAMED - len(self.named))
        self.published += len(batch.published)
        self.skipped += sum(decisions[decision] for decision in NOT_RUN)
        self.written += sum(decisions[decision] for decision in WRITTEN)
        self.deferred += len(batch.due) - sum(firing.settled for firing in batch.firings)


class Dispatcher:
    """The actor."""

    def __init__(
        self,
        database: Database,
        index: DueIndex,
        broker: Publisher,
        mailboxes: Mailboxes,
        clock: Callable[[], datetime],
        *,
        leadership: Leads = ALONE,
    ) -> None:
        self._database = database
        self._index = index
        self._broker = broker
        self._mailboxes = mailboxes
        self._clock = clock
        self._leadership = leadership
        self._beat: Callable[[], None] = lambda: None

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Fire what is due, then sleep until something is, or until the loader says so."""
        assert context.inbox is not None, "the tree gives this actor a mailbox"  # noqa: S101 - a fault of the tree
        self._beat = context.beat
        task_status.started()
        while True:
            if not self._leadership.leads:
                with anyio.move_on_after(LONGEST_SLEEP_SECONDS):  # whoever becomes the leader is nudged before
                    await context.inbox.receive()
                continue
            done = await patiently(context, partial(self.step, ahead_seconds=AHEAD_SECONDS), "due ticks")
            if done.written:
                _tell(done)
            delay = DEFERRED_SECONDS if done.deferred else await patiently(context, self._until_next_tick)
            with anyio.move_on_after(delay):
                await context.inbox.receive()

    async def step(self, *, ahead_seconds: float = 0.0) -> Dispatched:
        """Dispatch everything that is due by now, or will be so many seconds ahead, when it is."""
        done, ahead = Dispatched(), timedelta(seconds=ahead_seconds)
        while batches := await self._fire_due(self._clock() + ahead, passed_over=done.deferred):
            for batch in batches:
                self._beat()
                await self._settle(batch)
                done.count(batch)
        return done

    async def _fire_due(self, by: datetime, *, passed_over: int) -> list[_Batch]:
        """Fire what is due, while the next of it is read; nothing is moved on yet, so places in the index hold."""
        batches: list[_Batch] = []
        lanes = anyio.Semaphore(LANES)
        async with anyio.create_task_group() as group:
            while sum(batch.rows for batch in batches) < MOST_ROWS:
                seen = passed_over + BATCH_CONFIGS * len(batches)
                due = await self._index.due(by, passed_over=seen, limit=BATCH_CONFIGS)
                batch = _Batch(due, rows=len(due))
                if batch.due:
                    batches.append(batch)
                    await lanes.acquire()
                    group.start_soon(self._fire, batch, lanes)
                if len(batch.due) < BATCH_CONFIGS:
                    break
        return batches

    async def _fire(self, batch: _Batch, lanes: anyio.Semaphore) -> None:
        """Decide as it will be when all of them are due; then write and publish."""
        crashpoint("dispatcher.due_read")
        now = max(self._clock(), batch.due[-1].tick)
        firings = [firing for config in batch.due if (firing := _decided(config, now)) is not None]
        batch.rows = max(batch.rows, sum(len(firing.rows) for firing in firings))
        batch.firings = firings if await self._reached(now) else []
        for portion in portions(batch.firings, PORTION_ROWS):
            self._beat()
            batch.cancelled += await self._write([f for f in portion if not f.skips_a_stretch])
            batch.cancelled += await self._catch_up([f for f in portion if f.skips_a_stretch], now)
            tell_committed(_written(portion))
            batch.published += await self._publish([message for f in portion for message in f.messages()])
        lanes.release()  # not after an error, which ends them all

    async def _reached(self, instant: datetime) -> bool:
        """Wait for an instant a moment ahead; False when the clock was set back meanwhile, and it is far away."""
        while (left := (instant - self._clock()).total_seconds()) > 0:
            if left > 2 * AHEAD_SECONDS:
                return False
            await anyio.sleep(left)
        return True

    async def _settle(self, batch: _Batch) -> None:
        """Say in the ledger what was sent, then advance: nobody waits for this any more."""
        if batch.published:
            async with self._database.connection() as connection:
                await mark_queued(connection, [Claim(m.execution_id, m.attempt) for m in batch.published])
            crashpoint("dispatcher.marked_queued")
            self._mailboxes.record(Moved.now("queued", batch.published))
        await self._advance([f for f in batch.firings if not f.stale])
        fired = {f.due.config_id for f in batch.firings if not f.stale}
        self._reload([due.config_id for due in batch.due if due.config_id not in fired])
        self._tell_waiting(batch)
        self._tell_skipped(batch.firings)
        for row in batch.cancelled:
            tell_cancelled(row, self._mailboxes.record)

    async def _write(self, firings: Sequence[Firing]) -> list[asyncpg.Record]:
        """Write single ticks: any number of dispatchers may, the unique key leaves each one row."""
        if not firings:
            return []
        async with self._database.transaction() as connection:
            await QUERIES.task_config_hold.rows(connection, ids=[f.due.config_id for f in firings])
            await _insert(connection, firings)
            cancelled = await _make_room(connection, firings)
            crashpoint("dispatcher.ticks_inserted")
        crashpoint("dispatcher.ticks_committed")
        return cancelled

    async def _catch_up(self, firings: Sequence[Firing], now: datetime) -> list[asyncpg.Record]:
        """Write stretches of ticks, planned from what the ledger holds: the index may lag behind it after a crash."""
        if not firings:
            return []
        ids = [f.due.config_id for f in firings]
        async with self._database.transaction() as connection:
            held = {row["id"]: row for row in await QUERIES.task_config_lock.rows(connection, ids=ids)}
            last = await last_ticks(connection, ids)
            for firing in firings:
                config = held.get(firing.due.config_id)
                if config is not None:
                    since = config["scheduled_from"]
                    firing.decide_again(max(since, last.get(config["id"], since)), now)
            await _insert(connection, firings)
            cancelled = await _make_room(connection, firings)
            crashpoint("dispatcher.catch_up_inserted")
        crashpoint("dispatcher.catch_up_committed")
        return cancelled

    async def _publish(self, messages: list[TaskMessage]) -> list[TaskMessage]:
        """Send messages and answer those that the broker holds; the publisher sees to the others."""
        if not messages:
            return []
        try:
            await self._broker.publish(messages)
        except Unavailable as error:
            log.warning("publish.failed", executions=len(messages), task_ids=named(messages), error=str(error))
            self._mailboxes.publisher.send_nowait(Publish(tuple(m.execution_id for m in messages)))
            return []
        crashpoint("dispatcher.published")
        tell_published(messages)
        return messages

    async def _advance(self, firings: Sequence[Firing]) -> None:
        """Move the index on; a config that has no tick left becomes inactive first."""
        ended = [firing.due for firing in firings if firing.cursor is None]
        if ended:
            async with self._database.connection() as connection:
                rows = await QUERIES.task_config_exhaust.rows(
                    connection, ids=[due.config_id for due in ended], versions=[due.version for due in ended]
                )
            crashpoint("dispatcher.exhausted")
            self._mailboxes.record(*(LiveEvent.of_config(row["id"], "stopped", reason="no_tick_left") for row in rows))
        moves = [Advance(f.due.config_id, f.due.version, f.due.tick, f.moves_to) for f in firings]
        await self._index.advance([move for move in moves if move.following != move.tick])
        crashpoint("dispatcher.advanced")

    def _reload(self, config_ids: list[int]) -> None:
        """Ask for entries that do not match Postgres to be made anew; the loader's own comparison finds them too."""
        if config_ids and self._mailboxes.loader.depth < self._mailboxes.loader.capacity:
            self._mailboxes.loader.send_nowait(Reload(tuple(config_ids)))

    def _tell_waiting(self, batch: _Batch) -> None:
        """Tell of rows that wait: for their turn, or for a broker that is away."""
        waits = WAITS if batch.published else ("run", *WAITS)
        waiting = [
            row
            for firing in batch.firings
            for row, decision in zip(firing.rows, firing.decisions, strict=True)
            if decision in waits
        ]
        if waiting:
            self._mailboxes.record(Moved.now("pending", waiting))

    def _tell_skipped(self, firings: Sequence[Firing]) -> None:
        events = [
            _skipped(row, decision)
            for firing in firings
            for row, decision in zip(firing.rows, firing.decisions, strict=True)
            if decision in NOT_RUN
        ]
        if events:
            self._mailboxes.record(*events)

    async def _until_next_tick(self) -> float:
        """Seconds until the next tick is to be read, and not longer than a stepped clock may go unnoticed."""
        tick = await self._index.next_tick()
        if tick is None:
            return LONGEST_SLEEP_SECONDS
        left = (tick - self._clock()).total_seconds() - AHEAD_SECONDS
        return min(max(left, 0.0), LONGEST_SLEEP_SECONDS)


def _tell(done: Dispatched) -> None:
    """One line a step, however many ticks: it names the first of them."""
    log.info(
        "ticks.dispatched",
        written=done.written,
        published=done.published,
        skipped=done.skipped,
        deferred=done.deferred,
        task_ids=done.named,
    )


def _decided(due: DueConfig, now: datetime) -> Firing | None:
    """The firing of a due config; None for an entry that is missing or makes no sense, which is loaded anew."""
    if not due.spec:
        return None
    try:
        return decide(due, first_undecided(due), now)
    except Exception:  # one bad entry must not keep the others from firing
        log.exception("due_entry.unreadable", config_id=due.config_id)
        return None


def _written(firings: Sequence[Firing]) -> Iterator[TickRow]:
    """The rows that are in the ledger now."""
    for firing in firings:
        for row, decision in zip(firing.rows, firing.decisions, strict=True):
            if decision in WRITTEN:
                yield row


async def _insert(connection: Connection, firings: Sequence[Firing]) -> None:
    """Write the rows of all firings, and note what became of each."""
    rows = [row for firing in firings for row in firing.rows]
    left = iter(await insert_ticks(connection, rows) if rows else ())
    for firing in firings:
        firing.decisions = list(islice(left, len(firing.rows)))


async def _make_room(connection: Connection, firings: Sequence[Firing]) -> list[asyncpg.Record]:
    """Cancel what ticks replace (overlap `cancel_other`); a tick that has to wait for nothing then runs at once.

    Returns the executions that are cancelled now; what runs is asked to stop, and its end lets the tick go.
    """
    replacing = [firing for firing in firings if "replace" in firing.decisions]
    if not replacing:
        return []
    config_ids = [firing.due.config_id for firing in replacing]
    asked = await cancel_others(connection, config_ids, keep=[i for f in replacing for i in f.ids_of("replace")])
    released = {row["id"] for row in await release_buffered(connection, config_ids)}
    for firing in replacing:
        firing.run(released)
    return [row for row in asked if row["status"] == "cancelled"]


def _skipped(row: TickRow, decision: Decision) -> HistoryEvent:
    return HistoryEvent.now(
        row.config_id,
        "skipped",
        task_id=str(row.execution_id),
        tick_at=row.tick_at,
        tick_until=row.tick_until,
        tick_count=row.tick_count if row.tick_count > 1 else None,
        reason=row.reason or decision,
    )
