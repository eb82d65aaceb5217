"""Every page of the dashboard in a real browser, from the navigation to the moment at which there is something to see.

That moment is told by the bench's own script in the page: the first row, mark or number of that page is in the document
(a skeleton is none of these), and two frames later it is on the screen. What the page has loaded by then, and how long
the server took for each call, is what the browser itself has written down (Resource Timing).

    cold    a new profile: nothing is cached, nothing is connected, and the session is renewed by its cookie
    warm    a new tab in a profile that has been there
    line    cold, over a line of 1.6 Mbit/s and 150 ms, as a phone has it
"""

from __future__ import annotations

import json
import re
import shutil
import statistics
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple

from dashboard_life import PASSWORD
from playwright.async_api import async_playwright

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from dashboard_life import Life
    from playwright.async_api import Browser, BrowserContext

__all__ = ["CHROMIUM", "Page", "Seen", "Visitor", "pages_of", "visiting"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
VIEWPORT = {"width": 1360, "height": 860}
SLOW_LINE = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 93_750}
WAIT_MS = 60_000

WHEN_USEFUL = """
(() => {
  const seen = () => {
    if (!document.querySelector(%s)) return false;
    requestAnimationFrame(() => requestAnimationFrame(() => {
      performance.mark("useful");
      document.documentElement.dataset.useful = "yes";
    }));
    return true;
  };
  if (seen()) return;
  const observer = new MutationObserver(() => { if (seen()) observer.disconnect(); });
  observer.observe(document, { childList: true, subtree: true });
})();
"""
LOADED = """
(() => {
  const [useful] = performance.getEntriesByName("useful");
  const all = [...performance.getEntriesByType("navigation"), ...performance.getEntriesByType("resource")];
  return {
    useful: useful.startTime,
    loads: all.map((each) => ({
      url: each.name, bytes: each.transferSize, server: each.responseStart - each.requestStart,
    })),
  };
})()
"""


class Page(NamedTuple):
    """A page, and what of it is useful."""

    name: str
    path: str
    useful: str
    is_for_strangers: bool = False


def pages_of(life: Life) -> tuple[Page, ...]:
    """Every page of the dashboard: a new one is a line here."""
    config, execution = f"/configs/{life.config}", f"/executions/{life.execution}"
    return (
        Page("login", "/login", "input[type=password]", is_for_strangers=True),
        Page("now", "/", ".lane[data-config] .mark"),
        Page("configs", "/configs", "table.configs tbody tr"),
        Page("configs, last ones", "/configs?sort=-name&status=paused", "table.configs tbody tr"),
        Page("configs, found", "/configs?q=payments&tag=nightly", "table.configs tbody tr"),
        Page("config", config, "table.executions tbody tr"),
        Page("editor", "/configs/new", "form.editor select option:nth-child(2)"),
        Page("executions", "/executions", "table.executions tbody tr"),
        Page("all that failed", "/executions?status=failed", "table.executions tbody tr"),
        Page("lost ones", "/executions?status=lost", "table.executions tbody tr"),
        Page("by hand", "/executions?trigger=manual", "table.executions tbody tr"),
        Page("of a worker", "/executions?worker=worker+3", "table.executions tbody tr"),
        Page("of a config", f"/executions?config_id={life.config}", "table.executions tbody tr"),
        Page("execution", execution, "dl.facts dd"),
        Page("tree", "/tree", "table.tree tbody tr"),
        Page("workers", "/workers", ".worker-card"),
        Page("notifications", "/notifications", "main .empty"),
        Page("people", "/people", "table.people tbody tr"),
        Page("audit", "/audit", "ul.changes li"),
    )


@dataclass
class Seen:
    """What came of the visits to one page, in milliseconds."""

    useful: list[float] = field(default_factory=list)
    loads: list[dict[str, Any]] = field(default_factory=list)

    @property
    def median(self) -> float:
        """From the navigation to the first thing to see."""
        return statistics.median(self.useful)

    @property
    def size(self) -> str:
        """Requests and bytes of the last visit."""
        return f"{len(self.loads):>3} requests {sum(each['bytes'] for each in self.loads) / 1000:>6.0f} kB"

    @property
    def calls(self) -> str:
        """The calls of the API in the last visit, and how long the first byte of each was waited for."""
        calls = [each for each in self.loads if "/api/v1/" in each["url"]]
        return "  ".join(f"{re.sub(r'.*/api/v1', '', each['url'])[:48]} {each['server']:.0f}" for each in calls)


class Visitor:
    """Somebody with a browser who is logged in."""

    def __init__(self, browser: Browser, url: str) -> None:
        self._browser = browser
        self._url = url
        self._state: Any = None

    async def log_in(self) -> None:
        """Once; a session is handed on from profile to profile, since each renewal changes its cookie."""
        here = Page("now", "/", "")
        context = await self._context(here)
        page = await context.new_page()
        await page.goto(self._url)
        await page.get_by_label("Name").fill("admin")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Log in").click()
        await page.wait_for_selector("nav[aria-label=Pages]")
        await self._leave(context, here)

    async def raw(self) -> Page:
        """A page of the same server that loads nothing and asks nothing: the icon."""
        context = await self._browser.new_context()
        page = await context.new_page()
        await page.goto(self._url)
        icon = await page.get_attribute("link[rel=icon]", "href")
        await context.close()
        return Page("raw", icon or "", "svg", is_for_strangers=True)

    async def cold(self, page: Page, seen: Seen, *, slow: bool = False) -> None:
        """In a new profile."""
        context = await self._context(page)
        await self._look(context, page, seen, slow=slow)
        await self._leave(context, page)

    async def warm(self, page: Page, seen: Seen, times: int) -> None:
        """In new tabs of a profile that has seen it once."""
        context = await self._context(page)
        await self._look(context, page, Seen())
        for _ in range(times):
            await self._look(context, page, seen)
        await self._leave(context, page)

    async def tour(self, pages: Sequence[Page]) -> list[tuple[Page, Seen]]:
        """Each page once, in new tabs of one profile."""
        context = await self._context(pages[0])
        found = [(page, Seen()) for page in pages]
        for page, seen in found:
            await self._look(context, page, seen)
        await self._leave(context, pages[0])
        return found

    async def _look(self, context: BrowserContext, page: Page, seen: Seen, *, slow: bool = False) -> None:
        tab = await context.new_page()
        await tab.add_init_script(WHEN_USEFUL % json.dumps(page.useful))
        if slow:
            line = await context.new_cdp_session(tab)
            await line.send("Network.enable")
            await line.send("Network.emulateNetworkConditions", SLOW_LINE)
        await tab.goto(self._url + page.path, wait_until="commit")
        await tab.wait_for_selector("[data-useful]", state="attached")
        await tab.wait_for_selector("main .skeleton", state="detached")
        found = await tab.evaluate(LOADED)
        seen.useful.append(found["useful"])
        seen.loads = found["loads"]
        await tab.close()

    async def _context(self, page: Page) -> BrowserContext:
        state = None if page.is_for_strangers else self._state
        context = await self._browser.new_context(viewport=VIEWPORT, storage_state=state)
        context.set_default_timeout(WAIT_MS)
        return context

    async def _leave(self, context: BrowserContext, page: Page) -> None:
        if not page.is_for_strangers:
            self._state = await context.storage_state()
        await context.close()


@asynccontextmanager
async def visiting(url: str) -> AsyncIterator[Visitor]:
    """A visitor of the house at an address."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        visitor = Visitor(browser, url)
        await visitor.log_in()
        yield visitor
        await browser.close()
