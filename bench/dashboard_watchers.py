"""People who have the dashboard's first page open, each with what a browser has for it: a stream, and reads.

What they do is what `live.js`, `load.js` and `pages/now.js` do: the stream is read for ever, any event of an execution
or a config lets the overview be read a pause later, once however many there were, and every quarter of a minute it is
read anyway. They count and do not parse: they share this machine, and what a browser does with what it is sent is not
the server's cost. A few real browsers beside them show whether the imitation asks as often as they do.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import anyio
from dashboard_life import PASSWORD
from dashboard_pages import CHROMIUM
from playwright.sync_api import sync_playwright

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

__all__ = ["Watched", "browse", "watch"]

STREAM = "/api/v1/events"
READ = "/api/v1/overview"
PAUSE_SECONDS = 1.5
STEADY_SECONDS = 15.0
NEWS = (b"event: execution", b"event: config", b"event: reset", b"event: many")


class Watched(NamedTuple):
    """What all of them came to: events and bytes that they were sent, how often they read, their own CPU seconds."""

    events: int
    stream_bytes: int
    reads: int
    read_bytes: int
    cpu: float


class Watcher:
    """One open page."""

    def __init__(self, session: aiohttp.ClientSession, *, brief: bool) -> None:
        self._session = session
        self._query = {"brief": "true"} if brief else {}
        self._nudged = anyio.Event()
        self.events = self.stream_bytes = self.reads = self.read_bytes = 0
        self.is_open = anyio.Event()

    async def run(self) -> None:
        """Do all of it until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._listen)
            group.start_soon(self._tick)
            await self._read()
            while True:
                await self._nudged.wait()
                await anyio.sleep(PAUSE_SECONDS)
                self._nudged = anyio.Event()  # what is told while it reads is read after it
                await self._read()

    async def _read(self) -> None:
        async with self._session.get(READ) as answer:
            assert answer.status == 200, answer.status
            self.read_bytes += len(await answer.read())
        self.reads += 1

    async def _listen(self) -> None:
        tail = b""
        async with self._session.get(STREAM, params=self._query) as answer:
            assert answer.status == 200, answer.status
            self.is_open.set()
            self._nudged.set()  # what happened before the stream was there is read once more
            async for chunk in answer.content.iter_any():
                whole, _, tail = (tail + chunk).rpartition(b"\n\n")
                news = sum(map(whole.count, NEWS))
                self.events += news
                self.stream_bytes += len(chunk)
                if news:
                    self._nudged.set()

    async def _tick(self) -> None:
        while True:
            await anyio.sleep(STEADY_SECONDS)
            self._nudged.set()


def _watch(url: str, token: str, watchers: int, brief: bool, house: Connection) -> None:
    """A process of watchers, on the last of the cores; says when all are there and, once asked, what it came to."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

    async def everybody() -> None:
        headers = {"Authorization": f"Bearer {token}", "Accept-Encoding": "gzip, deflate, br"}
        async with anyio.create_task_group() as group:
            there = []
            for _ in range(watchers):
                session = aiohttp.ClientSession(
                    url, headers=headers, timeout=aiohttp.ClientTimeout(total=None), auto_decompress=False
                )
                there.append((Watcher(session, brief=brief), session))
                group.start_soon(there[-1][0].run)
            for watcher, _ in there:
                await watcher.is_open.wait()
            house.send("open")
            began = time.process_time()
            await anyio.to_thread.run_sync(house.recv)
            spent = time.process_time() - began
            group.cancel_scope.cancel()
        for _, session in there:
            await session.close()
        sums = [sum(getattr(each, name) for each, _ in there) for name in Watched._fields[:-1]]
        house.send(Watched(*sums, spent))

    anyio.run(everybody, backend_options={"use_uvloop": True})


def _browse(url: str, browsers: int, house: Connection) -> None:
    """A process that has so many real pages open; says when all are live and, once asked, how often they have read."""
    reads = 0

    def asked(request: Any) -> None:
        nonlocal reads
        reads += request.url.endswith(READ)

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        context = browser.new_context()
        pages = [context.new_page() for _ in range(browsers)]
        pages[0].goto(url)
        pages[0].get_by_label("Name").fill("admin")
        pages[0].get_by_label("Password").fill(PASSWORD)
        pages[0].get_by_role("button", name="Log in").click()
        pages[0].get_by_text("Live", exact=True).wait_for()
        for page in pages:
            page.on("request", asked)
            page.goto(url)
            page.get_by_text("Live", exact=True).wait_for()
        house.send("open")
        while not house.poll():
            pages[0].wait_for_timeout(100)
        browser.close()
    house.send(reads)


def watch(url: str, token: str, watchers: int, *, brief: bool) -> Connection:
    """Start so many watchers; says when they are there and, once asked, what they came to."""
    return _begun(_watch, url, token, watchers, brief)


def browse(url: str, browsers: int) -> Connection:
    """Start so many pages of a real browser; says when they are there and, once asked, how often they have read."""
    return _begun(_browse, url, browsers)


def _begun(target: Any, *arguments: object) -> Connection:
    ours, theirs = multiprocessing.Pipe()
    multiprocessing.get_context("spawn").Process(target=target, args=(*arguments, theirs), daemon=True).start()
    return ours
