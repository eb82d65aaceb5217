"""A worker over real servers, without the tree around it: rows and messages go in, the ledger says what came out."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

import anyio
from uuid_utils.compat import uuid7

from horarium.actors.publisher import Publisher
from horarium.errors import Unavailable
from horarium.executions import Executions
from horarium.keyspace.history import HistoryEvent
from horarium.keyspace.keys import Keys
from horarium.keyspace.pool import connect
from horarium.keyspace.timeouts import TimeoutIndex
from horarium.messages import Mailboxes
from horarium.model import TaskConfigCreate
from horarium.sql.database import Database
from horarium.sql.executions import Claim, claim
from horarium.sql.migrator import migrate
from horarium.sql.queries import QUERIES
from horarium.tasks.addresses import Opening
from horarium.tasks.egress import Egress
from horarium.tasks.ledger import Ledger
from horarium.tasks.message import TaskMessage
from horarium.tasks.receiver import LedgerReceiver
from horarium.tasks.registry import TaskTypes, import_task_modules
from horarium.tasks.stream_broker import StreamBroker
from horarium.tasks.sync_pool import SyncPool
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    import asyncpg
    from taskiq import AsyncBroker

    from horarium.live_events import Told
    from horarium.outcome import Attempt, Ending
    from horarium.sql.executions import Finished

__all__ = ["WORKER", "FaultyLedger", "Workbench", "a_workbench"]

WORKER = "worker-of-tests"


class FaultyLedger(Ledger):
    """A ledger whose Postgres is away for the next few finishes, or goes after a claim and before its answer.

    `before_answer` is what happens between the next claim and its answer.
    """

    finishes_away = 0
    refused = 0
    claim_answers_lost = 0
    before_answer: Callable[[], Awaitable[None]] | None = None

    async def claim(self, claim: Claim) -> Attempt | None:
        """As the real one, but for the answer."""
        attempt = await super().claim(claim)
        if self.before_answer is not None:
            happens, self.before_answer = self.before_answer, None
            await happens()
        if self.claim_answers_lost:
            self.claim_answers_lost -= 1
            raise Unavailable("Postgres")
        return attempt

    async def finish(self, attempt: Attempt, ending: Ending) -> Finished | None:
        """As the real one, once Postgres is back."""
        if self.refused < self.finishes_away:
            self.refused += 1
            raise Unavailable("Postgres")
        return await super().finish(attempt, ending)


@dataclass
class Workbench:
    """Everything a test of the worker's side talks to."""

    database: Database
    broker: StreamBroker
    ledger: FaultyLedger
    receiver: LedgerReceiver
    events: list[HistoryEvent]
    mailboxes: Mailboxes = field(default_factory=Mailboxes)
    finish: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def publisher(self) -> Publisher:
        """The actor that sends what waits."""
        return Publisher(self.database, self.broker)

    async def row(self, task_type: str, parameters: dict[str, Any] | None = None, **policies: object) -> UUID:
        """A row that waits for its message."""
        wanted = TaskConfigCreate.model_validate(
            {"name": f"config {uuid7()}", "task_type": task_type, "parameters": parameters or {}}
            | {"scheduler_type": "manual", "queue": "default"}
            | policies
        )
        async with self.database.transaction() as connection:
            config = await QUERIES.task_config_insert.row(
                connection, **wanted.model_dump(), scheduled_from=datetime.now(UTC), created_by=None
            )
            assert config is not None
            made = await QUERIES.execution_insert_run.value(
                connection, id=uuid7(), config_id=config["id"], parameters=wanted.parameters, idempotency_key=None
            )
        return cast("UUID", made)

    async def send(self, execution_id: UUID, *, attempt: int = 1) -> None:
        """A message of the execution, whatever the ledger thinks of it."""
        row = await self.read(execution_id)
        await self.broker.publish(
            [
                TaskMessage(
                    execution_id,
                    attempt,
                    row["config_id"],
                    row["task_type"],
                    "manual",
                    None,
                    row["parameters"],
                    "default",
                    5,
                )
            ]
        )

    async def run(self, task_type: str, parameters: dict[str, Any] | None = None, **policies: object) -> asyncpg.Record:
        """The row of a task that was run, once its attempt has ended."""
        execution_id = await self.row(task_type, parameters, **policies)
        await self.send(execution_id)
        return await self.ended(execution_id)

    async def running(
        self, task_type: str, mark: Path, parameters: dict[str, Any] | None = None, **policies: object
    ) -> UUID:
        """An execution whose task has begun: it has left something in `mark`, its parameter."""
        execution_id = await self.row(task_type, {"mark": str(mark), **(parameters or {})}, **policies)
        await self.send(execution_id)

        async def begun() -> bool:
            path = anyio.Path(mark)
            return await path.exists() and bool(await path.read_text())

        await eventually(begun)
        return execution_id

    async def cancel(self, execution_id: UUID) -> asyncpg.Record:
        """The row as a cancel answers it; the worker has heard of it then."""
        row = await self.cancel_unheard(execution_id)
        await self.receiver.heed_ledger()
        return row

    async def cancel_unheard(self, execution_id: UUID) -> asyncpg.Record:
        """The row as a cancel answers it, of which the worker has yet to hear."""
        return await Executions(self.database, TaskTypes(), self.mailboxes).cancel(execution_id)

    async def read(self, execution_id: UUID) -> asyncpg.Record:
        """The row as it stands."""
        async with self.database.connection() as connection:
            row = await QUERIES.execution_public.row(connection, task_id=execution_id)
        assert row is not None
        return row

    async def ended(self, execution_id: UUID) -> asyncpg.Record:
        """The row, once no attempt of it waits or runs."""

        async def settled() -> asyncpg.Record | None:
            row = await self.read(execution_id)
            return row if row["completed_at"] is not None or row["status"] == "retrying" else None

        return cast("asyncpg.Record", await eventually(settled))

    async def kicked(self, task_id: str, status: str | None = None) -> asyncpg.Record:
        """The row of what an app has kicked, once it has this status, or is final."""

        async def there() -> asyncpg.Record | None:
            async with self.database.connection() as connection:
                row = await QUERIES.execution_public.row(connection, task_id=UUID(task_id))
            return row if row and (row["completed_at"] if status is None else row["status"] == status) else None

        return cast("asyncpg.Record", await eventually(there))

    async def external(self) -> list[asyncpg.Record]:
        """Every row without a config, in the order in which they were made."""
        async with self.database.connection() as connection:
            return await connection.fetch("SELECT * FROM executions WHERE config_id IS NULL ORDER BY id")

    async def reaches(self, execution_id: UUID, status: str) -> asyncpg.Record:
        """The row, once it has this status."""

        async def there() -> asyncpg.Record | None:
            row = await self.read(execution_id)
            return row if row["status"] == status else None

        return cast("asyncpg.Record", await eventually(there))

    async def all_acknowledged(self) -> bool:
        """Whether the broker holds no message any more."""
        return await self.broker.depths() == {"default": 0}

    async def ended_without_its_worker(self, execution_id: UUID) -> None:
        """End an execution as the sweeper does at a worker that lives."""
        async with self.database.connection() as connection:
            await connection.execute(
                "UPDATE executions SET status = 'timeout', completed_at = clock_timestamp(), held_by = $2"
                " WHERE id = $1",
                execution_id,
                WORKER,
            )

    async def claimed_elsewhere(self, execution_id: UUID, attempt: int = 1) -> None:
        """Let another worker have the attempt."""
        async with self.database.connection() as connection:
            await claim(connection, "another worker", [Claim(execution_id, attempt)])


@asynccontextmanager
async def a_workbench(
    database_url: str,
    redis_url: str,
    prefix: str,
    *,
    drain_seconds: float = 0.0,
    app: AsyncBroker | None = None,
    prepare: Callable[[AsyncBroker], object] = lambda _: None,
    receiver_of: Callable[..., LedgerReceiver] = LedgerReceiver,
) -> AsyncIterator[Workbench]:
    """A worker that listens until the block ends: to a broker of ours, which `prepare` may change, or an `app`'s."""
    import_task_modules(["tests.support.tasks", "tests.support.plain_tasks"])
    redis = connect(redis_url)
    keys = Keys(prefix)
    broker = StreamBroker(redis_url, keys, consumer=WORKER)
    broker.is_worker_process = True
    broker.add_dependency_context({Egress: Egress([Opening.parse("127.0.0.1")])})
    prepare(broker)
    pool = SyncPool(1)
    events: list[HistoryEvent] = []
    try:
        async with Database(database_url) as database:
            await migrate(database)
            await broker.startup()
            if app is not None:
                await app.startup()
            ledger = FaultyLedger(database, broker, TimeoutIndex(redis, keys), WORKER)

            def note(told: Told) -> None:
                if isinstance(told, HistoryEvent):
                    events.append(told)

            receiver = receiver_of(app or broker, ledger, pool, note, concurrency=10, drain_seconds=drain_seconds)
            bench = Workbench(database, broker, ledger, receiver, events)
            async with anyio.create_task_group() as group:
                group.start_soon(receiver.listen, bench.finish)
                yield bench
                bench.finish.set()
            await receiver.hand_back_all()
    finally:
        with anyio.CancelScope(shield=True):
            await broker.shutdown()
            if app is not None:
                await app.shutdown()
            await redis.aclose()
            await redis.connection_pool.disconnect()
        pool.stop()
