"""Measures how many no-op executions a second one worker process claims and finishes in Postgres.

TASKS messages wait in the queue, and as many rows in the ledger; then `horarium worker` is started, and the clock runs
from the first claim to the last finish. Beside it, in turn and in the same run, on the same Redis or RabbitMQ and with
the same concurrency, a peer: a bare `taskiq worker` with taskiq's own broker and a JSON result backend, timed from its
first result to its last. Medians of several rounds are compared: these machines are noisy.

    streams   executions a second, ours / the peer's, messages on Redis streams      aim: at least 1.5
    rabbitmq  the same on RabbitMQ                                                   aim: at least 1.2
    ticks     ours again, for runs of configs: no result to be awaited, but an event in their config's history
    two       two of our processes / one, and the cores that were busy                aim: 1.8 where cores allow
    memory    resident memory of a worker after a tenth of EXECUTIONS, and after all of them; aim: the same

Prints figures; fails only when an execution is no success or has no result, never because a machine is slow.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import anyio
import psutil
from anyio import to_thread
from common import COLUMNS, QUEUE, rabbitmq, resources, start_afresh, wait_until
from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from horarium.clock import utc_now
from horarium.host import calm_collector
from horarium.logs import configure_logging
from horarium.tasks.broker import make_broker
from horarium.tasks.message import TaskMessage

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from uuid import UUID

    from horarium.resources import Resources

BENCH = Path(__file__).parent
PYTHON = Path(sys.executable)
CONFIGS = 100
PAGE = 1000
STOP_SECONDS = 15.0
FINISH_SECONDS = 600.0

RATE_OF_ALL = """
SELECT count(*) / extract(epoch FROM max(completed_at) - min(started_at))
FROM executions WHERE status = 'success'
"""
RATE_WHILE_ALL_RAN = """
WITH each AS (SELECT min(started_at) AS began, max(completed_at) AS ended FROM executions GROUP BY worker),
ran AS (SELECT max(began) AS began, min(ended) AS ended, count(*) AS workers FROM each)
SELECT
    (SELECT count(*) FROM executions AS e WHERE e.completed_at BETWEEN ran.began AND ran.ended)
        / extract(epoch FROM ran.ended - ran.began) AS rate,
    ran.workers
FROM ran
"""


@dataclass(frozen=True, slots=True)
class House:
    """The servers, and which of them carries the messages."""

    r: Resources
    broker_url: str
    concurrency: int

    @property
    def environ(self) -> dict[str, str]:
        """What a worker of ours is told."""
        s = self.r.settings
        assert s.database_url is not None
        assert s.redis_url is not None
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HORARIUM_")}
        return inherited | {
            "HORARIUM_DATABASE_URL": s.database_url.get_secret_value(),
            "HORARIUM_REDIS_URL": s.redis_url.get_secret_value(),
            "HORARIUM_BROKER_URL": self.broker_url,
            "HORARIUM_TASK_MODULES": "noop",
            "HORARIUM_WORKER_CONCURRENCY": str(self.concurrency),
            "HORARIUM_LOG_LEVEL": "warning",
        }

    def peers_redis(self, number: int) -> str:
        """One of the databases of the same Redis, which has none but the peer's own keys."""
        assert self.r.settings.redis_url is not None
        return f"{self.r.settings.redis_url.get_secret_value()}?db={number}"


@asynccontextmanager
async def worker(command: list[str], environ: dict[str, str]) -> AsyncIterator[psutil.Process]:
    """A worker that runs until the block ends, and then is asked to stop."""
    process = subprocess.Popen(command, env=environ, cwd=BENCH, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)  # noqa: ASYNC220, S603 - ours
    try:
        yield psutil.Process(process.pid)
        process.terminate()
        await to_thread.run_sync(process.wait, STOP_SECONDS)
    finally:
        if process.poll() is None:
            for member in [*psutil.Process(process.pid).children(recursive=True), process]:
                member.kill()
            process.wait()


@asynccontextmanager
async def our_worker(house: House) -> AsyncIterator[psutil.Process]:
    """One process of ours."""
    async with worker([str(PYTHON), "-m", "horarium", "worker"], house.environ) as process:
        yield process


async def preload(house: House, tasks: int, *, ticks: bool) -> None:
    """So many rows, and their messages in the queue: of runs of configs, or of tasks that were kicked."""
    r = house.r
    await start_afresh(r.database, r.redis)
    assert r.settings.redis_url is not None
    broker = make_broker(house.broker_url, r.keys, queues=(QUEUE,), consumer="bench")
    await broker.startup()
    for first in range(0, tasks, PAGE):
        rows = [row(n, ticks=ticks) for n in range(first, min(first + PAGE, tasks))]
        async with r.database.connection() as connection:
            await connection.executemany(INSERT, rows)
        await broker.publish([message(each[0], each[1]) for each in rows])
    await broker.shutdown()
    async with r.database.connection() as connection:
        await connection.execute("ANALYZE executions")
        await connection.execute("CHECKPOINT")


INSERT = f"""
INSERT INTO executions ({", ".join(COLUMNS)}, queued_at)
VALUES ($1, $2, 'noop', $3, NULL, 'queued', '{{}}', '{QUEUE}', 5, 300, 0, 10, 'manual', clock_timestamp())
"""  # noqa: S608 - names of columns


def row(number: int, *, ticks: bool) -> tuple[UUID, int | None, str]:
    """An execution that waits for a worker."""
    return (uuid7(), number % CONFIGS + 1, "manual") if ticks else (uuid7(), None, "external")


def message(execution_id: UUID, config_id: int | None) -> TaskMessage:
    """Its message."""
    return TaskMessage(execution_id, 1, config_id, "noop", "manual", None, {}, QUEUE, 5)


class Pace(NamedTuple):
    """Executions a second, and how many cores of the machine were busy meanwhile, its servers included."""

    rate: float
    cores: float


async def ours(house: House, tasks: int, *, ticks: bool = False) -> Pace:
    """One process of ours."""
    await preload(house, tasks, ticks=ticks)
    async with our_worker(house):
        cores = await all_ended(house.r)
    await check(house.r, tasks, results=0 if ticks else tasks)
    async with house.r.database.connection() as connection:
        return Pace(float(await connection.fetchval(RATE_OF_ALL)), cores)


async def two(house: House, tasks: int) -> Pace:
    """Two processes of ours, while both run."""
    await preload(house, tasks, ticks=False)
    async with our_worker(house), our_worker(house):
        cores = await all_ended(house.r)
    async with house.r.database.connection() as connection:
        found = await connection.fetchrow(RATE_WHILE_ALL_RAN)
    assert found is not None
    assert found["workers"] == 2, "one process has done it all: raise --tasks"
    return Pace(float(found["rate"]), cores)


async def memory(house: House, tasks: int) -> tuple[float, float]:
    """Resident MiB of one process of ours after a tenth of so many executions, and after all."""
    await preload(house, tasks, ticks=False)
    async with our_worker(house) as process:

        async def a_tenth_ended() -> bool:
            return await ended(house.r) >= tasks / 10

        await wait_until(a_tenth_ended, seconds=FINISH_SECONDS, every=0.1)
        early = process.memory_info().rss
        await all_ended(house.r)
        return early / 2**20, process.memory_info().rss / 2**20


async def all_ended(r: Resources) -> float:
    """Return when nothing waits or runs, with the number of cores that were busy until then (median of many looks)."""
    looks: list[float] = []
    psutil.cpu_percent()

    async def is_so() -> bool:
        looks.append(psutil.cpu_percent() / 100 * (os.cpu_count() or 1))
        async with r.database.connection() as connection:
            query = "SELECT NOT EXISTS (SELECT FROM executions WHERE completed_at IS NULL)"
            return bool(await connection.fetchval(query))

    await wait_until(is_so, seconds=FINISH_SECONDS, every=0.25)
    return statistics.median(looks)


async def ended(r: Resources) -> int:
    """How many executions have ended."""
    async with r.database.connection() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM executions WHERE completed_at IS NOT NULL"))


async def check(r: Resources, tasks: int, *, results: int) -> None:
    """All are successes, at their first attempt, and have their results, if they are kept."""
    async with r.database.connection() as connection:
        good = await connection.fetchval("SELECT count(*) FROM executions WHERE status = 'success' AND attempt = 1")
    kept = [key async for key in r.redis.scan_iter(f"{r.keys.results}:*", count=10_000)]
    assert (good, len(kept)) == (tasks, results), (good, len(kept), tasks, results)


async def peer(house: House, tasks: int) -> float:
    """Executions a second of one process of `taskiq worker`."""
    await start_afresh(house.r.database, house.r.redis)
    broker_url = house.broker_url if house.broker_url.startswith("amqp") else house.peers_redis(2)
    told = {"BENCH_BROKER": broker_url, "BENCH_RESULTS": house.peers_redis(1)}
    environ = os.environ | told | {"BENCH_CONCURRENCY": str(house.concurrency)}
    await anyio.run_process([str(PYTHON), "peers/taskiq_worker.py", str(tasks)], env=environ, cwd=BENCH)
    command = [
        str(PYTHON), "-m", "taskiq", "worker", "taskiq_worker:broker", "--app-dir", "peers", "--workers", "1",
        "--max-async-tasks", str(house.concurrency), "--log-level", "WARNING",
    ]  # fmt: skip
    async with worker(command, environ), Redis.from_url(house.peers_redis(1)) as redis:

        async def some() -> bool:
            return bool(await redis.dbsize())

        async def all_there() -> bool:
            return int(await redis.dbsize()) >= tasks

        began = await wait_until(some, seconds=60, every=0.002)
        before = int(await redis.dbsize())
        finished = await wait_until(all_there, seconds=FINISH_SECONDS, every=0.01)
    return (tasks - before) / (finished - began)


async def compare(name: str, house: House, tasks: int, rounds: int, aim: float) -> None:
    """Measure one broker in turn with the peer, and print it."""
    mine, theirs = [], []
    for _ in range(rounds):
        mine.append((await ours(house, tasks)).rate)
        theirs.append(await peer(house, tasks))
        print(f"  {name}: ours {mine[-1]:,.0f}   taskiq worker {theirs[-1]:,.0f}")
    our_rate, their_rate = statistics.median(mine), statistics.median(theirs)
    print(f"{name:<9} {our_rate / their_rate:.2f}   {our_rate:,.0f} / {their_rate:,.0f} a second (aim: {aim})")


async def compare_two(house: House, tasks: int, rounds: int) -> None:
    """Measure one process in turn with two, and print it with what there was of the machine to be had."""
    ones, twos = [], []
    for _ in range(rounds):
        ones.append(await ours(house, tasks))
        twos.append(await two(house, tasks))
    one, both = (Pace(*map(statistics.median, zip(*each, strict=True))) for each in (ones, twos))
    print(
        f"two       {both.rate / one.rate:.2f}   {both.rate:,.0f} / {one.rate:,.0f} a second, "
        f"{both.cores:.2f} / {one.cores:.2f} of {os.cpu_count()} cores busy (aim: 1.8 where cores allow)"
    )


async def measure(options: argparse.Namespace) -> None:
    """Measure all of it and print what came of it."""
    print(
        f"{options.tasks:,} no-op executions, {options.concurrency} at once, {options.rounds} rounds, "
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {utc_now():%F %T} UTC"
    )
    async with rabbitmq() as node, resources() as r:
        assert r.settings.redis_url is not None
        streams = House(r, r.settings.redis_url.get_secret_value(), options.concurrency)
        await compare("streams", streams, options.tasks, options.rounds, 1.5)
        amqp_url = await node()
        if amqp_url is None:
            print("rabbitmq  not measured: there is no rabbitmq-server here")
        else:
            await compare("rabbitmq", House(r, amqp_url, options.concurrency), options.tasks, options.rounds, 1.2)
        if options.memory:
            print(f"ticks     {(await ours(streams, options.tasks, ticks=True)).rate:,.0f} a second on streams")
            await compare_two(streams, options.tasks, options.rounds)
            early, late = await memory(streams, options.memory)
            print(f"memory    {early:.1f} MiB after {options.memory // 10:,}, {late:.1f} MiB after {options.memory:,}")


def main() -> None:
    """Read the sizes and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--tasks", type=int, default=20_000)
    parser.add_argument("--concurrency", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--memory", type=int, default=100_000, help="executions; 0: leave `ticks`, `two` and `memory` out"
    )
    parser.add_argument("--short", action="store_true", help="small and quick: shows that the bench works")
    options = parser.parse_args()
    if options.short:
        options.tasks, options.rounds, options.memory = 1_000, 1, 0
    configure_logging("console", "error")
    calm_collector()
    anyio.run(measure, options, backend_options={"use_uvloop": True})


if __name__ == "__main__":
    main()
