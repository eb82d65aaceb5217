"""A small world around one ledger: configs, a dispatcher that may die half-way, a broker that repeats itself, workers.

Everything that acts is the real thing over real servers, driven step by step (`tests.support.rig`). The world keeps its
own books of what must be true (`tests.support.books`), and knows which attempts are really at work and where
(`at_work`). `check` holds the ledger against them after every step; `settle` lets everything come to its end and then
asks for the whole promise.

Seconds pass for all clocks at once: the rig's is moved on, and every instant in the ledger is moved back.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING
from unittest.mock import patch

from horarium.actors.cleanup import Cleanup, Retention
from horarium.actors.timeout_sweeper import TimeoutSweeper
from horarium.errors import Unavailable
from horarium.keyspace.orphans import Orphans
from horarium.keyspace.workers import WorkerBeat
from horarium.model import BackfillRequest
from horarium.outcome import Succeeded, decide
from horarium.sql.executions import Claim
from tests.support.config_lives import ConfigLives
from tests.support.limited import limit, unlimit
from tests.support.rig import NOON
from tests.support.together import Gate, SharedReading, at_once

if TYPE_CHECKING:
    from collections.abc import Iterator

    from horarium.outcome import Attempt, Outcome
    from horarium.tasks.ledger import Ledger

__all__ = ["GRACES", "PHASES", "SWEPT", "WORKERS", "World"]

WORKERS = ("one worker", "another worker")
PHASES = {
    "before the commit": "horarium.actors.dispatcher._make_room",
    "after the commit": "horarium.actors.dispatcher.Dispatcher._publish",
    "after the publish": "horarium.actors.dispatcher.mark_queued",
    "after the mark": "horarium.keyspace.due_index.DueIndex.advance",
}
"""When a dispatcher dies, and what is called in that moment."""

GRACES = ("GONE_SECONDS", "DEADLINE_GRACE_SECONDS", "CANCEL_GRACE_SECONDS")
"""What a sweeper leaves to workers: nothing, in this world."""

AGE = """
UPDATE executions SET
    created_at = created_at - make_interval(secs => $1), queued_at = queued_at - make_interval(secs => $1),
    started_at = started_at - make_interval(secs => $1), deadline_at = deadline_at - make_interval(secs => $1),
    retry_at = retry_at - make_interval(secs => $1)
WHERE completed_at IS NULL
"""
SWEPT = ("timed_out", "orphaned", "cancelled", "freed", "resumed")
"""What a sweep ends or frees, as `Swept` names it."""

RETRIED = ("failed", "timeout", "cancelled", "lost", "skipped")
BACKFILLED = timedelta(seconds=120)
LONG_AFTER = timedelta(days=60)
"""When cleanup looks: all that is final by now is older than it is kept."""

ROUNDS = 400
"""In which everything has to come to its end; each lets one execution of each config go."""


class Crash(Exception):
    """The process dies here."""


@dataclass(frozen=True)
class AtWork:
    """A task that really runs; `scheduled`: for a tick, and not by hand."""

    attempt: Attempt
    worker: str
    scheduled: bool


@dataclass
class World(ConfigLives):
    """The books, and everything that can happen."""

    at_work: list[AtWork] = field(default_factory=list)
    zombies: list[AtWork] = field(default_factory=list)
    deaths: Counter[str] = field(default_factory=Counter)
    ledgers: dict[str, Ledger] = field(default_factory=dict)
    most_running: int | None = None
    delivered: int = 0
    latest: datetime = NOON

    @cached_property
    def sweeper(self) -> TimeoutSweeper:
        """One that goes by the servers' clock, as its deadlines do."""
        rig = self.rig
        return TimeoutSweeper(
            rig.database,
            rig.timeouts,
            rig.workers,
            rig.mailboxes,
            clock=lambda: datetime.now(UTC),
            end_pauses=rig.task_configs.end_pauses,
        )

    # What else users do

    async def retry(self, pick: int) -> None:
        """Do something once more that has not succeeded."""
        there = {config for config in self.eras if await self._status(config)}
        over = [row for row in await self._rows() if row["status"] in RETRIED and row["tick_count"] == 1]
        mine = [row for row in over if row["config_id"] in there]
        if mine:
            await self.rig.executions.retry(mine[pick % len(mine)]["id"])
            self.tally["retried by hand"] += 1

    async def backfill(self, config: int) -> None:
        """Run what the last seconds had to be run, whether they were owed or not."""
        if await self._status(config):
            now = self.rig.clock.now
            done = await self.rig.backfills.make(config, BackfillRequest(start=now - BACKFILLED, end=now))
            self.tally["backfilled"] += done.created

    async def limit(self, most_running: int) -> None:
        """So many of all configs together may run from now on."""
        await limit(self.rig, "task_type", "echo", max_running=most_running)
        self.most_running = most_running
        self.tally["limits set"] += 1

    async def lift_limit(self) -> None:
        if self.most_running is not None:
            await unlimit(self.rig, "task_type", "echo")
            self.most_running = None
            self.tally["limits lifted"] += 1

    # Time, and the supervisor's side

    async def pass_time(self, seconds: float) -> None:
        self.rig.clock.passes(seconds)
        self.latest = max(self.latest, self.rig.clock.now)
        await self._age(seconds)

    async def set_clock_back(self, seconds: float) -> None:
        """The supervisor's own; the servers' goes on."""
        self.rig.clock.passes(-seconds)
        self.tally["clock set back"] += 1

    async def dispatch(self) -> None:
        done = await self.rig.dispatcher().step()
        self.tally["ticks written"] += done.written

    async def dispatch_twice_at_once(self) -> None:
        """Two that lead have read the same before one of them acts."""
        gate = Gate()
        await at_once(*(self.rig.dispatcher(SharedReading(self.rig, gate)).step for _ in range(2)))
        self.tally["two dispatchers"] += 1

    async def dispatch_and_die(self, phase: str) -> None:
        try:
            with _dying_in(PHASES[phase]):
                await self.rig.dispatcher().step()
        except* Crash:
            self.tally[f"died {phase}"] += 1

    async def publish(self) -> None:
        try:
            await self.rig.publisher().step()
        except Unavailable:
            assert self.rig.broker.away
            self.tally["found the broker away"] += 1

    async def broker_goes_and_comes(self) -> None:
        self.rig.broker.away = True
        await self.dispatch()
        await self._age(10)  # so that the publisher looks at what was written
        await self.publish()
        self.rig.broker.away = False

    async def clean_up(self) -> None:
        """Everything that is final has its age, and goes, as far as it may."""
        before = await self._rows()
        cleanup = Cleanup(
            self.rig.database,
            Orphans(self.rig.redis, self.rig.keys),
            Retention(timedelta(days=30), 0),
            clock=lambda: datetime.now(UTC) + LONG_AFTER,
        )
        await cleanup.step()
        left = {row["id"] for row in await self._rows()}
        gone = [row for row in before if row["id"] not in left]
        assert [row for row in gone if row["completed_at"] is None or row["held_by"] is not None] == []
        self.gone += gone
        self.tally["cleaned up"] += len(gone)

    async def flush(self) -> None:
        await self.rig.redis.flushdb()
        self.rig.broker.forget()
        self.delivered = 0
        self.tally["flushes"] += 1

    async def loader_sleeps(self) -> None:
        """Changes are not brought to the index until the loader looks for them itself."""
        self.rig.loader_answers = False

    async def look_at_index(self) -> None:
        self.rig.loader_answers = True
        await self.rig.loader._look(1)
        await self.rig.loader.compare_all()

    async def sweep(self) -> None:
        for slot in WORKERS:
            await self.rig.workers.beat(WorkerBeat(self._worker(slot), ("default",), 1, 1, "now"))
        swept = await self.sweeper.step()
        for what in SWEPT:
            self.tally[f"swept: {what}"] += getattr(swept, what)

    async def cancel(self, pick: int) -> None:
        open_rows = [row for row in await self._rows() if row["completed_at"] is None]
        if open_rows:
            await self.rig.executions.cancel(open_rows[pick % len(open_rows)]["id"])
            self.tally["cancelled by hand"] += 1

    # The workers' side

    async def deliver(self, slot: str) -> None:
        """The next message in the queue reaches a worker."""
        if self.delivered < len(self.rig.broker.sent):
            self.delivered += 1
            await self._claim(self.delivered - 1, self._worker(slot))

    async def deliver_again(self, pick: int, slot: str) -> None:
        """Some message reaches a worker that may have reached one before."""
        if self.rig.broker.sent:
            self.tally["delivered again"] += 1
            await self._claim(pick % len(self.rig.broker.sent), self._worker(slot))

    async def end(self, pick: int, outcome: Outcome) -> None:
        """A task ends, and its worker says so."""
        if self.at_work:
            ended = self.at_work.pop(pick % len(self.at_work))
            await self._say(ended, outcome)

    async def heed_ledger(self) -> None:
        """Workers stop what was cancelled, and what was ended without them."""
        for each in list(self.at_work):
            mine = [Claim(each.attempt.execution_id, each.attempt.attempt)]
            for outcome in (await self._ledger(each.worker).to_stop(mine)).values():
                self.at_work.remove(each)
                await self._say(each, outcome)

    async def worker_dies(self, slot: str) -> None:
        """The process is gone, and with it what it ran; a word of it may still be on its way."""
        gone = self._worker(slot)
        self.deaths[slot] += 1
        await self.rig.workers.leave(gone)
        dead = [each for each in self.at_work if each.worker == gone]
        self.at_work = [each for each in self.at_work if each.worker != gone]
        self.zombies += dead
        self.tally["attempts whose worker died"] += len(dead)

    async def late_word(self, pick: int) -> None:
        if self.zombies:
            await self._say(self.zombies[pick % len(self.zombies)], Succeeded("late"))

    # The promise

    async def settle(self) -> None:
        """Let everything come to its end: then every tick has its one row, and every row is final."""
        self.rig.clock.now = self.latest
        for config in self.eras:
            await self.resume(config)
        for _ in range(ROUNDS):
            await self._live_on()
            await self.check()
            if await self._all_is_over():
                break
        rows = await self._rows()
        assert {row["status"] for row in rows if row["completed_at"] is None} == set(), rows
        self.check_all_written(rows)
        self.tally["ticks settled"] += sum(len(self._owed(config)) for config in self.eras)

    async def _live_on(self) -> None:
        await self.look_at_index()
        await self._age(10)
        await self.dispatch()
        await self.publish()
        while self.delivered < len(self.rig.broker.sent) or self.at_work:
            while self.delivered < len(self.rig.broker.sent):
                await self.deliver(WORKERS[0])
            while self.at_work:
                await self.end(0, Succeeded("settled"))
        await self.sweep()

    async def _all_is_over(self) -> bool:
        due = await self.rig.index.due(self.rig.clock.now, passed_over=0, limit=1)
        return not due and not await self.rig.sql("SELECT count(*) FROM executions WHERE completed_at IS NULL")

    def _ledger(self, worker: str) -> Ledger:
        """A worker's hold on the ledger, the same for as long as it lives."""
        return self.ledgers.setdefault(worker, self.rig.ledger(worker))

    def _worker(self, slot: str) -> str:
        """The id of the worker there now: each incarnation has its own."""
        return f"{slot}:{self.deaths[slot]}"

    async def _age(self, seconds: float) -> None:
        """Let seconds pass in the ledger; the index of deadlines is left to be made again."""
        await self.rig.sql(AGE, seconds)
        await self.rig.timeouts.unwatch(list(await self.rig.timeouts.watched()))

    async def _claim(self, number: int, worker: str) -> None:
        message = self.rig.broker.sent[number]
        attempt = await self._ledger(worker).claim(Claim(message.execution_id, message.attempt))
        if attempt is None:
            self.tally["found waiting for room"] += await self.rig.sql(
                "SELECT count(*) FROM executions WHERE id = $1 AND limited", message.execution_id
            )
            return
        if any(each.attempt.execution_id == attempt.execution_id and each.worker == worker for each in self.at_work):
            return  # claimed by the same worker before: it knows that it has it in hand
        trigger = (await self.rig.row(attempt.execution_id))["trigger"]
        mine = AtWork(attempt, worker, scheduled=trigger in ("schedule", "backfill"))
        self._begins(mine)
        self.at_work.append(mine)
        self.tally["attempts begun"] += 1

    def _begins(self, mine: AtWork) -> None:
        """Rule 2, each config's overlap policy, and the limit: nothing that must not runs beside it."""
        assert self.most_running is None or len(self.at_work) < self.most_running, "more run than the limit says"
        beside = [each.attempt.execution_id for each in self.at_work]
        assert mine.attempt.execution_id not in beside, "two attempts of one execution run at once"
        config = mine.attempt.config_id
        assert config is not None
        if mine.scheduled and config not in self.lets_overlap:
            same = [each for each in self.at_work if each.attempt.config_id == config and each.scheduled]
            assert same == [], "two ticks of one config run at once"

    async def _say(self, which: AtWork, outcome: Outcome) -> None:
        """A worker's word on an attempt is taken if it is the attempt that runs, and refused if not."""
        attempt = which.attempt
        rows = [row for row in await self._rows() if row["id"] == attempt.execution_id]
        current = [(row["status"], row["attempt"]) for row in rows] == [("running", attempt.attempt)]
        said = await self._ledger(which.worker).finish(attempt, decide(attempt, outcome, rand=lambda: 0.5))
        assert (said is not None) == current, (rows, outcome)
        self.tally["words refused" if said is None else "words taken"] += 1


@contextmanager
def _dying_in(function: str) -> Iterator[None]:
    """Whoever calls this function dies."""

    async def die(*_: object, **__: object) -> None:
        raise Crash

    with patch(function, die):
        yield
