"""What the benches share: private servers, configs by the hundred thousand, and the real core of the tree over them.

The core is taken out of `supervisor_tree`, so a bench runs the actors as `horarium up` makes them. Only the broker is
wrapped, to look at the clock when a message is confirmed.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections import Counter
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import anyio
import psutil
from pydantic import SecretStr

from horarium.clock import utc_now
from horarium.embedded import DataDir, EmbeddedPostgres, EmbeddedRedis
from horarium.embedded.redis import PROGRAMS as REDIS_PROGRAMS
from horarium.http.liveness import LIMIT_SECONDS, Liveness
from horarium.messages import Mailboxes
from horarium.resources import open_resources
from horarium.settings import Settings
from horarium.sql.migrator import migrate
from horarium.supervisor import ChildSpec, EventRing, Supervisor, SupervisorSpec
from horarium.tasks.stream_broker import StreamBroker
from horarium.tree import supervisor_tree

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from datetime import datetime

    from redis.asyncio import Redis

    from horarium.keyspace.keys import Keys
    from horarium.resources import Resources
    from horarium.sql.database import Database
    from horarium.tasks.message import TaskMessage

__all__ = [
    "COLUMNS", "MAKE_CONFIGS", "QUEUE", "Confirmed", "Cpu", "Window", "api", "check_window", "core", "fire",
    "make_configs", "percentile", "rabbitmq", "resources", "running", "servers", "start_afresh", "timed", "wait_until",
]  # fmt: skip

QUEUE = "default"
RABBITMQ_SECONDS = 120.0

MAKE_CONFIGS = """
INSERT INTO task_configs (
    name, task_type, parameters, scheduler_type, schedule_config, status, queue, priority, timeout_seconds, max_retries,
    retry_backoff_seconds, overlap, catchup, catchup_window_seconds, max_catchup_runs, scheduled_from
)
SELECT
    'config ' || n, 'echo', jsonb_build_object('message', 'hello ' || n), 'cron',
    jsonb_build_object('cron_expression', CASE WHEN n <= $2 THEN $3 ELSE '0 0 1 1 *' END, 'timezone', 'UTC'),
    'active', 'default', 5, 300, 0, 10, 'skip', 'latest', 3600, 100, $4
FROM generate_series(1, $1) AS n
"""
FIRE_EACH_SECOND = """
UPDATE task_configs
SET schedule_config = jsonb_build_object('cron_expression', '* * * * * *', 'timezone', 'UTC'), overlap = 'allow_all',
    scheduled_from = $2, start_at = $2, end_at = $3, version = version + 1
WHERE id <= $1
"""
COLUMNS = (
    "id", "config_id", "task_type", "trigger", "tick_at", "status", "parameters", "queue", "priority",
    "timeout_seconds", "max_retries", "retry_backoff_seconds", "scheduler_type",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Window:
    """The first `due` configs fire at `first` and at each second after it, `seconds` times."""

    due: int
    first: datetime
    seconds: int

    @classmethod
    def soon(cls, due: int, seconds: int, *, head_start: float) -> Window:
        """One that begins at a whole second, `head_start` seconds from now or a little later."""
        first = (utc_now() + timedelta(seconds=head_start + 1)).replace(microsecond=0)
        return cls(due, first, seconds)

    @property
    def ticks(self) -> int:
        """How many ticks it has."""
        return self.due * self.seconds

    @property
    def instants(self) -> list[datetime]:
        """Each second of it."""
        return [self.first + timedelta(seconds=n) for n in range(self.seconds)]


class Confirmed(StreamBroker):
    """Notes when each tick's message was first confirmed, Unix seconds."""

    def __init__(self, url: str, keys: Keys) -> None:
        super().__init__(url, keys)
        self.at: dict[tuple[int | None, datetime | None], float] = {}

    async def publish(self, messages: Sequence[TaskMessage]) -> None:
        """As the real one, with a look at the clock."""
        await super().publish(messages)
        now = time.time()
        for message in messages:
            self.at.setdefault((message.config_id, message.tick_at), now)

    def latencies(self) -> list[float]:
        """Seconds from each tick to its confirmed message, least first."""
        return sorted(at - tick.timestamp() for (_, tick), at in self.at.items() if tick is not None)


@dataclass(frozen=True, slots=True)
class Cpu:
    """CPU seconds spent so far: by this process, by Postgres and by Redis."""

    own: float
    postgres: float
    redis: float

    @classmethod
    def now(cls) -> Cpu:
        """Read it; sessions of Postgres that have ended are counted by its parent."""
        me = psutil.Process()
        spent = Counter[str]()
        for child in me.children(recursive=True):
            spent[child.name()] += sum(child.cpu_times()[:4])
        return cls(sum(me.cpu_times()[:2]), spent["postgres"], sum(spent[name] for name in REDIS_PROGRAMS))

    def __sub__(self, before: Cpu) -> Cpu:
        return Cpu(self.own - before.own, self.postgres - before.postgres, self.redis - before.redis)

    def shares(self, seconds: float) -> str:
        """As percent of one core over so many seconds."""
        own, postgres, redis = (100 * spent / seconds for spent in (self.own, self.postgres, self.redis))
        return f"ours {own:.2f} %   Postgres {postgres:.2f} %   Redis {redis:.2f} % of one core"


@asynccontextmanager
async def running(spec: SupervisorSpec) -> AsyncIterator[None]:
    """A tree, ready; stopped in order at the end."""
    supervisor = Supervisor(spec, on_event=lambda _: None)
    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: supervisor.run(task_status=task_status))
        yield
        supervisor.stop()


@asynccontextmanager
async def servers(data_dir: Path) -> AsyncIterator[tuple[str, str]]:
    """A private Postgres and Redis, as `horarium up` runs them."""
    postgres, redis = EmbeddedPostgres(data_dir), EmbeddedRedis(data_dir)
    children = tuple(
        ChildSpec(name, server.run, shutdown=7, start_timeout=120)
        for name, server in (("postgres", postgres), ("redis", redis))
    )
    async with running(SupervisorSpec("servers", children)):
        yield postgres.url, redis.url


@asynccontextmanager
async def resources() -> AsyncIterator[Resources]:
    """Resources over servers of their own, with an empty schema."""
    with tempfile.TemporaryDirectory(prefix="horarium-bench-") as folder, DataDir(Path(folder) / "data") as data_dir:
        async with servers(data_dir.path) as (postgres_url, redis_url):
            settings = Settings(
                data_dir=data_dir.path, database_url=SecretStr(postgres_url), redis_url=SecretStr(redis_url)
            )
            async with open_resources(settings) as r:
                await migrate(r.database)
                yield r


@asynccontextmanager
async def rabbitmq() -> AsyncIterator[Callable[[], Awaitable[str | None]]]:
    """A private RabbitMQ node, the one that the tests have, which starts meanwhile; gives what waits for its URL.

    That is None where RabbitMQ is not installed.
    """
    if shutil.which("rabbitmq-server", path=f"/usr/lib/rabbitmq/bin:/usr/sbin:{os.environ['PATH']}") is None:
        yield _nowhere
        return
    command = [sys.executable, "-m", "tests.support.rabbitmq"]
    async with await anyio.open_process(command, cwd=Path(__file__).parents[1], stderr=None) as node:
        output, control = node.stdout, node.stdin
        assert output is not None
        assert control is not None

        async def url() -> str | None:
            with anyio.fail_after(RABBITMQ_SECONDS):
                return (await output.receive()).decode().strip()

        yield url
        await control.aclose()
        await node.wait()


async def _nowhere() -> None:
    """The URL of what is not there."""


@asynccontextmanager
async def timed(r: Resources) -> AsyncIterator[tuple[Resources, Confirmed]]:
    """The resources of one fresh process, whose broker notes when messages are confirmed."""
    assert r.settings.redis_url is not None
    broker = Confirmed(r.settings.redis_url.get_secret_value(), r.keys)
    yield replace(r, sender=broker, mailboxes=Mailboxes()), broker
    await broker.shutdown()


class _Unseen:
    """Stands in for a supervisor that has seen nothing."""

    events = EventRing()


@asynccontextmanager
async def core(r: Resources, *, only: str = "", without: Sequence[str] = ()) -> AsyncIterator[None]:
    """The core of the real tree, up and running: all of it, `only` one of its actors, or all `without` some."""
    tree = supervisor_tree(
        r, supervisor=cast("Any", _Unseen), tell_password=print, listening=print, liveness=cast("Any", None)
    )  # what only the API asks for, which is not started here; and nobody tells of the supervisor's own events
    spec = next(child for child in tree.children if isinstance(child, SupervisorSpec) and child.id == "core")
    chosen = tuple(child for child in spec.children if child.id not in without and only in ("", child.id))
    assert chosen, (only, without)
    async with running(replace(spec, children=chosen)):
        yield


@asynccontextmanager
async def api(r: Resources) -> AsyncIterator[int]:
    """The real API on the port of the settings, and nothing of the core, which it may ask; gives the port."""
    ports: list[int] = []
    tree = supervisor_tree(
        r,
        supervisor=cast("Any", None),
        tell_password=print,
        listening=ports.append,
        liveness=Liveness(lambda: 0.0, LIMIT_SECONDS),
    )
    spec = next(child for child in tree.children if child.id == "api")
    async with running(SupervisorSpec("bench", (spec,))):
        yield ports[-1]


async def make_configs(database: Database, configs: int, window: Window | None = None) -> None:
    """So many configs, none of them due this year but those of the window."""
    async with database.transaction() as connection:
        # Nobody listens yet, and a notification for each would be most of the work.
        await connection.execute("SET LOCAL session_replication_role = replica")
        await connection.execute(MAKE_CONFIGS, configs, 0, "", utc_now())
        if window is not None:
            await fire(connection, window)
    async with database.connection() as connection:
        await connection.execute("ANALYZE task_configs")


async def fire(connection: Any, window: Window) -> None:
    """Let the first configs fire in the window, and never after it."""
    last = window.instants[-1] + timedelta(milliseconds=500)
    await connection.execute(FIRE_EACH_SECOND, window.due, window.first - timedelta(milliseconds=500), last)


async def check_window(r: Resources, window: Window) -> None:
    """Every tick of the window has exactly one row of its own, and nothing else has one."""
    async with r.database.connection() as connection:
        rows = await connection.fetch("SELECT tick_at, tick_count FROM executions WHERE config_id <= $1", window.due)
        total = await connection.fetchval("SELECT count(*) FROM executions")
    assert len(rows) == total == window.ticks, (len(rows), total, window.ticks)
    assert {row["tick_at"] for row in rows} == set(window.instants)
    assert all(row["tick_count"] == 1 for row in rows)


async def start_afresh(database: Database, redis: Redis) -> None:
    """Empty both servers."""
    async with database.connection() as connection:
        await connection.execute(
            "TRUNCATE executions, execution_reports, execution_days, execution_day_marks, task_configs"
            " RESTART IDENTITY CASCADE"
        )
        await connection.execute("CHECKPOINT")
    await redis.flushall()


async def wait_until(is_so: Any, *, seconds: float, every: float = 0.02) -> float:
    """Ask until it is so; returns when that was, Unix seconds."""
    with anyio.fail_after(seconds):
        while not await is_so():  # noqa: ASYNC110 - what servers hold sets no event here
            await anyio.sleep(every)
    return time.time()


def percentile(ordered: Sequence[float], share: float) -> float:
    """Of values in order, the one that `share` of them do not exceed."""
    return ordered[min(int(len(ordered) * share), len(ordered) - 1)]
