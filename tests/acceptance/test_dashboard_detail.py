"""The page of one config in a real browser: its year, its durations, its history, and what it asks."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import expect

from horarium.http.site import FOLDER
from tests.support.browser import LOOKS, NEEDS_BROWSER, Visit
from tests.support.dashboard import KEPT_MS
from tests.support.processes import PASSWORD
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Locator

    from tests.support.processes import Client, Running

pytestmark = [NEEDS_BROWSER, pytest.mark.timeout(300)]

KATHMANDU = ZoneInfo("Asia/Kathmandu")
HOURLY = {
    "scheduler_type": "cron",
    "schedule_config": {"cron_expression": "0 * * * *", "timezone": "Asia/Kathmandu"},
    "overlap": "allow_all",
}


@pytest.fixture(scope="module")
def admin(house: Running) -> Client:
    """The API, for what an operator does elsewhere."""
    return house.client()


@pytest.fixture(scope="module")
def today() -> datetime:
    """Midnight of today in Kathmandu; the tests of a night may see another one, on either side of it."""
    return datetime.now(KATHMANDU).replace(hour=0, minute=0, second=0, microsecond=0)


@pytest.fixture(scope="module")
def storied(admin: Client, today: datetime) -> int:
    """A config with a past: a week that went well, and a day before it on which everything failed."""
    fails = {"task_type": "fail", "parameters": {"message": "no"}, "max_retries": 0}
    about = {"name": "reports of the hour", "description": "Sums up the hour."}
    config = admin.config(**about, status="inactive", **fails, **HOURLY)  # or an hour begins meanwhile
    ran(admin, config, today - timedelta(days=8), hours=24)
    admin.call("PATCH", f"/task-configs/{config}", {"task_type": "echo", "parameters": {"message": "hello"}})
    ran(admin, config, today - timedelta(days=7), hours=7 * 24)
    return config


def ran(admin: Client, config: int, start: datetime, *, hours: int) -> None:
    """Backfill so many hours, and wait until all of it is over."""
    end = start + timedelta(hours=hours, seconds=-1)
    span = {"start": start.isoformat(), "end": end.isoformat(), "overlap": "allow_all"}
    assert admin.post(f"/task-configs/{config}/backfill", span) == {"created": hours, "skipped": 0}
    until(lambda: not admin.get("/executions/active")["total"], within=30)


@pytest.fixture(scope="module")
def known(chromium: Browser, house: Running, admin: Client) -> Iterator[Visit]:
    """The page of an operator who has logged in, and another operator: the next login of one ends the one before."""
    for name in ("olga", "otto"):
        admin.post("/users", {"username": name, "password": PASSWORD, "role": "operator"})
    with Visit.of(chromium, house.url) as made:
        made.to("/")
        made.log_in(PASSWORD, "olga")
        yield made


@pytest.fixture
def visit(known: Visit) -> Iterator[Visit]:
    """The same; a test must leave nothing on its console."""
    yield known
    known.was_quiet()


def opened(visit: Visit, config: int) -> Visit:
    visit.to(f"/configs/{config}")
    visit.is_drawn()
    return visit


def day_of(visit: Visit, day: datetime) -> Locator:
    """The cell of a day."""
    return visit.page.get_by_label(re.compile(rf"^{day:%a},? {day.day} {day:%b}( \d{{4}})?: "))


# The year


def test_each_day_says_how_it_went_in_the_zone_of_the_config(visit: Visit, storied: int, today: datetime) -> None:
    opened(visit, storied)

    expect(day_of(visit, today - timedelta(days=1))).to_have_accessible_name(re.compile(": 24 runs$"))
    expect(day_of(visit, today - timedelta(days=8))).to_have_accessible_name(re.compile(": 24 runs, 24 failed$"))
    expect(day_of(visit, today - timedelta(days=20))).to_have_accessible_name(re.compile(": nothing$"))
    year = visit.page.get_by_role("region", name="The last year")
    expect(year).to_contain_text("192 runs on 8 days in 53 weeks, 87.5 % of them successful; 24 failures on 1 day.")
    expect(year).to_contain_text("Days in Kathmandu")


def test_a_day_leads_to_its_executions(visit: Visit, storied: int, today: datetime) -> None:
    opened(visit, storied)

    day_of(visit, today - timedelta(days=8)).click()

    expect(visit.page.get_by_role("button", name=re.compile("^from "))).to_be_visible()
    expect(visit.page.get_by_text(re.compile("^1.24 of 24 executions"))).to_be_visible()
    expect(visit.page.get_by_label("Outcome")).to_be_visible()
    visit.page.get_by_role("button", name=re.compile("^from ")).click()
    expect(visit.page.get_by_text("of 192 executions")).to_be_visible()


def test_a_day_that_is_pointed_at_is_told_beside_the_calendar(visit: Visit, storied: int, today: datetime) -> None:
    opened(visit, storied)

    day_of(visit, today - timedelta(days=8)).hover()

    expect(visit.page.locator(".told-line").first).to_contain_text("24 runs, 24 failed")


def test_the_keyboard_leads_from_today_to_any_day_and_to_its_executions(
    visit: Visit, storied: int, today: datetime
) -> None:
    """One tab stop for a year of days: arrows lead by days and weeks, Home and End to the ends."""
    opened(visit, storied)
    page = visit.page
    assert page.locator(".calendar [tabindex='0']").count() == 1
    page.locator(".calendar [tabindex='0']").focus()
    expect(page.locator("[aria-current=date]")).to_be_focused()

    page.keyboard.press("ArrowLeft")
    page.keyboard.press("ArrowUp")
    expect(day_of(visit, today - timedelta(days=8))).to_be_focused()
    page.keyboard.press("Home")
    expect(page.locator(".calendar [data-place='0']")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    expect(page.locator(".calendar [data-place='0']")).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")

    expect(page.get_by_text(re.compile("^1.24 of 24 executions"))).to_be_visible()


@pytest.mark.usefixtures("known")
def test_a_finger_is_told_of_a_day_before_it_is_led_there(
    chromium: Browser, house: Running, storied: int, today: datetime
) -> None:
    with Visit.of(chromium, house.url, "phone") as visit:
        visit.to(f"/configs/{storied}")
        visit.log_in(PASSWORD, "otto")
        day = day_of(visit, today - timedelta(days=8))

        day.tap()

        expect(visit.page.locator(".told-line").first).to_contain_text("24 runs, 24 failed (tap again")
        day.tap()
        expect(visit.page.get_by_text(re.compile("^1.24 of 24 executions"))).to_be_visible()


def test_a_run_is_seen_in_the_calendar_and_in_the_history_as_it_happens(visit: Visit, admin: Client) -> None:
    config = admin.config(name="watched", scheduler_type="manual", schedule_config={})
    opened(visit, config)
    expect(visit.page.get_by_text("Nothing in the last 53 weeks.")).to_be_visible()

    admin.post(f"/task-configs/{config}/run")

    history = visit.page.get_by_role("region", name="History")
    expect(history.get_by_role("listitem").filter(has_text="by admin").first).to_be_visible()
    expect(history.get_by_text("Success")).to_be_visible()
    expect(visit.page.locator("[aria-current=date]")).to_have_accessible_name(re.compile(": 1 run$"), timeout=KEPT_MS)


# Durations


def test_durations_are_points_that_lead_to_their_executions(visit: Visit, storied: int, admin: Client) -> None:
    newest = admin.get(f"/task-configs/{storied}/durations")["items"][-1]
    opened(visit, storied)
    plot = visit.page.get_by_role("group", name=re.compile("192 newest runs: 24 unsuccessful"))

    expect(plot.locator(".point")).to_have_count(192)
    expect(plot.locator(".point[data-status=failed]")).to_have_count(24)
    plot.locator("[tabindex='0']").focus()
    expect(visit.page.locator(".told-line").last).to_contain_text("success after")
    visit.page.keyboard.press("Enter")

    expect(visit.page).to_have_url(f"{visit.url}/executions/{newest['task_id']}")


# What is asked


@pytest.mark.parametrize(
    ("seconds", "labels"),
    [
        ([0, 3600, 7200, 10800], ["08:00", "09:00", "10:00", "11:00"]),
        ([0, 2, 4, 6], ["08:00:00", "08:00:02", "08:00:04", "08:00:06"]),
        ([0, 0, 0, 5], ["08:00:00", "08:00:05"]),
    ],
)
def test_runs_of_one_minute_are_dated_to_the_second_and_none_twice(
    visit: Visit, seconds: list[int], labels: list[str]
) -> None:
    dated = visit.page.evaluate(
        """async ([path, seconds]) => {
            const morning = new Date().setHours(8, 0, 0, 0);
            const items = seconds.map((each) => ({ started_at: new Date(morning + 1000 * each).toISOString() }));
            return (await import(path)).dated(items);
        }""",
        [f"{FOLDER}/durations.js", seconds],
    )

    assert [label for _, label in dated] == labels


def test_a_run_with_other_parameters_takes_them_and_only_json(visit: Visit, admin: Client) -> None:
    config = admin.config(name="takes others", scheduler_type="manual", schedule_config={})
    opened(visit, config)
    page = visit.page
    page.get_by_role("button", name="Run with …").click()
    dialog = page.get_by_role("dialog")
    expect(dialog.get_by_label("Parameters")).to_have_value(re.compile('"message": "hello'))

    dialog.get_by_label("Parameters").fill("{")
    dialog.get_by_role("button", name="Run").click()
    expect(dialog.get_by_role("alert")).to_contain_text("not JSON")
    dialog.get_by_label("Parameters").fill('{"message": "from the page"}')
    dialog.get_by_role("button", name="Run").click()

    expect(page.get_by_role("region", name="Result")).to_contain_text("from the page")
    visit.was_quiet()


def test_a_backfill_says_how_many_it_would_run_before_it_runs_them(visit: Visit, admin: Client) -> None:
    """By the clock of the config's zone, which is not the reader's."""
    config = admin.config(name="filled up", **HOURLY)
    opened(visit, config)
    page = visit.page
    page.get_by_role("button", name="Backfill …").click()
    dialog = page.get_by_role("dialog")

    dialog.get_by_label("From", exact=True).fill("2026-03-10T06:00")
    dialog.get_by_label("To", exact=True).fill("2026-03-10T11:00")
    expect(dialog.get_by_role("status")).to_have_text("This makes 6 executions.")
    assert admin.executions(config) == []
    dialog.get_by_role("button", name="Run them").click()

    expect(page.get_by_text("The backfill made 6 executions.")).to_be_visible()
    ticks = [each["tick_at"] for each in admin.executions(config)]
    assert min(ticks) == "2026-03-10T00:15:00Z"
    page.get_by_role("link", name="Its backfilled runs").click()
    expect(page.get_by_text(re.compile("^1.6 of 6 executions"))).to_be_visible()


def test_a_backfill_into_the_future_is_told_before_it_is_tried(visit: Visit, storied: int) -> None:
    opened(visit, storied)
    visit.page.get_by_role("button", name="Backfill …").click()
    dialog = visit.page.get_by_role("dialog")

    dialog.get_by_label("To", exact=True).fill("2090-01-01T00:00")

    expect(dialog.get_by_role("status")).to_contain_text("must not be in the future")
    dialog.get_by_role("button", name="Cancel").click()
    visit.was_quiet(provokes="422")


def test_a_pause_is_in_the_history_with_its_reason_and_by_whom(visit: Visit, admin: Client) -> None:
    config = admin.config(name="will rest", **HOURLY)
    opened(visit, config)
    page = visit.page
    page.get_by_role("button", name="Pause …").click()
    page.get_by_label("Reason").fill("the warehouse is moving")

    page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    page.get_by_role("button", name="Reload").click()

    history = page.get_by_role("region", name="History").get_by_role("listitem")
    expect(history.filter(has_text="Paused")).to_contain_text("by olga: the warehouse is moving")
    expect(history.filter(has_text="Indexed anew")).to_contain_text("by olga")


# Everywhere


RULES: dict[str, tuple[str, ...]] = {
    "light": (),
    "dark": ("color-contrast",),
    "phone": ("target-size", "scrollable-region-focusable"),
}
"""The rules of axe that a look can break by itself: all of them take seconds for a year of days."""


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("look", LOOKS)
def test_the_page_can_be_used_by_everybody_in_every_look(
    chromium: Browser, house: Running, storied: int, look: str
) -> None:
    """No serious fault for axe, with the dialogs too, and nothing wider than the screen."""
    faults: dict[str, list[str]] = {}
    with Visit.of(chromium, house.url, look) as visit:
        visit.to(f"/configs/{storied}")
        visit.log_in(PASSWORD, "otto")
        visit.is_drawn()
        visit.keep_picture(f"detail-{look}")
        faults["page"] = visit.serious(*RULES[look]) + visit.too_wide()
        for button in ("Run with …", "Backfill …"):
            visit.page.get_by_role("button", name=button).click()
            expect(visit.page.get_by_text("Counting …")).to_have_count(0)
            visit.keep_picture(f"{button.split()[0].lower()}-{look}")
            faults[button] = visit.serious(*RULES[look], within="dialog") + visit.too_wide()
            visit.page.get_by_role("button", name="Cancel").click()

    assert {name: found for name, found in faults.items() if found} == {}
