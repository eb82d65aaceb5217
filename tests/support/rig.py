"""The ledger and the due index over real servers, the actors that work on them, and a clock that tests move.

    emptied_ledger   function   URL of a migrated database in which nothing is stored; one, emptied before each test,
                                because making and dropping a database takes half a second, a third of it of a
                                processor, and there are many tests
    rig              function   everything below, over it and over an empty Redis database
    own_rig          function   the same over a database of its own, for tests that change its schema
    relayed_rig      function   the same over a Redis that is a network away

Actors are made by the rig and driven by their steps. The schedule loader's part is played by its own steps too: what
is asked of it is noted in `asked` and done at once, unless the test says `loader_answers = False`.
"""

from __future__ import annotations

import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import count
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest

from horarium.actors.auditor import Auditor
from horarium.actors.cleanup import Cleanup, Retention
from horarium.actors.dispatcher import Dispatcher
from horarium.actors.history_writer import HistoryWriter
from horarium.actors.leader import Leader
from horarium.actors.publisher import Publisher
from horarium.actors.schedule_loader import ScheduleLoader
from horarium.actors.timeout_sweeper import TimeoutSweeper
from horarium.applying import Applying
from horarium.audit import Audit
from horarium.backfill import Backfills
from horarium.executions import Executions
from horarium.keyspace.due_index import DueIndex
from horarium.keyspace.event_stream import EventStream
from horarium.keyspace.history import History, HistoryEvent
from horarium.keyspace.keys import Keys
from horarium.keyspace.orphans import Orphans
from horarium.keyspace.pool import connect
from horarium.keyspace.timeouts import TimeoutIndex, Watch
from horarium.keyspace.workers import Workers
from horarium.leadership import Leadership
from horarium.lifecycle import TaskConfigs
from horarium.messages import Mailboxes, Reload
from horarium.model import RunRequest, TaskConfigCreate
from horarium.sql import executions
from horarium.sql.database import Database
from horarium.sql.executions import Claim
from horarium.sql.migrator import migrate
from horarium.supervisor import EventRing
from horarium.tasks.ledger import Ledger
from horarium.tasks.registry import TaskTypes, import_task_modules
from horarium.witness import Witness
from tests.support.brokers import RecordingBroker
from tests.support.coverage import Faults, expected_ticks, faults
from tests.support.relay import relayed
from tests.support.servers import _execute, fresh_database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from uuid import UUID

    import asyncpg
    from anyio.from_thread import BlockingPortal
    from redis.asyncio import Redis

    from horarium.actors.dispatcher import Dispatched
    from horarium.live_events import Told
    from horarium.outcome import Attempt
    from horarium.supervisor import Supervisor
    from horarium.tasks.broker import Publisher as Broker

__all__ = [
    "NOON",
    "Clock",
    "Rig",
    "a_rig",
    "anyio_backend",
    "emptied_ledger",
    "migrated_database",
    "own_rig",
    "relayed_rig",
    "rig",
]

NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)
"""When the clock of every test starts; a Wednesday."""

EMPTY = """
DO $$
DECLARE
    name text;
BEGIN
    SET LOCAL session_replication_role = replica;  -- in any order, and nobody is told
    FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' AND tablename <> 'schema_migrations' LOOP
        EXECUTE format('DELETE FROM %I', name);
    END LOOP;
END $$
"""


@dataclass
class Clock:
    """The present: what it was set to, and `step` later each time it is read."""

    now: datetime = NOON
    step: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def is_real(self) -> None:
        """Stand at the servers' own time, for what is measured by theirs."""
        self.now = datetime.now(UTC)


@dataclass
class Rig:
    """What a test of an actor talks to."""

    database: Database
    redis: Redis
    keys: Keys = field(default_factory=Keys)
    clock: Clock = field(default_factory=Clock)
    broker: RecordingBroker = field(default_factory=RecordingBroker)
    mailboxes: Mailboxes = field(default_factory=Mailboxes)
    asked: list[tuple[int, ...]] = field(default_factory=list)
    loader_answers: bool = True
    numbers: count[int] = field(default_factory=lambda: count(1))

    @cached_property
    def index(self) -> DueIndex:
        return DueIndex(self.redis, self.keys)

    @cached_property
    def history(self) -> History:
        return History(self.redis, self.keys)

    @cached_property
    def stream(self) -> EventStream:
        return EventStream(self.redis, self.keys)

    @cached_property
    def timeouts(self) -> TimeoutIndex:
        return TimeoutIndex(self.redis, self.keys)

    @cached_property
    def workers(self) -> Workers:
        return Workers(self.redis, self.keys)

    @cached_property
    def task_types(self) -> TaskTypes:
        import_task_modules(())
        return TaskTypes()

    @cached_property
    def task_configs(self) -> TaskConfigs:
        return TaskConfigs(self.database, self.task_types, self.mailboxes, clock=self.clock)

    @cached_property
    def applying(self) -> Applying:
        return Applying(self.database, self.task_types, self.mailboxes, clock=self.clock)

    @cached_property
    def backfills(self) -> Backfills:
        return Backfills(self.database, self.task_types, self.mailboxes, clock=self.clock)

    @cached_property
    def executions(self) -> Executions:
        return Executions(self.database, self.task_types, self.mailboxes)

    @cached_property
    def loader(self) -> ScheduleLoader:
        return ScheduleLoader(self.database, self.index, self.mailboxes)

    @cached_property
    def sweeper(self) -> TimeoutSweeper:
        return TimeoutSweeper(
            self.database,
            self.timeouts,
            self.workers,
            self.mailboxes,
            clock=self.clock,
            end_pauses=self.task_configs.end_pauses,
        )

    def ledger(self, worker: str = "a worker") -> Ledger:
        """A worker's hold on the ledger."""
        return Ledger(self.database, self.broker, self.timeouts, worker, self.mailboxes.record)

    async def empty(self) -> None:
        """Begin again: nothing stored anywhere, the clock at noon."""
        async with self.database.connection() as connection:
            await connection.execute(EMPTY)
        await self.redis.flushdb()
        self.broker.forget()
        self.clock.now = NOON
        self.loader_answers = True
        self.events()

    def dispatcher(self, index: DueIndex | None = None) -> Dispatcher:
        """A dispatcher, as new as after a restart."""
        return Dispatcher(self.database, index or self.index, self.broker, self.mailboxes, self.clock)

    def publisher(self, broker: Broker | None = None) -> Publisher:
        return Publisher(self.database, broker or self.broker, tell=self.mailboxes.record)

    def history_writer(self, ring: EventRing | None = None) -> HistoryWriter:
        """One beside a supervisor that has seen these events."""
        supervisor = cast("Supervisor", SimpleNamespace(events=ring or EventRing()))
        witness = Witness(self.mailboxes.history, lambda: supervisor, "this process")
        return HistoryWriter(self.history, self.stream, witness)

    def leader(self, name: str, clock: Callable[[], float] = time.monotonic) -> tuple[Leader, Leadership]:
        """The leader actor of a process of this name, and what that process knows by it."""
        leadership = Leadership(name, clock)
        return Leader(self.database, leadership, self.mailboxes), leadership

    def auditor(self) -> tuple[Auditor, Audit]:
        """An auditor, and what it will have found."""
        audit = Audit()
        return Auditor(self.database, self.workers, audit, clock=self.clock), audit

    def cleanup(self, *, days: float = 30, rows: int = 0) -> Cleanup:
        retention = Retention(timedelta(days=days), rows)
        return Cleanup(self.database, Orphans(self.redis, self.keys), retention, clock=self.clock)

    async def answer_reloads(self) -> None:
        """Play the loader's part until cancelled."""
        with self.mailboxes.loader.bind() as inbox:
            async for message in inbox:
                self.asked.append(message.config_ids)
                if self.loader_answers:
                    await self.loader.reload(message.config_ids)
                message.reply.set(None)

    async def config(self, **fields: object) -> int:
        """The id of a new config: by default one that echoes every second, and any number of times at once."""
        number = next(self.numbers)
        every_second = {
            "name": f"config {number}",
            "task_type": "echo",
            "parameters": {"message": f"hello {number}"},
            "scheduler_type": "cron",
            "schedule_config": {"cron_expression": "* * * * * *"},
            "overlap": "allow_all",
        }
        row = await self.task_configs.create(TaskConfigCreate.model_validate(every_second | fields))
        return int(row["id"])

    async def fire(self, *, after: float = 0) -> Dispatched:
        """What a dispatcher does that steps `after` so many seconds."""
        self.clock.passes(after)
        return await self.dispatcher().step()

    async def fire_each_second(self, times: int) -> None:
        for _ in range(times):
            await self.fire(after=1)

    async def finish_and_fire(self, times: int) -> None:
        """Let what runs succeed, then step, again and again."""
        for _ in range(times):
            await self.finish_all()
            await self.fire()

    async def manual_run(self, config_id: int) -> UUID:
        return await self.task_configs.run(config_id, RunRequest(), idempotency_key=None)

    async def running(self, config_id: int, *, worker: str = "a worker") -> Attempt:
        """A new execution by hand, claimed and watched."""
        execution_id = await self.manual_run(config_id)
        return await self.claimed(execution_id, worker=worker)

    async def claimed(self, execution_id: UUID, *, attempt: int = 1, worker: str = "a worker") -> Attempt:
        async with self.database.connection() as connection:
            (won,) = await executions.claim(connection, worker, [Claim(execution_id, attempt)])
        assert won is not None
        await self.timeouts.watch([Watch(won.execution_id, won.attempt, won.deadline_at)])
        return won

    async def rows(self, config_id: int) -> list[asyncpg.Record]:
        """The config's rows, in the order of their ticks and then of their making."""
        async with self.database.connection() as connection:
            return await connection.fetch(
                "SELECT * FROM executions WHERE config_id = $1 ORDER BY tick_at NULLS LAST, id", config_id
            )

    async def said_of(self, config_id: int) -> list[tuple[Any, ...]]:
        """Of each row: how many seconds after noon its tick was, how many ticks it stands for, its status, reason."""
        return [
            ((row["tick_at"] - NOON).total_seconds(), row["tick_count"], row["status"], row["reason"])
            for row in await self.rows(config_id)
        ]

    async def row(self, execution_id: UUID) -> asyncpg.Record:
        async with self.database.connection() as connection:
            found = await connection.fetchrow("SELECT * FROM executions WHERE id = $1", execution_id)
        assert found is not None
        return found

    async def config_row(self, config_id: int) -> asyncpg.Record:
        async with self.database.connection() as connection:
            found = await connection.fetchrow("SELECT * FROM task_configs WHERE id = $1", config_id)
        assert found is not None
        return found

    async def status(self, config_id: int) -> str:
        return str((await self.config_row(config_id))["status"])

    async def sql(self, statement: str, *values: object) -> Any:
        """Run a statement; returns its first value."""
        async with self.database.connection() as connection:
            return await connection.fetchval(statement, *values)

    async def age(self, seconds: float) -> None:
        """Make every row of the ledger look so much older."""
        await self.sql(
            "UPDATE executions SET created_at = created_at - make_interval(secs => $1),"
            " queued_at = queued_at - make_interval(secs => $1), retry_at = retry_at - make_interval(secs => $1)",
            seconds,
        )

    async def finish_all(self) -> None:
        """Let everything that is in flight succeed."""
        await self.sql(
            "UPDATE executions SET status = 'success', buffered = false, completed_at = clock_timestamp()"
            " WHERE completed_at IS NULL"
        )

    async def faults(self, config_id: int, *, after: datetime = NOON, until: datetime | None = None) -> Faults:
        """What is wrong with a config's rows, for the ticks it has owed since `after`."""
        ticks = expected_ticks(await self.config_row(config_id), after, until or self.clock.now)
        return faults(await self.rows(config_id), ticks)

    async def next_tick(self, config_id: int) -> float | None:
        """Where the index has the config, in seconds after noon."""
        tick = (await self.index.ticks([config_id])).get(config_id)
        return None if tick is None else (tick - NOON).total_seconds()

    async def requests(self) -> list[tuple[int, ...]]:
        """What the loader has been asked for, once it has done all of it."""
        await self.mailboxes.loader.ask(lambda reply: Reload((), reply))
        return [asked for asked in self.asked if asked]

    def events(self) -> list[HistoryEvent]:
        """What has been told to the history, oldest first."""
        return [each for each in self.told() if isinstance(each, HistoryEvent)]

    def told(self) -> list[Told]:
        """All that has been recorded, for the history and for the stream of events, oldest first."""
        with self.mailboxes.history.bind() as inbox:
            return [each for _ in range(self.mailboxes.history.depth) for each in inbox.receive_nowait()]


@asynccontextmanager
async def a_rig(database_url: str, redis_url: str) -> AsyncIterator[Rig]:
    redis = connect(redis_url)
    try:
        async with Database(database_url) as database, anyio.create_task_group() as group:
            await migrate(database)
            made = Rig(database, redis)
            group.start_soon(made.answer_reloads)
            yield made
            group.cancel_scope.cancel()
    finally:
        await redis.aclose()


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def migrated_database(server_portal: BlockingPortal, postgres_url: str, template_database: str) -> Iterator[str]:
    with fresh_database(server_portal, postgres_url, template_database) as url:
        yield url


@pytest.fixture
def emptied_ledger(server_portal: BlockingPortal, migrated_database: str) -> str:
    server_portal.call(_execute, migrated_database, EMPTY)
    return migrated_database


@pytest.fixture
async def rig(emptied_ledger: str, redis_db: str) -> AsyncIterator[Rig]:
    async with a_rig(emptied_ledger, redis_db) as made:
        yield made


@pytest.fixture
async def own_rig(database_url: str, redis_db: str) -> AsyncIterator[Rig]:
    async with a_rig(database_url, redis_db) as made:
        yield made


@pytest.fixture
async def relayed_rig(emptied_ledger: str, redis_db: str) -> AsyncIterator[Rig]:
    async with relayed(redis_db) as url, a_rig(emptied_ledger, url) as made:
        yield made
