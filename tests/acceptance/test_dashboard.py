"""The dashboard in a real browser: what an operator comes for, done by hand, while everything goes on."""

from __future__ import annotations

import re
from contextlib import contextmanager
from itertools import count
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.support.browser import LOOKS, NEEDS_BROWSER, Visit
from tests.support.processes import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Route

    from tests.support.processes import Client, Running

pytestmark = [NEEDS_BROWSER, pytest.mark.timeout(90)]

NUMBERS = count(1)


@pytest.fixture(scope="module")
def admin(house: Running) -> Client:
    """The API, for what an operator does elsewhere."""
    return house.client()


@pytest.fixture(scope="module")
def known(chromium: Browser, house: Running, admin: Client) -> Iterator[Visit]:
    """The page of an admin who has logged in."""
    admin.post("/users", {"username": "ada", "password": PASSWORD, "role": "admin"})
    with visiting(chromium, house, "ada") as made:
        yield made


@pytest.fixture
def visit(known: Visit) -> Iterator[Visit]:
    """The same, at what happens now; a test must leave nothing on its console."""
    known.page.get_by_role("link", name="Horarium: now").click()
    known.is_drawn()
    yield known
    known.was_quiet()


@contextmanager
def visiting(
    chromium: Browser, house: Running, username: str, path: str = "/", provokes: str | None = None
) -> Iterator[Visit]:
    with Visit.of(chromium, house.url, provokes=provokes) as made:
        made.to(path)
        made.log_in(PASSWORD, username)
        made.is_drawn()
        yield made


def a_user(admin: Client, role: str) -> str:
    username = named(role)
    admin.post("/users", {"username": username, "password": PASSWORD, "role": role})
    return username


def named(what: str) -> str:
    return f"{what} {next(NUMBERS)}"


def a_config(admin: Client, name: str, **fields: object) -> int:
    by_hand = {"task_type": "echo", "parameters": {"message": "hello"}, "scheduler_type": "manual"}
    return admin.config(**{"name": name, "schedule_config": {}, **by_hand, **fields})


# Sessions


def test_a_login_leads_to_where_one_wanted_to_go(chromium: Browser, house: Running) -> None:
    with Visit.of(chromium, house.url) as visit:
        visit.to("/configs?status=paused")

        visit.log_in(PASSWORD)

        expect(visit.page).to_have_url(f"{house.url}/configs?status=paused")
        expect(visit.page.get_by_label("Status")).to_have_value("paused")


def test_a_wrong_password_is_told_and_lets_nobody_in(chromium: Browser, house: Running) -> None:
    with Visit.of(chromium, house.url, provokes="401") as visit:
        visit.to("/")
        visit.page.get_by_label("Name").fill("nobody")
        visit.page.get_by_label("Password").fill("wrong")

        visit.page.keyboard.press("Enter")

        expect(visit.page.get_by_role("alert")).to_have_text("That name and password do not go together.")
        expect(visit.page.get_by_role("navigation")).to_have_count(0)


def test_a_page_that_is_loaded_again_is_still_logged_in(visit: Visit) -> None:
    visit.page.add_init_script(
        "addEventListener('DOMContentLoaded', () => new MutationObserver(() => {"
        " if (document.querySelector('[name=password]')) document.documentElement.dataset.flashed = 'yes';"
        "}).observe(document.body, { childList: true, subtree: true }))"
    )

    visit.page.reload()

    visit.is_drawn()
    expect(visit.page.get_by_role("heading", name="Now", exact=True)).to_be_visible()
    expect(visit.page.locator("html")).not_to_have_attribute("data-flashed", "yes")


def test_a_session_that_ends_elsewhere_leads_to_the_login_and_back_and_a_logout_to_it(
    chromium: Browser, house: Running, admin: Client
) -> None:
    username = a_user(admin, "operator")
    user = next(each for each in admin.every("/users") if each["username"] == username)
    with visiting(chromium, house, username, path="/tree", provokes="401") as visit:
        admin.call("PATCH", f"/users/{user['id']}", {"role": "viewer"})

        expect(visit.page.get_by_label("Password")).to_be_visible()
        visit.log_in(PASSWORD, username)
        expect(visit.page).to_have_url(f"{house.url}/tree")

        visit.page.get_by_label(f"Account of {username}").click()
        visit.page.get_by_role("button", name="Log out").click()

        expect(visit.page.get_by_label("Password")).to_be_visible()
        assert [each["name"] for each in visit.page.context.cookies() if each["value"]] == []


def test_no_script_can_read_the_session(visit: Visit) -> None:
    assert visit.page.evaluate("document.cookie") == ""
    assert visit.page.evaluate("Object.values(localStorage).join().length") <= 1


# Now


def test_a_config_fires_live(visit: Visit, admin: Client) -> None:
    name = named("fires every second")
    config = admin.config(name=name)

    lane = visit.page.locator(f'.lane[data-config="{config}"]')

    expect(lane.get_by_role("link", name=name)).to_be_visible()
    expect(lane.locator('.mark[data-status="success"]').first).to_be_attached()
    admin.call("DELETE", f"/task-configs/{config}")


def test_a_run_that_failed_is_opened_from_what_failed_lately(visit: Visit, admin: Client) -> None:
    name = named("breaks")
    config = a_config(admin, name, task_type="fail", parameters={"message": "the disk is full"})
    admin.post(f"/task-configs/{config}/run")

    visit.page.get_by_role("region", name="Failed lately").get_by_role("link", name=re.compile(name)).first.click()

    expect(visit.page.get_by_role("heading", name=name)).to_be_visible()
    expect(visit.page.get_by_role("region", name="Error")).to_contain_text("the disk is full")
    expect(visit.page.get_by_role("region", name="From tick to end")).to_contain_text("Finished")


def test_a_lost_connection_is_told_and_what_is_shown_is_dated(visit: Visit) -> None:
    expect(visit.page.get_by_text("Live", exact=True)).to_be_visible()

    visit.page.context.set_offline(True)

    expect(visit.page.get_by_text("Connection lost.")).to_be_visible()
    expect(visit.page.locator(".banner")).to_contain_text(re.compile(r"as of \d\d:\d\d:\d\d"))
    visit.page.context.set_offline(False)
    expect(visit.page.get_by_text("Live", exact=True)).to_be_visible()
    expect(visit.page.locator(".banner")).to_have_count(0)
    visit.was_quiet(provokes="ERR_INTERNET_DISCONNECTED")


# Configs and executions


def test_a_config_is_found_by_its_name_and_paused_with_a_reason_and_resumed(visit: Visit, admin: Client) -> None:
    name = named("to be paused")
    config = a_config(admin, name, scheduler_type="cron", schedule_config={"cron_expression": "0 4 * * *"})
    page = visit.page
    page.get_by_role("link", name="Configs").click()
    page.get_by_label("Find").fill(name)
    page.get_by_role("link", name=name).click()

    page.get_by_role("button", name="Pause …").click()
    page.get_by_label("Reason").fill("the warehouse is moving")
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()

    expect(page.locator(".notice")).to_have_text("Paused: the warehouse is moving")
    assert admin.get(f"/task-configs/{config}")["paused_reason"] == "the warehouse is moving"
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("button", name="Pause …")).to_be_visible()
    assert admin.get(f"/task-configs/{config}")["status"] == "active"


def test_a_run_by_hand_is_watched_and_cancelled(visit: Visit, admin: Client) -> None:
    config = a_config(admin, named("takes its time"), task_type="sleep", parameters={"seconds": 60})
    page = visit.page
    visit.to(f"/configs/{config}")
    page.get_by_role("button", name="Run now").click()
    expect(page.get_by_text(re.compile(r"Running.* for \d+ s"))).to_be_visible()

    page.get_by_role("button", name="Cancel …").click()
    page.get_by_role("dialog").get_by_role("button", name="Cancel it").click()

    expect(page.get_by_text(re.compile("Cancelled: somebody asked for it"))).to_be_visible()
    (execution,) = admin.executions(config)
    assert execution["status"] == "cancelled"


def test_what_failed_is_retried_as_a_new_execution(visit: Visit, admin: Client) -> None:
    config = a_config(admin, named("fails twice"), task_type="fail", parameters={"message": "no"})
    first = admin.post(f"/task-configs/{config}/run")["task_id"]
    admin.ended(first)
    visit.to(f"/executions/{first}")

    visit.page.get_by_role("button", name="Retry").click()

    expect(visit.page).not_to_have_url(f"{visit.url}/executions/{first}")
    expect(visit.page.get_by_role("link", name="another execution")).to_have_attribute("href", f"/executions/{first}")


def test_a_config_is_deleted_once_that_is_confirmed(visit: Visit, admin: Client) -> None:
    config = a_config(admin, named("to be deleted"))
    visit.to(f"/configs/{config}")

    visit.page.get_by_role("button", name="Delete …").click()
    visit.page.get_by_role("dialog").get_by_role("button", name="Delete").click()

    expect(visit.page).to_have_url(f"{visit.url}/configs")
    assert admin.call("GET", f"/task-configs/{config}").status == 404


def test_a_config_that_has_changed_meanwhile_is_not_deleted_and_says_why(visit: Visit, admin: Client) -> None:
    config = a_config(admin, named("changes meanwhile"))
    visit.to(f"/configs/{config}")
    visit.page.get_by_role("button", name="Delete …").click()
    visit.page.route(re.compile("/api/v1/task-configs/"), as_if_edited)

    visit.page.get_by_role("dialog").get_by_role("button", name="Delete").click()

    expect(visit.page.get_by_role("dialog").get_by_role("alert")).to_contain_text("version")
    assert admin.get(f"/task-configs/{config}")["id"] == config
    visit.page.get_by_role("button", name="Cancel").click()
    visit.page.unroute_all()
    visit.was_quiet(provokes="409")


def as_if_edited(route: Route) -> None:
    """The request of a page that has read another version."""
    headers = route.request.headers
    route.continue_(headers=headers | ({"if-match": '"99"'} if "if-match" in headers else {}))


def test_a_viewer_is_offered_nothing_that_would_be_refused(chromium: Browser, house: Running, admin: Client) -> None:
    config = a_config(admin, named("looked at"))
    with visiting(chromium, house, a_user(admin, "viewer"), path=f"/configs/{config}") as visit:
        expect(visit.page.get_by_role("heading", name="At a glance")).to_be_visible()
        expect(visit.page.locator("main").get_by_role("button")).to_have_count(0)


# The tree


def test_the_tree_is_seen_to_restart_what_was_killed(visit: Visit, house: Running) -> None:
    visit.page.get_by_role("link", name="Tree").click()
    row = visit.page.get_by_role("row", name=re.compile("^redis"))
    expect(row.get_by_text("Running")).to_be_visible()
    (redis,) = [process for process in house.tree() if process.name() == "redis-server"]

    redis.kill()

    expect(row.locator('[data-label="Restarts"]')).to_have_text("1")
    expect(row.locator('[data-label="Last exit"]')).to_contain_text("restart")
    expect(row.get_by_text("Running")).to_be_visible()
    visit.was_quiet(provokes="503")


def test_an_actor_is_restarted_by_button_and_says_by_whom(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("link", name="Tree").click()

    page.get_by_role("button", name="Restart cleanup", exact=True).click()
    page.get_by_role("dialog").get_by_role("button", name="Restart").click()

    row = page.get_by_role("row", name=re.compile("^cleanup"))
    expect(row).to_contain_text("ada asked for it")
    expect(row.get_by_text("Running")).to_be_visible()


# Users, keys and what was changed


def test_a_key_is_made_shown_once_and_taken_away_and_the_audit_log_tells_of_it(visit: Visit) -> None:
    page, name = visit.page, named("of the deployment")
    page.get_by_role("link", name="Users & keys").click()
    page.get_by_role("button", name="New key …").click()
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create").click()

    expect(page.get_by_role("dialog").get_by_text(re.compile("^hk_"))).to_be_visible()
    page.get_by_role("button", name="I have it").click()
    page.get_by_role("button", name=f"Delete the key {name}").click()
    page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    expect(page.get_by_role("row", name=re.compile(name))).to_have_count(0)

    page.get_by_role("link", name="Audit").click()
    expect(page.get_by_role("group").filter(has_text=name).first).to_be_visible()


def test_a_user_is_made_and_a_password_that_breaks_a_rule_is_told_by_its_field(visit: Visit) -> None:
    page, name = visit.page, named("grace")
    page.get_by_role("link", name="Users & keys").click()
    page.get_by_role("button", name="New user …").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Password").fill("password1")
    page.get_by_role("button", name="Create").click()

    expect(page.get_by_role("dialog").get_by_role("alert")).to_contain_text("password")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create").click()

    expect(page.get_by_role("row", name=re.compile(name))).to_be_visible()
    visit.was_quiet(provokes="422")


# Who is told

RULE = {"events": ["failed", "recovered"], "webhook": {"url": "http://127.0.0.1:9/hooks/horarium"}}


def test_a_rule_is_made_its_secret_shown_once_and_a_test_says_what_came_of_it(visit: Visit, admin: Client) -> None:
    page, name, config = visit.page, named("rule"), named("told of")
    a_config(admin, config)
    page.get_by_role("link", name="Notifications").click()
    page.get_by_role("button", name="New rule").click()

    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_label("URL").fill("http://127.0.0.1:9/hooks/horarium")
    page.get_by_label("Timeout").uncheck()
    page.locator("[name=configs]").fill(config)
    page.get_by_role("button", name="Create").click()

    expect(page.locator("dialog code")).to_have_text(re.compile("^whsec_"))
    page.get_by_role("button", name="I have it").click()
    row = page.get_by_role("row", name=re.compile(name))
    expect(row).to_contain_text("failed, lost, missed, well again")
    expect(row).to_contain_text(config)
    page.get_by_role("button", name=f"Test {name}").click()
    told = page.get_by_role("status").filter(has_text="HORARIUM_HTTP_ALLOW")
    told.get_by_role("button", name="Dismiss").click()
    page.get_by_role("button", name=f"Delete {name}").click()
    page.get_by_role("button", name="Delete", exact=True).click()
    expect(row).to_have_count(0)


def test_what_did_not_arrive_is_told_and_sent_again(visit: Visit, admin: Client) -> None:
    page, name = visit.page, named("unheard")
    config = a_config(admin, name, task_type="fail", parameters={}, max_retries=0)
    admin.post("/notification-rules", {**RULE, "name": name, "config_ids": [config]})
    admin.ended(admin.post(f"/task-configs/{config}/run")["task_id"])
    page.get_by_role("link", name="Notifications").click()

    page.get_by_role("button", name=f"Send again what {name} says of {name}").click()

    expect(page.get_by_text("It is sent again")).to_be_visible()


# Everywhere


PAGES = {"now": "/", "configs": "/configs", "executions": "/executions", "tree": "/tree"}
PAGES |= {"workers": "/workers", "notifications": "/notifications", "people": "/people", "audit": "/audit"}


@pytest.fixture(scope="module")
def things(admin: Client) -> dict[str, str]:
    """A config with a run that failed, to look at, and somebody who was to be told."""
    admin.post("/notification-rules", {**RULE, "name": named("ops"), "tags": ["nightly", "weekly"]})
    admin.post("/notification-rules", {**RULE, "name": named("everybody")})
    config = a_config(admin, named("shown"), task_type="fail", parameters={"message": "no"}, description="Breaks.")
    run = admin.post(f"/task-configs/{config}/run")["task_id"]
    admin.ended(run)
    return {**PAGES, "config": f"/configs/{config}", "execution": f"/executions/{run}"}


RULES: dict[str, tuple[str, ...]] = {"light": (), "phone": (), "dark": ("color-contrast",)}
"""The rules of axe that a look can break by itself; all of them where another layout is drawn."""


@pytest.mark.timeout(240)
@pytest.mark.parametrize("look", LOOKS)
def test_every_page_can_be_used_by_everybody_in_every_look(
    chromium: Browser, house: Running, things: dict[str, str], look: str
) -> None:
    """No serious fault for axe, no word on the console, no other host, and nothing wider than the screen."""
    faults: dict[str, list[str]] = {}
    with Visit.of(chromium, house.url, look) as visit:
        visit.to("/")
        faults["login"] = visit.serious()
        visit.keep_picture(f"login-{look}")
        visit.log_in(PASSWORD)
        for name, path in things.items():
            visit.to(path)
            visit.is_drawn()
            visit.keep_picture(f"{name}-{look}")
            faults[name] = visit.serious(*RULES[look]) + too_wide(visit)

    assert {name: found for name, found in faults.items() if found} == {}


def too_wide(visit: Visit) -> list[str]:
    over = visit.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return [f"{over} pixels too wide"] if over > 0 else []


def test_the_keyboard_leads_past_the_navigation_and_to_every_page(visit: Visit) -> None:
    page = visit.page
    visit.to("/")
    visit.is_drawn()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()

    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the page")).to_be_focused()
    page.get_by_role("link", name="Tree").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="The tree", exact=True)).to_be_focused()


def test_the_look_is_the_readers_choice_and_is_kept(visit: Visit) -> None:
    visit.page.get_by_label("Account of ada").click()

    visit.page.get_by_label("Dark").check()

    expect(visit.page.locator("body")).to_have_css("background-color", "rgb(19, 21, 24)")
    visit.page.reload()
    expect(visit.page.locator("body")).to_have_css("background-color", "rgb(19, 21, 24)")
