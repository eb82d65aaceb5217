"""Measures what the API costs beside the SQL and Redis work that an answer cannot do without, and while ticks fire.

Serves the real API over the real core of the tree, without a worker, and beside it in the same process and run a bare
aiohttp application that sends the same statements and commands, in the same order, one after the other: no checks, no
models, no batches. wrk (or a client of ours where there is none) asks each in turn over CONNECTIONS connections that
stay open; medians are compared: of the rates, and of our CPU time for an answer, since what else the machine does
spoils rates. Then a config is read over a few connections while some hundred ticks fire each second.

    read      rate of GET /task-configs/{id} / rate of the bare handler            aim: at least 0.5
    run       rate of POST /task-configs/{id}/run / rate of the bare handler       aim: at least 0.6
    firing    p99 of a read while DUE ticks fire each second                       aim: under 50 ms

Prints figures; fails only when an answer is not a 2xx, or a tick has no row, never because a machine is slow.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio
import asyncpg
import orjson
from aiohttp import web
from asking import WRK, load
from common import Window, api, check_window, core, make_configs, resources, start_afresh, timed, wait_until
from redis.asyncio import Redis
from uuid_utils.compat import uuid7

from horarium.clock import utc_now
from horarium.host import calm_collector
from horarium.logs import configure_logging
from horarium.sql.database import MAX_CONNECTIONS, SERVER_SETTINGS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from horarium.resources import Resources

CONNECTIONS = 32
READERS = 4
"""Connections that read while ticks fire: some people and a dashboard, and not a flood."""
CONFIGS = "/api/v1/task-configs"
CALLS = (("read", "GET", f"{CONFIGS}/7", 0.5), ("run", "POST", f"{CONFIGS}/7/run", 0.6))
"""With the share of the bare rate that is aimed for."""

GET = "SELECT * FROM task_configs WHERE id = $1 AND deleted_at IS NULL"
LAST = """
SELECT id AS task_id, status, reason, tick_at, started_at, completed_at FROM executions
WHERE config_id = $1 ORDER BY id DESC LIMIT 1
"""
INSERT = """
INSERT INTO executions (
    id, config_id, task_type, trigger, status, parameters, queue, priority, timeout_seconds, max_retries,
    retry_backoff_seconds, scheduler_type
)
SELECT $1, id, task_type, 'manual', 'pending', $3::jsonb, queue, priority, timeout_seconds, max_retries,
    retry_backoff_seconds, scheduler_type
FROM task_configs WHERE id = $2 AND deleted_at IS NULL FOR KEY SHARE
"""
AUDIT = """
INSERT INTO audit_log (actor_kind, actor_id, actor_name, action, target_kind, target_id, target_name, after)
VALUES ('user', $1, 'bare', 'task_config.run', 'task_config', $2, $3, $4::jsonb) RETURNING id
"""
TO_PUBLISH = "SELECT * FROM executions WHERE id = $1 AND status IN ('pending', 'retrying')"
QUEUED = "UPDATE executions SET status = 'queued', queued_at = clock_timestamp() WHERE id = $1 AND status = 'pending'"


class Round(NamedTuple):
    """Answers a second, and the CPU seconds of our process for each, with what the core does beside."""

    rate: float
    cpu: float


@dataclass(frozen=True)
class Bare:
    """Two handlers that do what has to be done and nothing else."""

    pool: Any
    redis: Redis
    r: Resources
    user: int

    async def read(self, request: web.Request) -> web.Response:
        """The caller, the config, its last execution, its next tick."""
        config = int(request.match_info["config"])
        await self.redis.get(self.r.keys.user(self.user))
        async with self.pool.acquire() as connection:
            row = await connection.fetchrow(GET, config)
        async with self.pool.acquire() as connection:
            last = await connection.fetchrow(LAST, config)
        tick = await self.redis.zmscore(self.r.keys.due, [str(config)])
        return _answer({**row, "last_execution": dict(last) if last else None, "next_run_at": tick[0]})

    async def run(self, request: web.Request) -> web.Response:
        """The caller; the row and its note in one transaction; the message, its mark, the history."""
        config = int(request.match_info["config"])
        await self.redis.get(self.r.keys.user(self.user))
        execution = uuid7()
        async with self.pool.acquire() as connection, connection.transaction():
            row = await connection.fetchrow(GET, config)
            await connection.execute(INSERT, execution, config, orjson.dumps({"message": "hello"}).decode())
            await connection.fetchval(AUDIT, self.user, str(config), row["name"], '{"task_id": "..."}')
        await self._publish(execution, config)
        return _answer({"task_id": execution}, 202)

    async def _publish(self, execution: Any, config: int) -> None:
        async with self.pool.acquire() as connection:
            row = await connection.fetchrow(TO_PUBLISH, execution)
        message = orjson.dumps({"task_id": execution, "labels": {"config_id": config}, "kwargs": row["parameters"]})
        await self.redis.xadd(self.r.keys.queue("default"), {"data": message})
        async with self.pool.acquire() as connection:
            await connection.execute(QUEUED, execution)
        history = self.r.keys.history(config)
        async with self.redis.pipeline(transaction=False) as pipe:
            pipe.lpush(history, message).ltrim(history, 0, 99).expire(history, 2_592_000)
            await pipe.execute()


def _answer(content: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(body=orjson.dumps(content, default=str), status=status, content_type="application/json")


@asynccontextmanager
async def bare(r: Resources, user: int) -> AsyncIterator[int]:
    """The bare application, over a pool of the size and the settings that ours has; gives its port."""
    assert r.settings.database_url is not None
    assert r.settings.redis_url is not None
    url = r.settings.database_url.get_secret_value()
    async with (
        asyncpg.create_pool(url, max_size=MAX_CONNECTIONS, server_settings=SERVER_SETTINGS) as pool,
        Redis.from_url(r.settings.redis_url.get_secret_value()) as redis,
    ):
        handlers = Bare(pool, redis, r, user)
        app = web.Application()
        app.router.add_get(CONFIGS + "/{config}", handlers.read)
        app.router.add_post(CONFIGS + "/{config}/run", handlers.run)
        runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await runner.setup()
        server = await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0)  # type: ignore[arg-type]
        yield server.sockets[0].getsockname()[1]
        server.close()
        await runner.cleanup()


async def caller(r: Resources) -> tuple[int, str]:
    """An operator, known to the cache, and a token of it."""
    async with r.database.connection() as connection:
        user = await connection.fetchval(
            "INSERT INTO users (username, role, password_hash) VALUES ($1, 'operator', '!') RETURNING id",
            f"bench {time.time_ns()}",
        )
    await r.users.get(user)
    return user, r.access_tokens.issue(user, 1, now=utc_now())[0]


async def compare(r: Resources, rounds: int, seconds: float) -> None:
    """Ask both applications in turn and print what came of it."""
    await make_configs(r.database, 100)
    user, token = await caller(r)
    async with timed(r) as (process, _), core(process), api(process) as ours, bare(r, user) as raw:
        for name, method, path, aim in CALLS:
            asked: dict[int, list[Round]] = {ours: [], raw: []}
            for port in (ours, raw):
                await one_round(port, method, path, token, min(seconds, 0.5))
            for _ in range(rounds):
                for port, measured in asked.items():
                    measured.append(await one_round(port, method, path, token, seconds))
            mine, limit = (statistics.median(each.rate for each in measured) for measured in asked.values())
            costs, least = (1e6 * statistics.median(each.cpu for each in measured) for measured in asked.values())
            print(f"{name:<8}  {mine / limit:.2f} of the bare rate, {mine:,.0f} against {limit:,.0f} (aim: {aim})")
            print(f"          {least / costs:.2f} by our CPU time, {costs:.0f} against {least:.0f} us an answer")


async def one_round(port: int, method: str, path: str, token: str, seconds: float) -> Round:
    """Let the client ask; what came of it."""
    before = time.process_time()
    rate = (await load(port, method, path, token, CONNECTIONS, seconds)).rate
    return Round(rate, (time.process_time() - before) / (rate * seconds))


async def read_while_firing(r: Resources, configs: int, due: int, seconds: int) -> None:
    """Read a config over and over while ticks fire, and print how long it took."""
    await start_afresh(r.database, r.redis)
    window = Window.soon(due, seconds, head_start=max(2, configs / 5_000))
    await make_configs(r.database, configs, window)
    _, token = await caller(r)
    async with timed(r) as (process, broker), core(process), api(process) as port:
        assert time.time() < window.first.timestamp(), "the machine took too long to load: raise the head start"
        await anyio.sleep(window.first.timestamp() - time.time())
        asked = await load(port, "GET", f"{CONFIGS}/{configs}", token, READERS, max(seconds - 1, 0.5))

        async def all_confirmed() -> bool:
            return len(broker.at) >= window.ticks

        await wait_until(all_confirmed, seconds=seconds + 60, every=0.2)
    await check_window(r, window)
    print(
        f"firing    p99 {asked.p99_ms:.1f} ms (aim: 50 ms) of {asked.rate:,.0f} reads, while {due} ticks fire, a second"
    )


async def measure(rounds: int, seconds: float, configs: int, due: int, window: int) -> None:
    """Measure all of it."""
    client = "wrk" if WRK is not None else "a client of ours"
    print(f"{CONNECTIONS} connections, {rounds} rounds of {seconds:g} s, {client}, {datetime.now(UTC):%F %T} UTC")
    async with resources() as shared:
        r = replace(shared, settings=shared.settings.model_copy(update={"port": 0}))
        await compare(r, rounds, seconds)
        await read_while_firing(r, configs, due, window)


def main() -> None:
    """Read the sizes and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--configs", type=int, default=10_000)
    parser.add_argument("--due", type=int, default=500)
    parser.add_argument("--window", type=int, default=30, help="seconds for which ticks fire")
    parser.add_argument("--short", action="store_true", help="small and quick: shows that the bench works")
    options = parser.parse_args()
    configure_logging("console", "error")
    calm_collector()
    full = (options.rounds, options.seconds, options.configs, options.due, options.window)
    anyio.run(measure, *((1, 0.5, 500, 50, 3) if options.short else full), backend_options={"use_uvloop": True})


if __name__ == "__main__":
    main()
