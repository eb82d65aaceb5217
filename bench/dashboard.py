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
import sys
import tempfile
import time
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import anyio
from common import resources, wait_until
from dashboard_bursts import REST_SECONDS, Audience, compare_browsers, index_is_full, look_on
from dashboard_life import SLEEP, SLEEPER, Life, live
from dashboard_pages import CHROMIUM, Page, Seen, Visitor, pages_of, visiting

from horarium.clock import utc_now
from horarium.host import calm_collector
from horarium.ids import least_id
from horarium.logs import configure_logging

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from horarium.resources import Resources

START_SECONDS = 120.0
RUNNING = 8
"""Runs that last longer than the bench, so that there is something to see of what runs."""


class Options(argparse.Namespace):
    """What to measure."""

    configs: int
    executions: int
    visits: int
    rounds: int
    watchers: int
    browsers: int
    only: str
    whole: bool
    short: bool


@asynccontextmanager
async def house(r: Resources) -> AsyncIterator[str]:
    """`horarium up` over these servers, with its own worker; gives its address."""
    assert r.settings.database_url is not None
    assert r.settings.redis_url is not None
    settings = {
        "DATABASE_URL": r.settings.database_url.get_secret_value(),
        "REDIS_URL": r.settings.redis_url.get_secret_value(),
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
            for _ in range(visits):
                await visitor.cold(bare, raw)
            print(f"{'raw':<18} {raw.median:>5.0f} ms, {raw.size}")
            if short:
                await see_in_short(visitor, pages)
            else:
                slowest = max([await see_page(visitor, page, raw.median, visits) for page in pages])
                print(f"slowest page {slowest:.0f} ms (aim: 1000)")


async def see_in_short(visitor: Visitor, pages: Sequence[Page]) -> None:
    """Open each page once, and see that all of them have what is waited for."""
    stranger, *known = (page for page in pages if "?" not in page.path)
    assert stranger.is_for_strangers
    login = Seen()
    await visitor.cold(stranger, login)
    for page, seen in [(stranger, login), *await visitor.tour(known)]:
        print(f"{page.name:<18} {seen.median:>5.0f} ms, {seen.size}  {seen.calls}")


async def see_page(visitor: Visitor, page: Page, raw: float, visits: int) -> float:
    """Open one page and print what came of it; the milliseconds of it in a new profile."""
    cold, warm, line = Seen(), Seen(), Seen()
    for _ in range(visits):
        await visitor.cold(page, cold)
    await visitor.warm(page, warm, visits)
    await visitor.cold(page, line, slow=True)
    text = f"{page.name:<18} {cold.median:>5.0f} ms cold, {cold.median / raw:>4.1f} of raw"
    print(f"{text}, {warm.median:>5.0f} warm, {line.median:>5.0f} line  {cold.size}  {cold.calls}")
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
            audience = Audience(options.watchers, brief=not options.whole)
            await look_on(r, life, options.rounds, audience, rest=0.5 if options.short else REST_SECONDS)
            if CHROMIUM is not None and options.browsers:
                await compare_browsers(r, life, Audience(options.watchers, options.browsers))


def main() -> None:
    """Read the sizes and measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--configs", type=int, default=10_000)
    parser.add_argument("--executions", type=int, default=1_000_000)
    parser.add_argument("--visits", type=int, default=5, help="to each page, cold and warm")
    parser.add_argument("--rounds", type=int, default=5, help="of bursts")
    parser.add_argument("--watchers", type=int, default=100)
    parser.add_argument("--browsers", type=int, default=5, help="real pages, to hold the watchers against; 0: none")
    parser.add_argument("--whole", action="store_true", help="watchers are told of each event, as pages once were")
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
