"""Measures what it costs to tell what happens, to nobody and to many clients, at some hundred ticks a second.

Lets the core of the tree fire DUE configs every second, with the reader and the API beside it, and counts the CPU of
this process for SECONDS with nobody listening and then with CLIENTS clients, who are a process of their own.

    cpu       of one core, with no client and with all of them
    steady    p50 and p99 from the tick to its message confirmed, with none and with all
    heard     events that the slowest client has heard, of those that there were, and the delay of the median one

Prints figures; fails only when a tick has no row or two, or a client has missed an event and was not told.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio
from common import Cpu, Window, check_window, core, make_configs, percentile, resources, running, start_afresh, timed

from horarium.clock import utc_now
from horarium.host import calm_collector
from horarium.http.liveness import LIMIT_SECONDS, Liveness
from horarium.logs import configure_logging
from horarium.supervisor import SupervisorSpec
from horarium.tree import supervisor_tree

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

    from horarium.resources import Resources

TICK, RESET, TIMESTAMP = b'"queued"', b"t: reset", b'"timestamp":"'
HEAD_START_SECONDS = 10.0
REST_SECONDS = 4.0
"""How long after the last tick clients may still hear of it."""


async def hear(url: str, token: str, ends: float) -> tuple[int, int, list[float]]:
    """Listen until then; how many ticks were heard of, how many resets, and how late some were.

    It counts and does not parse: the clients are not what is measured, and share this machine.
    """
    heard, resets, late, tail = 0, 0, [], b""
    timeout = aiohttp.ClientTimeout(total=None)
    headers = {"Authorization": f"Bearer {token}"}
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(f"{url}/api/v1/events", params={"types": "executions"}, headers=headers) as response,
    ):
        assert response.status == 200, response.status
        with anyio.move_on_after(ends - time.time()):
            async for chunk in response.content.iter_any():
                text = tail + chunk
                heard += text.count(TICK)
                resets += text.count(RESET)
                tail = text[1 - len(TICK) :]
                told = text.rpartition(TIMESTAMP)[2].partition(b'"')
                if told[1]:
                    late.append(time.time() - datetime.fromisoformat(told[0].decode()).timestamp())
    return heard, resets, late


def audience(url: str, token: str, clients: int, ends: float, answer: Connection) -> None:
    """A process of clients."""

    async def everybody() -> None:
        heard: list[tuple[int, int, list[float]]] = []

        async def one() -> None:
            heard.append(await hear(url, token, ends))

        async with anyio.create_task_group() as group:
            for _ in range(clients):
                group.start_soon(one)
        answer.send(heard)

    anyio.run(everybody, backend_options={"use_uvloop": True})


async def measure(r: Resources, due: int, seconds: int, clients: int) -> str:
    """One window with so many clients; what it came to."""
    await start_afresh(r.database, r.redis)
    window = Window.soon(due, seconds, head_start=HEAD_START_SECONDS)
    await make_configs(r.database, due, window)
    ports: list[int] = []
    at_any_port = replace(r, settings=r.settings.model_copy(update={"port": 0}))
    async with timed(at_any_port) as (process, broker):
        tree = supervisor_tree(
            process,
            supervisor=lambda: None,  # type: ignore[arg-type,return-value]  # nobody asks for the tree
            tell_password=print,
            listening=ports.append,
            liveness=Liveness(lambda: 0.0, LIMIT_SECONDS),
        )
        api = next(child for child in tree.children if child.id == "api")
        async with core(process), running(SupervisorSpec("bench", (api,))):
            ends = window.instants[-1].timestamp() + REST_SECONDS
            listeners = await listen(process, ports[-1], clients, ends)
            await anyio.sleep(window.first.timestamp() - time.time() - 0.5)
            before = Cpu.now()
            await anyio.sleep(ends - time.time() - 0.5)
            spent = Cpu.now() - before
            heard = await anyio.to_thread.run_sync(listeners) if clients else []
    await check_window(r, window)
    return told(clients, spent.shares(seconds), broker.latencies(), heard, window.ticks)


async def listen(r: Resources, port: int, clients: int, ends: float) -> Any:
    """Start the audience; what it will have heard, to be called in a thread."""
    if not clients:
        return None
    async with r.database.connection() as connection:
        user = await connection.fetchval(
            "INSERT INTO users (username, role, password_hash) VALUES ('viewer ' || now(), 'viewer', 'x') RETURNING id"
        )
    token, _ = r.access_tokens.issue(user, 1, now=utc_now())
    ours, theirs = multiprocessing.Pipe()
    arguments = (f"http://127.0.0.1:{port}", token, clients, ends, theirs)
    multiprocessing.get_context("spawn").Process(target=audience, args=arguments, daemon=True).start()
    return ours.recv


def told(clients: int, cpu: str, latencies: list[float], heard: Any, ticks: int) -> str:
    """The figures in words."""
    p50, p99 = (1000 * percentile(latencies, share) for share in (0.5, 0.99))
    line = f"{clients:>4} clients   cpu {cpu}   steady p50 {p50:.0f} ms p99 {p99:.0f} ms"
    if not heard:
        return line
    fewest, resets = min(each[0] for each in heard), sum(each[1] for each in heard)
    late = sorted(one for each in heard for one in each[2])
    assert fewest >= ticks or resets, (fewest, ticks)
    return f"{line}   heard {fewest:,} of {ticks:,}, {resets} resets, {1000 * percentile(late, 0.5):.0f} ms late"


async def main_async(due: int, seconds: int, clients: int) -> None:
    """Both windows."""
    async with resources() as r:
        for count in (0, clients):
            print(await measure(r, due, seconds, count))


def main() -> None:
    """Read the sizes and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--due", type=int, default=500)
    parser.add_argument("--seconds", type=int, default=30)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--short", action="store_true", help="small and quick: shows that the bench works")
    options = parser.parse_args()
    configure_logging("console", "error")
    calm_collector()
    sizes = (100, 5, 10) if options.short else (options.due, options.seconds, options.clients)
    anyio.run(main_async, *sizes, backend_options={"use_uvloop": True})


if __name__ == "__main__":
    main()
