"""The story of a night in the dashboard, in every look: what was made, fired, failed, was stopped, killed, came back.

At its end every page, to be used by everybody, of which a picture is kept in `artifacts/dashboard/`. That a page asks
no other host, breaks no policy, has one without anything unsafe in it and says nothing on its console, each
visit sees to (tests/support/browser.py).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from horarium.embedded.redis import PROGRAMS
from tests.support.browser import LOOKS, NEEDS_BROWSER, Visit
from tests.support.dashboard import KEPT_MS, a_config, a_run, a_user, named, visiting

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser

    from tests.support.processes import Client, Running

pytestmark = [NEEDS_BROWSER, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def admin(house: Running) -> Client:
    """The API, for what happens elsewhere."""
    return house.client()


@pytest.fixture(scope="module", params=LOOKS)
def look(request: pytest.FixtureRequest) -> str:
    """One look after the other; all of the story in each."""
    return str(request.param)


@pytest.fixture(scope="module")
def open_page(chromium: Browser, house: Running, admin: Client, look: str) -> Iterator[Visit]:
    """The page of an admin who has logged in, in this look; its login was looked at before."""
    with Visit.of(chromium, house.url, look) as visit:
        visit.to("/")
        expect(visit.page.get_by_label("Password")).to_be_visible()
        visit.keep_picture(f"login-{look}")
        assert visit.serious("color-contrast") + visit.too_wide() == []
    with visiting(chromium, house, a_user(admin, "admin"), look=look) as visit:
        yield visit


@pytest.fixture
def visit(open_page: Visit) -> Iterator[Visit]:
    """The same, at what happens now; a test must leave nothing on its console."""
    open_page.page.get_by_role("link", name="Horarium: now").click()
    open_page.is_drawn()
    yield open_page
    open_page.was_quiet()


def test_a_config_is_made_with_the_editor_and_fires_live(visit: Visit, admin: Client) -> None:
    """From an empty form to the third run and to the timeline, without loading anything anew."""
    page, name = visit.page, named("every second")
    page.get_by_role("link", name="Configs").click()
    page.get_by_role("link", name="New config").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Task").select_option("echo")
    page.get_by_label("message").fill("hello")
    page.get_by_label("Cron expression").fill("* * * * * *")
    foreseen = page.get_by_role("region", name="What it will do")
    expect(foreseen.get_by_role("status")).to_have_text("Every second")
    expect(foreseen.locator(".foreseen-runs > li:not(.clock-change)")).to_have_count(10)

    page.get_by_label("message").press("Enter")

    expect(page.get_by_role("heading", name=name)).to_be_visible()
    config = int(page.url.rsplit("/", 1)[1])
    expect(page.get_by_role("region", name="At a glance")).to_contain_text("Every second")
    expect(page.get_by_role("region", name="Executions").get_by_text("Success").nth(2)).to_be_visible()
    page.get_by_role("link", name="Horarium: now").click()
    lane = page.locator(f'.lane[data-config="{config}"]')
    expect(lane.get_by_role("link", name=name)).to_be_visible(timeout=KEPT_MS)
    expect(lane.locator('.mark[data-status="success"]').first).to_be_attached(timeout=KEPT_MS)
    made = admin.get(f"/task-configs/{config}")
    admin.call("DELETE", f"/task-configs/{config}")
    assert made["parameters"] == {"message": "hello"}
    assert (made["overlap"], made["timeout_seconds"], made["status"]) == ("skip", 300, "active")


def test_what_failed_lately_is_opened_and_tells_why_and_what_it_had_logged(visit: Visit, admin: Client) -> None:
    name = named("asks the warehouse")
    a_run(admin, name, task_type="night.breaks", parameters={})
    page = visit.page

    failed_lately = page.get_by_role("region", name="Failed lately")
    failed_lately.get_by_role("link", name=re.compile(name)).first.click(timeout=KEPT_MS)

    expect(page.get_by_role("heading", name=name)).to_be_visible()
    error = page.get_by_role("region", name="Error")
    expect(error.locator(".error-line")).to_contain_text("JSONDecodeError: Expecting property name")
    expect(error.get_by_role("group", name="Traceback")).to_contain_text("return json.loads(answer)")
    expect(error.get_by_text("frames of libraries").last).to_be_visible()
    expect(page.get_by_role("region", name="Log of attempt 1")).to_contain_text("the answer is 1 characters long")
    expect(page.get_by_role("region", name="From tick to end")).to_contain_text("Finished")


def test_a_run_is_seen_to_come_along_and_is_cancelled(visit: Visit, admin: Client) -> None:
    page = visit.page
    config = a_config(admin, named("loads"), task_type="night.loads", parameters={"mark": "/nowhere"})
    visit.to(f"/configs/{config}")
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_text(re.compile(r"Running.* for \d+ s"))).to_be_visible()
    expect(page.locator(".progress")).to_contain_text("40 % 4,000 of 10,000 rows")
    expect(page.get_by_role("region", name="Log of attempt 1")).to_contain_text("reading the rows of yesterday")

    page.get_by_role("button", name="Cancel …").click()
    expect(page.get_by_role("dialog")).to_contain_text("What it has done by then stays done")
    page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()

    expect(page.get_by_text(re.compile("Cancelled: somebody asked for it"))).to_be_visible()
    (execution,) = admin.executions(config)
    assert execution["status"] == "cancelled"


def test_what_is_killed_is_restarted_in_plain_sight_with_the_decision(visit: Visit, house: Running) -> None:
    visit.page.get_by_role("link", name="Tree").click()
    row = visit.page.get_by_role("row", name=re.compile("^redis"))
    expect(row.get_by_text("Running")).to_be_visible()
    restarts = int(row.locator('[data-label="Restarts"]').inner_text())
    (redis,) = [process for process in house.tree() if process.name() in PROGRAMS]

    redis.kill()

    expect(row.locator('[data-label="Restarts"]')).to_have_text(str(restarts + 1))
    expect(row.locator('[data-label="Last exit"]')).to_contain_text("restart")
    expect(row.get_by_text("Running")).to_be_visible()
    visit.was_quiet(provokes="503")


PAGES = {"now": "/", "configs": "/configs", "executions": "/executions", "tree": "/tree"}
PAGES |= {"workers": "/workers", "notifications": "/notifications", "people": "/people", "audit": "/audit"}
PAGES |= {"nothing": "/executions?status=lost", "editor": "/configs/new"}


@pytest.fixture(scope="module")
def things(admin: Client) -> Iterator[dict[str, str]]:
    """Every page, with a run that failed twice, one that goes on, a limit, and people to be told, to look at."""
    twice = {"task_type": "night.breaks", "parameters": {}, "max_retries": 1, "retry_backoff_seconds": 0}
    config = a_config(admin, named("nightly"), description="Asks the warehouse.", **twice)
    failed = admin.post(f"/task-configs/{config}/run")["task_id"]
    running = a_run(admin, named("loads"), task_type="night.loads", parameters={"mark": "/nowhere"})
    admin.ended(failed)
    for name, tags in (("ops", ["nightly", "weekly"]), ("everybody", [])):
        webhook = {"url": "http://127.0.0.1:9/hooks/horarium"}
        admin.post("/notification-rules", {"name": named(name), "events": ["failed"], "tags": tags, "webhook": webhook})
    limit = "/system/limits/task_type/night.talks"
    admin.call("PUT", limit, {"max_running": 2, "rate": 30, "period_seconds": 60})
    yield {
        **PAGES,
        "config": f"/configs/{config}",
        "attempts": f"/executions/{failed}",
        "running": f"/executions/{running}",
    }
    admin.post(f"/executions/{running}/cancel")
    admin.call("DELETE", limit)


CONTRAST = ("color-contrast",)
"""The rule of axe that another palette can break by itself."""


@pytest.mark.timeout(300)
@pytest.mark.parametrize("look", ["light", "phone"], indirect=True, scope="module")
def test_every_page_can_be_used_by_everybody(visit: Visit, things: dict[str, str], look: str) -> None:
    """No serious fault for axe, no word on the console, no other host, and nothing wider than the screen.

    The dark pages are the light ones in other colours, without being loaded again.
    """
    faults: dict[str, list[str]] = {}
    for name, path in things.items():
        visit.to(path)
        visit.is_drawn()
        visit.keep_picture(f"{name}-{look}")
        faults[name] = visit.serious() + visit.too_wide()
        if look == "light":
            visit.page.emulate_media(color_scheme="dark")
            visit.keep_picture(f"{name}-dark")
            faults[f"{name}, dark"] = visit.serious(*CONTRAST)
            visit.page.emulate_media(color_scheme="light")

    assert {name: found for name, found in faults.items() if found} == {}
