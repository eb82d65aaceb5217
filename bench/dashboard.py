"""Measures the dashboard over a large house: what one who opens a page waits for, and what a hundred who look on cost.

Fills a house with CONFIGS configs and EXECUTIONS executions that look like weeks of life (`dashboard_life.py`), lets
`horarium up` serve it from a process of its own, and opens every page in Chromium, in new profiles and in old ones
(`dashboard_pages.py`), beside a page of the same server that loads nothing. Then, in this process, lets the core of
the tree fire all of the configs in one second, with nobody looking and with WATCHERS open pages
(`dashboard_watchers.py`), in turn.

    pages    from the navigation to the first row, mark or number on the screen    aim: under 1 s, each page
    burst    tick to last message confirmed, alone / with all who look on          aim: at least 0.9
    cpu      our CPU for a burst, alone / with all who look on                     aim: at least 0.9

Who looks on does so on this machine, so that the first ratio has their own work in it and the second has not. Prints
figures; fails only when something is wrong (a page without data, a tick missing or doubled), never because a machine is
slow.
"""

from __future__ import annotations

import argparse
import os
import re
import statistics
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

import anyio
from common import Cpu, Window, api, core, resources, timed, wait_until
from dashboard_life import SLEEP, SLEEPER, Life, live
from dashboard_pages import CHROMIUM, PASSWORD, Page, Seen, Visitor, pages_of, visiting
from dashboard_watchers import PAUSE_SECONDS, Watched, browse, watch

from horarium.clock import utc_now
from horarium.host import calm_collector
from horarium.identity.passwords import Passwords
from horarium.ids import least_id
from horarium.logs import configure_logging

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from multiprocessing.connection import Connection

    from horarium.resources import Resources

START_SECONDS = 120.0
REST_SECONDS = 4.0
"""How long after a burst those who look on are counted: until each has read what the burst has changed."""
RUNNING = 8
"""Runs that last longer than the bench, so that there is something to see of what runs."""

FIRE_ONCE = """
UPDATE task_configs SET
    status = 'active', schedule_config = jsonb_build_object('timezone', 'UTC', 'cron_expression', $1::text),
    overlap = 'allow_all', scheduled_from = $2, paused_reason = NULL, version = version + 1
WHERE id <= $3
"""


class Options(argparse.Namespace):
    """What to measure."""

    configs: int
    executions: int
    visits: int
    rounds: int
    watchers: int
    browsers: int
    only: str
    short: bool


class Burst(NamedTuple):
    """One burst: seconds to the last message, our CPU seconds until then and until everybody has looked."""

    seconds: float
    cpu: float
    cpu_of_all: float
    watched: Watched | None


@asynccontextmanager
async def house(r: Resources) -> AsyncIterator[str]:
    """`horarium up` over these servers, with its own worker; gives its address."""
    assert r.settings.database_url is not None
    assert r.settings.redis_url is not None
    settings = {
        "DATABASE_URL": r.settings.database_url.get_secret_value(),
        "REDIS_URL": r.settings.redis_url.get_secret_value(),
        "ADMIN_PASSWORD": PASSWORD,
        "INLINE_WORKER": "1",
        "LOG_LEVEL": "error",
        "PORT": "0",
    }
    with tempfile.TemporaryDirectory(prefix="horarium-bench-") as folder:
        environ = {**os.environ, **{f"HORARIUM_{name}": value for name, value in settings.items()}}
        environ["HORARIUM_DATA_DIR"] = folder
        async with await anyio.open_process([sys.executable, "-m", "horarium", "up"], env=environ, stderr=None) as up:
            said = ""
            try:
                with anyio.fail_after(START_SECONDS):
                    while (found := re.search(r"API\s+(http://\S+)/api/v1", said)) is None:
                        assert up.stdout is not None
                        said += (await up.stdout.receive()).decode()
                yield found[1]
            finally:
                up.terminate()


async def see_pages(r: Resources, life: Life, visits: int, *, short: bool) -> None:
    """Open every page, and print how long each takes."""
    async with house(r) as url:
        await something_runs(r)
        await index_is_full(r)
        async with visiting(url) as visitor:
            pages, raw = pages_of(life), Seen()
            bare = await visitor.raw()
            await visitor.cold(pages[-1], Seen())  # the browser's own first time
            for _ in range(max(visits, 3)):
                await visitor.cold(bare, raw)
            print(f"{'raw':<18} {raw.median:>5.0f} ms, {raw.size}")
            slowest = 0.0
            for page in pages:
                slowest = max(slowest, await see_page(visitor, page, raw.median, visits, short=short))
    print(f"slowest page {slowest:.0f} ms (aim: 1000)")


async def see_page(visitor: Visitor, page: Page, raw: float, visits: int, *, short: bool) -> float:
    """Open one page and print what came of it; the milliseconds of it in a new profile."""
    cold, warm, line = Seen(), Seen(), Seen()
    for _ in range(visits):
        await visitor.cold(page, cold)
    text = f"{page.name:<18} {cold.median:>5.0f} ms cold, {cold.median / raw:>4.1f} of raw"
    if not short:
        await visitor.cold(page, line, slow=True)
        if not page.is_for_strangers:
            await visitor.warm(page, warm, visits)
        text += f"  {warm.median if warm.useful else cold.median:>5.0f} warm  {line.median:>5.0f} line"
    print(f"{text}  {cold.size}  {cold.calls}")
    return cold.median


async def something_runs(r: Resources) -> None:
    """A few runs of a config that sleeps, as somebody would begin them: the publisher sends what is pending."""
    async with r.database.connection() as connection:
        config = await connection.fetchval(SLEEPER)
        await connection.execute(SLEEP, least_id(utc_now()), config, RUNNING)

    async def they_run() -> bool:
        async with r.database.connection() as connection:
            running = "SELECT count(*) FROM executions WHERE completed_at IS NULL AND status = 'running'"
            return await connection.fetchval(running) >= RUNNING

    await wait_until(they_run, seconds=60, every=0.2)


async def index_is_full(r: Resources) -> None:
    """Wait until all schedules are in the due index."""

    async def it_is() -> bool:
        return bool(await r.redis.get(r.keys.loaded))

    await wait_until(it_is, seconds=60, every=0.2)


async def burst(r: Resources, life: Life, watchers: int, browsers: int = 0) -> tuple[Burst, float]:
    """All configs fire in one second while so many look on; and how often a real page has read meanwhile."""
    await forget_last(r)
    tick = Window.soon(life.configs, 1, head_start=max(8.0, life.configs / 1_000) + 2 * browsers).first
    async with r.database.transaction() as connection:
        await connection.execute("SET LOCAL session_replication_role = replica")  # nobody listens yet
        expression = f"{tick.second} {tick.minute} {tick.hour} {tick.day} {tick.month} *"
        await connection.execute(FIRE_ONCE, expression, tick - timedelta(milliseconds=500), life.configs)
    at_any_port = replace(r, settings=r.settings.model_copy(update={"port": 0}))
    async with timed(at_any_port) as (process, broker), core(process), api(process) as port:
        ends, url = tick.timestamp() + REST_SECONDS, f"http://127.0.0.1:{port}"
        there = [watch(url, await a_token(process), watchers, ends)] if watchers else []
        there += [browse(url, browsers, ends)] if browsers else []
        for each in there:
            assert await told(each) == "open"
        await index_is_full(process)
        assert utc_now() < tick, "the machine took too long to load: raise the head start"
        await anyio.sleep(tick.timestamp() - time.time() - 0.2)
        before = Cpu.now()

        async def all_confirmed() -> bool:
            return len(broker.at) >= life.configs

        await wait_until(all_confirmed, seconds=60)
        at_last = Cpu.now() - before
        await anyio.sleep(max(0.0, ends - time.time()))
        in_all = Cpu.now() - before
        watched = await told(there[0]) if watchers else None
        reads = await told(there[-1]) if browsers else 0
    await check(r, life, tick)
    return Burst(broker.latencies()[-1], at_last.own, in_all.own, watched), reads


async def told(by: Connection) -> object:
    """What another process has to say."""
    return await anyio.to_thread.run_sync(by.recv)


async def a_token(r: Resources) -> str:
    """The access token of somebody who may look."""
    async with r.database.connection() as connection:
        user = await connection.fetchval(
            "INSERT INTO users (username, role, password_hash) VALUES ('viewer ' || now(), 'viewer', '!') RETURNING id"
        )
    return r.access_tokens.issue(user, 1, now=utc_now())[0]


async def forget_last(r: Resources) -> None:
    """Take away what the last burst has left."""
    async with r.database.connection() as connection:
        await connection.execute("DELETE FROM executions WHERE completed_at IS NULL")
        await connection.execute("VACUUM executions")
        await connection.execute("VACUUM (ANALYZE) task_configs")
        await connection.execute("CHECKPOINT")
    await r.redis.flushall()


async def check(r: Resources, life: Life, tick: datetime) -> None:
    """Every config has exactly one row of that tick."""
    async with r.database.connection() as connection:
        rows = await connection.fetchval("SELECT count(*) FROM executions WHERE tick_at = $1", tick)
    assert rows == life.configs, (rows, life.configs)


async def look_on(r: Resources, life: Life, options: Options) -> None:
    """Bursts alone and watched, in turn; prints what the watchers cost."""
    alone, watched = [], []
    for _ in range(options.rounds):
        alone.append((await burst(r, life, 0))[0])
        watched.append((await burst(r, life, options.watchers))[0])
        print(f"  alone {in_words(alone[-1])}\n  watched {in_words(watched[-1])}")
    ours, with_all = (statistics.median(each.seconds for each in found) for found in (alone, watched))
    print(f"burst {ours / with_all:.2f}: {ours:.3f} s alone, {with_all:.3f} s with {options.watchers} (aim: 0.9)")
    ours, with_all = (statistics.median(each.cpu for each in found) for found in (alone, watched))
    print(f"cpu   {ours / with_all:.2f}: {ours:.3f} s alone, {with_all:.3f} s with {options.watchers} (aim: 0.9)")


def in_words(each: Burst) -> str:
    """The figures of one burst."""
    share = 100 * each.cpu / (each.seconds + 0.2)
    text = f"{each.seconds:.3f} s, our CPU {each.cpu:.3f} s, {share:.0f} % of the time, {each.cpu_of_all:.2f} s in all"
    if (watched := each.watched) is None:
        return text
    sent = f"{watched.events:,} events in {watched.stream_bytes / 1e6:.1f} MB"
    sent += f" and {watched.reads} overviews in {watched.read_bytes / 1e6:.1f} MB"
    return f"{text}; sent {sent}; who looked on spent {watched.cpu:.2f} s"


async def compare_browsers(r: Resources, life: Life, watchers: int, browsers: int) -> None:
    """Whether real pages read as often as those that imitate them."""
    async with r.database.connection() as connection:
        await connection.execute(
            "INSERT INTO users (username, role, password_hash) VALUES ('admin', 'admin', $1)"
            " ON CONFLICT (lower(username)) DO UPDATE SET password_hash = excluded.password_hash, is_active = true",
            await Passwords().hash(PASSWORD),
        )
    found, reads = await burst(r, life, watchers, browsers)
    assert found.watched is not None
    print(
        f"imitation: {found.watched.reads / watchers:.1f} reads each, of {browsers} real pages {reads / browsers:.1f}"
        f" each (a page pauses {PAUSE_SECONDS:g} s)"
    )


async def measure(options: Options) -> None:
    """Measure all of it."""
    async with resources() as r:
        began = time.perf_counter()
        assert r.settings.database_url is not None
        life = await live(r.settings.database_url.get_secret_value(), options.configs, options.executions)
        took = time.perf_counter() - began
        size = f"{life.configs:,} configs, {life.executions:,} executions"
        print(f"{size}, filled in {took:.0f} s, {datetime.now(UTC):%F %T} UTC")
        if CHROMIUM is None:
            print("pages not measured: there is no browser here")
        elif options.only in ("", "pages"):
            await see_pages(r, life, options.visits, short=options.short)
        if options.only in ("", "burst"):
            await look_on(r, life, options)
            if CHROMIUM is not None and options.browsers:
                await compare_browsers(r, life, options.watchers, options.browsers)


def main() -> None:
    """Read the sizes and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--configs", type=int, default=10_000)
    parser.add_argument("--executions", type=int, default=1_000_000)
    parser.add_argument("--visits", type=int, default=5, help="to each page, cold and warm")
    parser.add_argument("--rounds", type=int, default=5, help="of bursts")
    parser.add_argument("--watchers", type=int, default=100)
    parser.add_argument("--browsers", type=int, default=5, help="real pages, to hold the watchers against; 0: none")
    parser.add_argument("--only", choices=["", "pages", "burst"], default="", help="one part alone")
    parser.add_argument("--short", action="store_true", help="small and quick: shows that the bench works")
    options = parser.parse_args(namespace=Options())
    configure_logging("console", "error")
    calm_collector()
    if options.short:
        options.configs, options.executions, options.visits = 400, 20_000, 1
        options.rounds, options.watchers, options.browsers = 1, 10, 0
    anyio.run(measure, options, backend_options={"use_uvloop": True})


if __name__ == "__main__":
    main()
