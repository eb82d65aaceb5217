"""Measures how long after the tick the last of many due executions is committed and published.

Makes CONFIGS task configs of which DUE are due in the same second, lets the real dispatcher fire them, and writes the
same rows and messages raw, with asyncpg's COPY and a redis-py pipeline, in the same run on the same servers. Both
are measured several times, in turn, and their medians compared: these machines are noisy.

    burst     tick to last message confirmed, its row committed before     aim: within 1 s
    ratio     raw seconds / our seconds                                    aim: at least 0.5
    rabbitmq  the same as burst, with RabbitMQ instead of Redis streams       aim: within 1 s

And then, beside ours on Redis streams, other schedulers with as many schedules due at one instant, one after the other
(`burst_peers.py`): seconds from that instant to the last message that each has published. Theirs are in memory or in
Redis, ours have a committed row each.

Prints figures; fails only when something is wrong (a tick missing or doubled), never because a machine is slow.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import asyncpg
import orjson
from burst_peers import PEERS, peer
from common import COLUMNS, MAKE_CONFIGS, QUEUE, rabbitmq, running, servers, start_afresh
from uuid_utils.compat import uuid7

from horarium.actors.dispatcher import Dispatcher
from horarium.actors.schedule_loader import ScheduleLoader
from horarium.clock import utc_now
from horarium.embedded import DataDir
from horarium.host import calm_collector
from horarium.keyspace.due_index import DueIndex
from horarium.keyspace.keys import Keys
from horarium.keyspace.pool import connect
from horarium.logs import configure_logging
from horarium.messages import Mailboxes
from horarium.sql.database import Database
from horarium.sql.migrator import migrate
from horarium.supervisor import ChildSpec, SupervisorSpec
from horarium.tasks.broker import make_broker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from redis.asyncio import Redis

    from horarium.tasks.broker import Broker
    from horarium.tasks.message import TaskMessage

RAW_ROWS = 2000


class Options(argparse.Namespace):
    """What to measure."""

    configs: int
    due: int
    rounds: int
    limit: float
    short: bool
    due_at_peers: int


@dataclass(frozen=True, slots=True)
class House:
    """The servers, and what talks to them."""

    database: Database
    redis: Redis
    postgres_url: str
    redis_url: str


@asynccontextmanager
async def a_house() -> AsyncIterator[House]:
    """Servers of their own, with an empty schema."""
    with tempfile.TemporaryDirectory(prefix="horarium-bench-") as folder, DataDir(Path(folder) / "data") as data_dir:
        async with servers(data_dir.path) as (postgres_url, redis_url), Database(postgres_url) as database:
            redis = connect(redis_url)
            await migrate(database)
            yield House(database, redis, postgres_url, redis_url)
            await redis.aclose()


class Timed:
    """A broker that notes when the last of `expected` messages was confirmed."""

    def __init__(self, broker: Broker, expected: int) -> None:
        self._broker = broker
        self.missing = expected
        self.last_at = 0.0
        self.all_confirmed = anyio.Event()
        self.depths = broker.depths
        self.lost_after = broker.lost_after

    async def publish(self, messages: Sequence[TaskMessage]) -> None:
        """As the real one, with a look at the clock."""
        await self._broker.publish(messages)
        self.missing -= len(messages)
        self.last_at = time.time()
        if self.missing <= 0:
            self.all_confirmed.set()


async def ours(database: Database, redis: Redis, broker_url: str, configs: int, due: int) -> float:
    """Seconds from the tick to the last confirmed message, fired by the real actors."""
    await start_afresh(database, redis)
    now = utc_now()
    tick = now.replace(microsecond=0) + timedelta(seconds=max(5, configs // 5_000))
    expression = f"{tick.second} {tick.minute} {tick.hour} {tick.day} {tick.month} *"
    async with database.connection() as connection:
        await connection.execute(MAKE_CONFIGS, configs, due, expression, now)
        await connection.execute("ANALYZE task_configs")
    keys, mailboxes = Keys(f"burst-{tick:%H%M%S}:"), Mailboxes()  # RabbitMQ keeps what an earlier round has sent
    index, broker = DueIndex(redis, keys), make_broker(broker_url, keys, queues=(QUEUE,), consumer="bench")
    await broker.startup()
    started = time.perf_counter()
    loaded = await ScheduleLoader(database, index, mailboxes).load_all()
    load_seconds = time.perf_counter() - started
    assert loaded.put == configs, loaded
    assert utc_now() < tick, "the machine took too long to load: raise the head start"
    timed = Timed(broker, due)
    dispatcher = Dispatcher(database, index, timed, mailboxes, utc_now)
    async with running(
        SupervisorSpec("bench", (ChildSpec("dispatcher", dispatcher.run, mailbox=mailboxes.dispatcher),))
    ):
        await timed.all_confirmed.wait()
    await check(database, broker, tick, due)
    await broker.shutdown()
    print(f"  loaded {configs:,} configs into the due index in {load_seconds:.2f} s")
    return timed.last_at - tick.timestamp()


async def check(database: Database, broker: Broker, tick: datetime, due: int) -> None:
    """Every due config has exactly one row and one message."""
    async with database.connection() as connection:
        rows = await connection.fetchval("SELECT count(*) FROM executions WHERE tick_at = $1", tick)
        total = await connection.fetchval("SELECT count(*) FROM executions")
    assert rows == total == due, (rows, total, due)
    assert await broker.depths() == {QUEUE: due}


async def raw(database: Database, redis: Redis, postgres_url: str, due: int) -> float:
    """Seconds to write the same rows and messages with nothing in between."""
    await start_afresh(database, redis)
    tick = utc_now()
    rows = [
        (uuid7(), n, "echo", "schedule", tick, "pending", {"message": f"hello {n}"}, QUEUE, 5, 300.0, 0, 10.0, "cron")
        for n in range(1, due + 1)
    ]
    messages = [message(row) for row in rows]
    connection = await asyncpg.connect(postgres_url)
    await connection.set_type_codec(  # COPY is binary, and asyncpg has no binary encoder for jsonb of its own
        "jsonb", schema="pg_catalog", format="binary", encoder=lambda v: b"\x01" + orjson.dumps(v), decoder=orjson.loads
    )
    started = time.perf_counter()
    for first in range(0, due, RAW_ROWS):
        await connection.copy_records_to_table("executions", records=rows[first : first + RAW_ROWS], columns=COLUMNS)
        async with redis.pipeline(transaction=False) as pipe:
            for line in messages[first : first + RAW_ROWS]:
                pipe.xadd(Keys().queue(QUEUE), {"data": line})
            await pipe.execute()
    seconds = time.perf_counter() - started
    await connection.close()
    return seconds


def message(row: tuple[object, ...]) -> bytes:
    """The message of a row, as long as the real one."""
    labels = {"config_id": row[1], "task_type": "echo", "scheduler_type": "cron", "tick_at": row[4], "attempt": 1}
    return orjson.dumps(
        {"task_id": row[0], "task_name": "echo", "labels": labels, "labels_types": None, "args": [], "kwargs": row[6]}
    )


async def in_turn(house: House, configs: int, due: int, rounds: int) -> float:
    """Measure ours on streams and the raw rate in turn, and print what came of it; returns our seconds."""
    our_seconds, raw_seconds = [], []
    for _ in range(rounds):
        our_seconds.append(await ours(house.database, house.redis, house.redis_url, configs, due))
        raw_seconds.append(await raw(house.database, house.redis, house.postgres_url, due))
        print(f"  ours {our_seconds[-1]:.3f} s   raw {raw_seconds[-1]:.3f} s")
    burst, limit = statistics.median(our_seconds), statistics.median(raw_seconds)
    print(f"burst {burst:.3f} s from the tick to the last message (aim: 1 s)")
    print(
        f"ratio {limit / burst:.2f} of the raw rate, {due / burst:,.0f} against {due / limit:,.0f} a second (aim: 0.5)"
    )
    return burst


async def on_rabbitmq(house: House, amqp_url: str | None, configs: int, due: int, rounds: int) -> None:
    """Measure ours on RabbitMQ, and print it."""
    if amqp_url is None:
        print("rabbitmq not measured: there is no rabbitmq-server here")
        return
    seconds = [await ours(house.database, house.redis, amqp_url, configs, due) for _ in range(rounds)]
    print(f"rabbitmq {statistics.median(seconds):.3f} s from the tick to the last message confirmed (aim: 1 s)")


async def beside_peers(house: House, amqp_url: str | None, due: int, burst: float, options: Options) -> None:
    """Let each peer publish as many, and print how long it took; all at once where it is only to be seen to work."""
    await start_afresh(house.database, house.redis)
    environ = {"BENCH_REDIS": house.redis_url, "BENCH_BROKER": amqp_url or f"redis+socket{house.redis_url[4:]}"}
    lanes = anyio.CapacityLimiter(len(PEERS) if options.short else 1)

    async def one(name: str) -> None:
        async with lanes:
            published = await peer(name, environ, due, limit=options.limit)
        print(f"{name}, {due:,} due: {published.beside(due, burst)}")

    async with anyio.create_task_group() as group:
        for name in PEERS:
            group.start_soon(one, name)


async def measure(options: Options) -> None:
    """Measure all of it."""
    configs, due, rounds = options.configs, options.due, options.rounds
    async with rabbitmq() as node, a_house() as house:
        print(f"{due:,} due in one second among {configs:,} configs, {rounds} rounds, {datetime.now(UTC):%F %T} UTC")
        burst = await in_turn(house, configs, due, rounds)
        amqp_url = await node()
        await on_rabbitmq(house, amqp_url, configs, due, rounds)
        await beside_peers(house, amqp_url, options.due_at_peers, burst, options)


def main() -> None:
    """Read the sizes and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--configs", type=int, default=100_000)
    parser.add_argument("--due", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds that a peer may take to publish all")
    parser.add_argument("--short", action="store_true", help="small and quick: shows that the bench works")
    options = parser.parse_args(namespace=Options())
    configure_logging("console", "error")
    calm_collector()
    if options.short:
        options.configs, options.due, options.rounds, options.limit = 5_000, 1_000, 1, 15.0
    options.due_at_peers = 100 if options.short else options.due
    anyio.run(measure, options, backend_options={"use_uvloop": True})


if __name__ == "__main__":
    main()
