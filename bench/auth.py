"""Measures what it costs to know the caller, and whether a login's time tells known users from unknown ones.

Serves the real API, and beside it in the same process and run a bare aiohttp application whose one handler does one
Redis GET: what an authenticated request cannot do without. Another process asks each in turn over CONNECTIONS
connections that stay open, each with a token of its own, and medians are compared: of the rates, and of the CPU time
that an answer takes, since what else the machine does spoils rates. Then wrong passwords are sent over HTTP, one after
the other, in turn for a user that is there and for one that is not, each from an address of its own.

    me        rate of an authenticated GET /auth/me / rate of the bare handler      aim: at least 0.6
    login     median of known users / median of unknown ones                        aim: within 5 %

Prints figures; fails only when an answer is not the expected one, never because a machine is slow.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
import anyio
from aiohttp import web
from anyio import to_process
from asking import ask
from common import api, core, resources
from redis.asyncio import Redis

from horarium.clock import utc_now
from horarium.host import calm_collector
from horarium.identity.passwords import Passwords
from horarium.logs import configure_logging

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from horarium.resources import Resources

CONNECTIONS = 32
PATH = "/api/v1/auth/me"


class Round(NamedTuple):
    """Answers a second, and the CPU seconds of our process for each."""

    rate: float
    cpu: float


@asynccontextmanager
async def bare(r: Resources, key: str) -> AsyncIterator[int]:
    """An application that answers with what Redis has under the key, read as redis-py's first page shows."""
    assert r.settings.redis_url is not None
    redis = Redis.from_url(r.settings.redis_url.get_secret_value())

    async def handle(_: web.Request) -> web.Response:
        return web.Response(body=await redis.get(key), content_type="application/json")

    app = web.Application()
    app.router.add_get(PATH, handle)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    server = await asyncio.get_running_loop().create_server(runner.server, "127.0.0.1", 0)  # type: ignore[arg-type]
    yield server.sockets[0].getsockname()[1]
    server.close()
    await runner.cleanup()
    await redis.aclose()


async def rates(r: Resources, api_port: int, rounds: int, seconds: float) -> None:
    """Measure both in turn and print what came of it."""
    async with r.database.connection() as connection:
        user = await connection.fetchval(
            "INSERT INTO users (username, role, password_hash) VALUES ('me', 'viewer', '!') RETURNING id"
        )
    tokens = [r.access_tokens.issue(user, 1, now=utc_now())[0] for _ in range(CONNECTIONS)]
    await r.users.get(user)  # which puts the copy where the bare handler finds it
    ours: list[Round] = []
    raw: list[Round] = []
    async with bare(r, r.keys.user(user)) as bare_port:
        for _ in range(rounds):
            ours.append(await one_round(api_port, tokens, seconds))
            raw.append(await one_round(bare_port, tokens, seconds))
            print(f"  ours {ours[-1].rate:,.0f}   bare {raw[-1].rate:,.0f} answers a second")
    mine, limit = (statistics.median(each.rate for each in both) for both in (ours, raw))
    costs, least = (statistics.median(each.cpu for each in both) for both in (ours, raw))
    print(f"me        {mine / limit:.2f} of the bare rate, {mine:,.0f} against {limit:,.0f} a second (aim: 0.6)")
    print(f"          {least / costs:.2f} by our CPU time, {1e6 * costs:.0f} against {1e6 * least:.0f} us an answer")


async def one_round(port: int, tokens: list[str], seconds: float) -> Round:
    """Let the client ask; what came of it."""
    before = time.process_time()
    head = f"GET {PATH} HTTP/1.1\r\nHost: horarium\r\nAuthorization: Bearer "
    requests = [f"{head}{token}\r\n\r\n".encode() for token in tokens]
    rate = (await to_process.run_sync(ask, port, requests, seconds)).rate
    return Round(rate, (time.process_time() - before) / (rate * seconds))


async def logins(r: Resources, port: int, users: int) -> None:
    """Refused logins of known and unknown users in turn; prints how long they took."""
    hashed = await Passwords().hash("the right password of everybody")
    async with r.database.connection() as connection:
        await connection.execute(
            "INSERT INTO users (username, role, password_hash) SELECT 'known ' || n, 'viewer', $2"
            " FROM generate_series(1, $1) AS n",
            users,
            hashed,
        )
    seconds: dict[str, list[float]] = {"known": [], "unknown": []}
    first = int(ip_address("198.18.0.0"))
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        for number in range(1, users + 1):
            for who in ("known", "unknown") if number % 2 else ("unknown", "known"):
                body = {"username": f"{who} {number}", "password": "the wrong password"}
                headers = {"X-Forwarded-For": str(ip_address(first + number * 2 + (who == "known")))}
                began = time.perf_counter()
                async with session.post("/api/v1/auth/login", json=body, headers=headers) as answer:
                    assert answer.status == 401, await answer.text()
                seconds[who].append(time.perf_counter() - began)
    known, unknown = (1000 * statistics.median(taken) for taken in seconds.values())
    print(
        f"login     known users {known:.2f} ms, unknown ones {unknown:.2f} ms (medians of {users} each),"
        f" {100 * (known / unknown - 1):+.1f} % (aim: within 5 %)"
    )


async def measure(rounds: int, seconds: float, users: int) -> None:
    """Measure all of it."""
    async with resources() as shared:
        trusting = shared.settings.model_copy(update={"port": 0, "trusted_proxies": (ip_network("127.0.0.0/8"),)})
        r = replace(shared, settings=trusting)
        print(f"{CONNECTIONS} connections, {rounds} rounds of {seconds:g} s, {datetime.now(UTC):%F %T} UTC")
        async with core(r, only="token_service"), api(r) as port:
            await rates(r, port, rounds, seconds)
            await logins(r, port, users)


def main() -> None:
    """Read the sizes and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--users", type=int, default=200)
    parser.add_argument("--short", action="store_true", help="small and quick: shows that the bench works")
    options = parser.parse_args()
    configure_logging("console", "error")
    calm_collector()
    sizes = (1, 0.5, 20) if options.short else (options.rounds, options.seconds, options.users)
    anyio.run(measure, *sizes, backend_options={"use_uvloop": True})


if __name__ == "__main__":
    main()
