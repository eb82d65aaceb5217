"""A real browser: Debian's chromium, driven by playwright, and everything that a page must not do while it is driven.

A page asks nobody but the house it came from, breaks no policy, and says nothing on its console. What it does say is
collected from its first moment on, and must be nothing when it is left. A fault that a test provokes, the test names.
"""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect, sync_playwright

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

__all__ = ["ARTEFACTS", "LOOKS", "NEEDS_BROWSER", "Visit", "chromium"]

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
NEEDS_BROWSER = pytest.mark.skipif(CHROMIUM is None, reason="there is no browser on this machine")
ARTEFACTS = Path(__file__).parents[2] / "artifacts" / "dashboard"
WAIT_MS = 30_000

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"viewport": {"width": 1360, "height": 860}, "color_scheme": "light"},
    "dark": {"viewport": {"width": 1360, "height": 860}, "color_scheme": "dark"},
    "phone": {"viewport": {"width": 390, "height": 844}, "color_scheme": "light", "has_touch": True},
}


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """One browser for all tests of a module; each has a profile of its own.

    Not for longer: while playwright is there, its event loop runs in the tests' own thread, and nobody else's can.
    """
    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@dataclass
class Visit:
    """A page in a new profile, and what it has done that it must not."""

    page: Page
    url: str
    faults: list[str] = field(default_factory=list)

    @classmethod
    @contextmanager
    def of(cls, browser: Browser, url: str, look: str = "light", *, provokes: str | None = None) -> Iterator[Visit]:
        """Visit a house; at the end there must be no fault, but those that have `provokes` in their text."""
        still = {"reduced_motion": "reduce"}  # a picture, and a colour that is judged, are not of a moment in between
        context = browser.new_context(**LOOKS[look], **still, timezone_id="Europe/Berlin", locale="en-GB")
        context.set_default_timeout(WAIT_MS)
        visit = cls(context.new_page(), url)
        visit.page.on("console", lambda said: visit._heard(said.type, said.text))
        visit.page.on("pageerror", lambda error: visit.faults.append(f"error: {error}"))
        visit.page.on("request", lambda asked: visit._asked(asked.url))
        visit.page.on("response", lambda answer: visit._answered(answer.request.resource_type, answer.headers))
        try:
            yield visit
            visit.was_quiet(provokes)
        finally:
            context.close()

    def was_quiet(self, provokes: str | None = None) -> None:
        """There was no fault since this was asked last."""
        faults = [fault for fault in self.faults if provokes is None or provokes not in fault]
        self.faults.clear()
        assert not faults, "\n".join(faults)

    def to(self, path: str) -> None:
        """Go to an address by the address bar."""
        self.page.goto(self.url + path)

    def log_in(self, password: str, username: str = "admin") -> None:
        """Fill in the form that is shown, and wait to be let in."""
        self.page.get_by_label("Name").fill(username)
        self.page.get_by_label("Password").fill(password)
        self.page.get_by_role("button", name="Log in").click()
        expect(self.page.get_by_role("navigation", name="Pages", exact=True)).to_be_visible()

    def is_drawn(self) -> None:
        """Wait until the page has what it was waiting for."""
        expect(self.page.locator("main .skeleton")).to_have_count(0)
        expect(self.page.locator("[aria-busy=true]")).to_have_count(0)

    def serious(self, *rules: str, within: str | None = None) -> list[str]:
        """What axe finds that is serious or worse, by these of its rules, or by all; within what a selector names."""
        options: dict[str, Any] = {"resultTypes": ["violations"]}  # of what is in order one example, which is faster
        if rules:
            options["runOnly"] = {"type": "rule", "values": list(rules)}
        found = Axe().run(self.page, within, options=options).response["violations"]
        return [
            f"{fault['id']}: {[node['html'][:160] for node in fault['nodes'][:3]]}"
            for fault in found
            if fault["impact"] in ("serious", "critical")
        ]

    def keep_picture(self, name: str) -> None:
        """A picture of the whole page, to look at."""
        ARTEFACTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=ARTEFACTS / f"{name}.png", full_page=True)

    def too_wide(self) -> list[str]:
        """By how much the page is wider than the screen, if it is."""
        over = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        return [f"{over} pixels too wide"] if over > 0 else []

    def _heard(self, kind: str, text: str) -> None:
        if kind in ("error", "warning") or "Content Security Policy" in text:
            self.faults.append(f"console: {text}")

    def _answered(self, kind: str, headers: dict[str, str]) -> None:
        policy = headers.get("content-security-policy", "")
        if kind == "document" and ("default-src 'none'" not in policy or "unsafe" in policy):
            self.faults.append(f"a page with the policy {policy!r}")

    def _asked(self, url: str) -> None:
        if not url.startswith((f"{self.url}/", "data:")):
            self.faults.append(f"asked another host: {url}")
