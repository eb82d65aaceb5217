"""The dashboard in a real browser: what an operator comes for, done by hand, while everything goes on."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from horarium.http.site import FOLDER
from tests.support.browser import NEEDS_BROWSER, Visit
from tests.support.dashboard import a_config, a_run, a_user, named, visiting
from tests.support.processes import PASSWORD
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Route

    from tests.support.processes import Client, Running

pytestmark = [NEEDS_BROWSER, pytest.mark.timeout(300)]


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

        expect(visit.page.get_by_role("alert")).to_contain_text("an admin can set a new password")
        expect(visit.page.get_by_role("navigation")).to_have_count(0)


def test_a_login_that_is_held_back_says_for_how_long(chromium: Browser, house: Running) -> None:
    with Visit.of(chromium, house.url, provokes="429") as visit:
        visit.to("/")
        visit.page.route(
            "**/auth/browser/login", lambda route: route.fulfill(status=429, headers={"Retry-After": "90"})
        )
        visit.page.get_by_label("Name").fill("ada")
        visit.page.get_by_label("Password").fill("a guess")

        visit.page.keyboard.press("Enter")

        expect(visit.page.get_by_role("alert")).to_have_text("Too many attempts. Wait 1 min 30 s, then try again.")


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
    with visiting(chromium, house, username, path="/workers", provokes="401") as visit:
        visit.page.get_by_role("button", name="New limit …").click()
        admin.call("PATCH", f"/users/{user['id']}", {"role": "viewer"})

        expect(visit.page.get_by_label("Password")).to_be_visible()
        expect(visit.page.get_by_role("dialog")).to_have_count(0)
        visit.log_in(PASSWORD, username)
        expect(visit.page).to_have_url(f"{house.url}/workers")

        visit.page.get_by_label(f"Account of {username}").click()
        visit.page.get_by_role("button", name="Log out").click()

        expect(visit.page.get_by_label("Password")).to_be_visible()
        assert [each["name"] for each in visit.page.context.cookies() if each["value"]] == []


def test_no_script_can_read_the_session(visit: Visit) -> None:
    assert visit.page.evaluate("document.cookie") == ""
    assert visit.page.evaluate("Object.values(localStorage).join().length") <= 1


# The connection


def test_a_lost_connection_is_told_and_what_is_shown_is_dated(visit: Visit) -> None:
    expect(visit.page.get_by_text("Live", exact=True)).to_be_visible()

    visit.page.context.set_offline(True)

    expect(visit.page.get_by_text("Connection lost.")).to_be_visible()
    expect(visit.page.locator(".banner")).to_contain_text(re.compile(r"as of \d\d:\d\d:\d\d"))
    visit.page.context.set_offline(False)
    expect(visit.page.get_by_text("Live", exact=True)).to_be_visible()
    expect(visit.page.locator(".banner")).to_have_count(0)
    visit.was_quiet(provokes="ERR_INTERNET_DISCONNECTED")


def test_many_events_that_are_told_as_one_let_a_page_be_read_anew(visit: Visit, admin: Client) -> None:
    """The stream is answered here, so that there is nothing else in it: `many`, and its end, again and again."""
    stream = {"content_type": "text/event-stream", "body": 'id: 1-0\nevent: many\ndata: {"executions":480}\n\n'}
    execution = f"/executions/{a_run(admin, named('told of'))}"
    path = f"/api/v1{execution}"
    visit.page.route(re.compile(r"/api/v1/events\?"), lambda route: route.fulfill(**stream))

    with visit.page.expect_request(visit.url + path):
        visit.to(execution)
    with visit.page.expect_request(visit.url + path):
        expect(visit.page.get_by_text("Live", exact=True)).to_be_visible()  # and so it is read once more
    with visit.page.expect_request(visit.url + path):
        pass  # for what is told since

    visit.page.unroute_all()


@pytest.mark.parametrize("status", [503, 502])
def test_what_cannot_be_read_is_told_and_dated_while_the_connection_stands(visit: Visit, status: int) -> None:
    """Of a proxy that says so, too."""
    page = visit.page
    page.get_by_role("link", name="Workers").click()
    visit.is_drawn()
    away = {"title": "away", "status": status, "detail": "postgres is away", "code": "unavailable"}

    page.route(re.compile("/api/v1/system/workers"), lambda route: route.fulfill(status=status, json=away))

    expect(page.locator(".banner")).to_contain_text(re.compile(r"as of \d\d:\d\d:\d\d.*postgres is away"))
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    page.unroute_all()
    expect(page.locator(".banner")).to_have_count(0)
    visit.was_quiet(provokes=str(status))


# Configs and executions


def test_filters_stand_in_the_address_and_are_taken_away_together(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("link", name="Executions").click()
    page.get_by_label("Outcome").select_option("Lost")
    page.get_by_label("Trigger").select_option("Backfill")
    expect(page).to_have_url(f"{visit.url}/executions?status=lost&trigger=backfill")

    page.reload()
    expect(page.get_by_label("Outcome")).to_have_value("lost")
    page.get_by_role("button", name="Take all filters away").click()

    expect(page).to_have_url(f"{visit.url}/executions")
    expect(page.get_by_label("Trigger")).to_have_value("")


# What an execution says


def test_a_log_is_followed_until_one_reads_above_and_is_filtered_and_says_what_was_dropped(
    visit: Visit, admin: Client, tmp_path: Path
) -> None:
    page, mark = visit.page, tmp_path / "mark"
    talking = {"lines": 1200, "mark": str(mark)}
    visit.to(f"/executions/{a_run(admin, named('talks'), task_type='night.talks', parameters=talking)}")
    lines = page.get_by_role("region", name="Log of attempt 1")
    last = lines.locator(".log-line").last

    expect(lines).to_contain_text("row 1200 is as it was")
    expect(lines.locator(".log-gone").first).to_contain_text("earlier lines dropped")
    lines.scroll_into_view_if_needed()
    expect(last).to_be_in_viewport()

    lines.evaluate("node => { node.scrollTop = 300; }")
    newest = page.get_by_role("button", name="To the newest lines")
    expect(newest).to_be_visible()
    mark.write_text("the shelves are empty\n")
    expect(lines).to_contain_text("the shelves are empty")
    expect(last).not_to_be_in_viewport()
    newest.click()
    expect(newest).to_have_count(0)

    page.get_by_label("Level").select_option("Errors only")
    expect(lines.locator(".log-line")).to_have_count(1)
    expect(lines.locator(".log-level")).to_have_text("ERROR")
    page.get_by_label("Level").select_option("All levels")
    page.get_by_label("Containing").fill("ROW 1199")
    expect(lines.locator(".log-text")).to_have_text(["row 1199 is as it was"])
    mark.write_text("the shelves are empty\nthe end\n")
    expect(page.get_by_text("Success")).to_be_visible()


def test_each_attempt_has_its_own_time_error_and_log(visit: Visit, admin: Client) -> None:
    page = visit.page
    twice = {"task_type": "night.breaks", "max_retries": 1, "retry_backoff_seconds": 0}
    run = a_run(admin, named("breaks twice"), parameters={}, **twice)
    admin.ended(run)
    visit.to(f"/executions/{run}")
    first = page.get_by_role("listitem").filter(has=page.locator("summary", has_text="Attempt 1"))

    expect(page.get_by_role("region", name="Log of attempt 2")).to_contain_text("asking the warehouse")
    expect(first.get_by_role("region")).to_have_count(0)
    first.locator("summary").first.click()

    expect(first.get_by_role("region", name="Log of attempt 1")).to_contain_text("the answer is 1 characters long")
    expect(first.locator(".error-line")).to_contain_text("JSONDecodeError")
    expect(first.locator(".waterfall")).to_contain_text("Finished")


def test_a_tick_that_did_not_run_says_why_in_words(visit: Visit, admin: Client) -> None:
    config = a_config(
        admin,
        named("overlaps"),
        task_type="sleep",
        parameters={"seconds": 30},
        scheduler_type="cron",
        schedule_config={"cron_expression": "* * * * * *"},
    )
    (skipped,) = until(lambda: admin.executions(config, status="skipped")[:1])
    admin.call("DELETE", f"/task-configs/{config}")

    visit.to(f"/executions/{skipped['task_id']}")

    expect(visit.page.locator(".lead")).to_have_text(
        re.compile("Skipped: another run of this config was still going on")
    )


TRACEBACK = """Traceback (most recent call last):
  File "/usr/lib/python3.12/asyncio/runners.py", line 118, in run
    return self._loop.run_until_complete(task)
           ~~~~~~~~~~~~~~~~~~~~~~~~~~~~~^^^^^^
  File "/srv/.venv/lib/python3.12/site-packages/pkg/call.py", line 7, in call
    go()
  File "/srv/app/reports.py", line 3, in send
    raise ValueError("no")
ValueError: no
  over two lines"""


def test_frames_of_libraries_are_told_apart_from_ones_own(visit: Visit) -> None:
    told = visit.page.evaluate(
        "async ([path, text]) => (await import(path)).pieces(text)"
        ".map(({ kind, lines, frames }) => [kind, lines.length, frames])",
        [f"{FOLDER}/traceback.js", TRACEBACK],
    )

    assert told == [["text", 1, 0], ["library", 5, 2], ["own", 2, 1], ["text", 2, 0]]


# Workers and limits


def test_a_worker_is_paused_and_resumed_and_its_queue_says_that_nobody_takes_from_it(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("link", name="Workers").click()
    queue = page.get_by_role("row", name=re.compile("^default"))
    expect(queue.locator('[data-label="Workers"]')).to_have_text("1")

    page.get_by_role("button", name=re.compile("^Pause")).click()
    expect(page.get_by_role("dialog")).to_contain_text("of which there is none")
    page.get_by_role("dialog").get_by_role("button", name="Pause").click()

    card = page.locator(".worker-card")
    expect(card).to_contain_text(re.compile("Paus(ing|ed)"))
    expect(card).to_contain_text("Last orderby ada")
    expect(queue.locator('[data-label="Workers"]')).to_have_text("nobody")
    page.get_by_role("button", name=re.compile("^Resume")).click()
    expect(card).to_contain_text("takes messages")
    expect(queue.locator('[data-label="Workers"]')).to_have_text("1")


def test_a_limit_is_set_and_refused_and_changed_and_taken_away(visit: Visit) -> None:
    page, name = visit.page, "night.limited"
    page.get_by_role("link", name="Workers").click()
    page.get_by_role("button", name="New limit …").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill(name)
    dialog.get_by_label("Start, at most").fill("5")
    dialog.get_by_role("button", name="Set").click()
    expect(dialog.get_by_role("alert")).to_contain_text("period_seconds")
    dialog.get_by_label("In any … seconds").fill("60")
    dialog.get_by_role("button", name="Set").click()

    row = page.get_by_role("row", name=re.compile(name))
    expect(row).to_contain_text("0 of 1")
    expect(row).to_contain_text("5 in 1 min")
    page.get_by_role("button", name=f"Edit the limit of {name}").click()
    dialog.get_by_label("Run at once, at most").fill("3")
    dialog.get_by_role("button", name="Set").click()
    expect(row).to_contain_text("0 of 3")
    page.get_by_role("button", name=f"Take the limit of {name} away").click()
    dialog.get_by_role("button", name="Take it away").click()
    expect(row).to_have_count(0)
    visit.was_quiet(provokes="422")


# What is done to configs


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


def test_what_failed_is_retried_as_a_new_execution(visit: Visit, admin: Client) -> None:
    page = visit.page
    first = a_run(admin, named("fails twice"), task_type="fail", parameters={"message": "no"})
    admin.ended(first)
    visit.to(f"/executions/{first}")

    page.get_by_role("button", name="Retry …").click()
    expect(page.get_by_role("dialog")).to_contain_text("same parameters")
    page.get_by_role("dialog").get_by_role("button", name="Retry").click()

    expect(page).not_to_have_url(f"{visit.url}/executions/{first}")
    expect(page.get_by_role("link", name="another execution")).to_have_attribute("href", f"/executions/{first}")
    page.get_by_role("link", name="another execution").click()
    expect(page.get_by_role("region", name="Of the same tick")).to_contain_text("repeats this one")


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
    expect(row).to_contain_text("failed, lost, missed, config in error, well again")
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
