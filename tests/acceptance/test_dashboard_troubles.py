"""The dashboard where something is in the way: sessions, connections, tabs, and whoever presses a button twice."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from horarium.http.site import FOLDER
from tests.support.admins_page import admin, known, visit
from tests.support.browser import NEEDS_BROWSER
from tests.support.dashboard import a_config, a_run, a_user, named, visiting
from tests.support.processes import PASSWORD

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Route

    from tests.support.browser import Visit
    from tests.support.processes import Client, Running

__all__ = ["admin", "known", "visit"]

pytestmark = [NEEDS_BROWSER, pytest.mark.timeout(300)]

CONNECTIONS = 6
"""As many as a browser has for one host, over all of its tabs."""
SEEN_BY_NOBODY = """hidden => {
    Object.defineProperty(document, "hidden", { value: hidden, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
}"""
HASTY = """() => {
    const timeout = AbortSignal.timeout.bind(AbortSignal);
    AbortSignal.timeout = () => timeout(300);
}"""
HOURLY = {"scheduler_type": "cron", "schedule_config": {"cron_expression": "0 * * * *"}, "overlap": "allow_all"}


def another_tab(visit: Visit, path: str) -> Page:
    page = visit.page.context.new_page()
    page.goto(visit.url + path)
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    return page


def a_tab_that_nobody_sees(visit: Visit) -> Page:
    page = another_tab(visit, "/tree")
    page.evaluate(SEEN_BY_NOBODY, True)
    return page


def holding(page: Page, pattern: str) -> list[Route]:
    """The requests of this kind, from now on, which go nowhere by themselves."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(pattern, hold)
    return held


# Sessions


def test_a_page_that_comes_by_plain_http_is_still_logged_in_when_it_is_loaded_again(
    chromium: Browser, house: Running, admin: Client
) -> None:
    """Browsers keep their locks from pages that come by plain HTTP from another machine."""
    with visiting(chromium, house, a_user(admin, "viewer")) as visit:
        visit.page.add_init_script("delete Navigator.prototype.locks")

        visit.page.reload()

        expect(visit.page.get_by_role("heading", name="Now", exact=True)).to_be_visible()
        assert visit.page.evaluate("navigator.locks") is None


def test_a_session_that_cannot_be_renewed_says_why_and_goes_on_as_soon_as_it_can(visit: Visit) -> None:
    away = {"title": "away", "status": 503, "detail": "redis is away", "code": "unavailable"}
    visit.page.route("**/auth/browser/refresh", lambda route: route.fulfill(status=503, json=away))

    visit.page.reload()

    expect(visit.page.locator(".banner")).to_contain_text("redis is away")
    visit.page.unroute_all()
    expect(visit.page.get_by_role("heading", name="Now", exact=True)).to_be_visible()
    visit.was_quiet(provokes="503")


def test_a_token_of_a_minute_is_not_renewed_every_second(chromium: Browser, house: Running, admin: Client) -> None:
    with visiting(chromium, house, a_user(admin, "viewer")) as visit:
        page = visit.page
        asked: list[str] = []
        page.route("**/auth/browser/refresh", for_a_minute)
        page.on("request", lambda request: asked.append(request.url) if "refresh" in request.url else None)
        page.clock.install()
        page.reload()
        visit.is_drawn()

        page.clock.run_for(30_000)

        expect(page.get_by_role("heading", name="Now", exact=True)).to_be_visible()
        assert len(asked) == 1


def for_a_minute(route: Route) -> None:
    """The renewal, as of a server whose tokens last no longer."""
    answer = route.fetch()
    until = (datetime.now(UTC) + timedelta(minutes=1)).isoformat()
    route.fulfill(response=answer, json=answer.json() | {"expires_at": until})


def test_a_login_in_one_tab_is_a_login_in_the_others(chromium: Browser, house: Running, admin: Client) -> None:
    username = a_user(admin, "viewer")
    with visiting(chromium, house, username, "/tree") as visit:
        other = another_tab(visit, "/workers")
        visit.page.get_by_label(f"Account of {username}").click()
        visit.page.get_by_role("button", name="Log out").click()
        expect(other.get_by_label("Password")).to_be_visible()

        visit.log_in(PASSWORD, username)

        expect(other.get_by_role("heading", name="Workers", exact=True)).to_be_visible()


def test_a_session_that_ends_over_an_open_question_keeps_what_was_typed(
    chromium: Browser, house: Running, admin: Client
) -> None:
    username = a_user(admin, "operator")
    (user,) = [each for each in admin.every("/users") if each["username"] == username]
    with visiting(chromium, house, username, "/configs/new", provokes="401") as visit:
        page = visit.page
        page.get_by_label("Name").fill("half a config")
        page.get_by_role("link", name="Tree").click()
        expect(page.get_by_role("dialog")).to_contain_text("Leave without saving?")

        admin.call("PATCH", f"/users/{user['id']}", {"password": f"{PASSWORD}, another"})

        expect(page.get_by_label("Password")).to_be_visible()
        visit.log_in(f"{PASSWORD}, another", username)
        expect(page.get_by_label("Name")).to_have_value("half a config")


def test_what_one_has_typed_is_not_shown_to_the_next(chromium: Browser, house: Running, admin: Client) -> None:
    first, second = a_user(admin, "operator"), a_user(admin, "operator")
    with visiting(chromium, house, first, "/configs/new") as visit:
        page = visit.page
        page.get_by_label("Name").fill("what is nobody else's business")
        page.get_by_label(f"Account of {first}").click()
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("Password")).to_be_visible()

        visit.log_in(PASSWORD, second)

        expect(page).to_have_url(f"{visit.url}/configs/new")
        expect(page.get_by_label("Name")).to_have_value("")


@pytest.mark.parametrize("path", ["/people", "/audit"])
def test_who_is_no_admin_is_told_so_and_offered_nothing(
    chromium: Browser, house: Running, admin: Client, path: str
) -> None:
    with visiting(chromium, house, a_user(admin, "operator"), path) as visit:
        expect(visit.page.get_by_text("This is for admins")).to_be_visible()
        expect(visit.page.locator("main").get_by_role("button")).to_have_count(0)


# Connections


def test_pages_that_nobody_sees_leave_a_connection_to_the_one_that_is_looked_at(
    chromium: Browser, house: Running, admin: Client
) -> None:
    """Or whoever opens a tab for each thing that failed waits for ever for the seventh."""
    with visiting(chromium, house, a_user(admin, "viewer"), "/workers") as visit:
        tabs = [a_tab_that_nobody_sees(visit) for _ in range(CONNECTIONS)]

        last = another_tab(visit, "/tree")

        expect(last.get_by_role("row", name=re.compile("^core"))).to_be_visible()
        assert len(tabs) == CONNECTIONS


def test_what_happened_while_nobody_saw_the_page_is_there_when_somebody_does(visit: Visit, admin: Client) -> None:
    page, name = visit.page, named("made meanwhile")
    visit.to("/configs?sort=-created_at")
    expect(page.get_by_text("Live", exact=True)).to_be_visible()
    with page.expect_event("requestfailed", lambda request: "/api/v1/events" in request.url):
        page.evaluate(SEEN_BY_NOBODY, True)
    a_config(admin, name)

    with page.expect_request(re.compile("/api/v1/events")):
        page.evaluate(SEEN_BY_NOBODY, False)

    expect(page.get_by_role("link", name=name)).to_be_visible()
    expect(page.get_by_text("Live", exact=True)).to_be_visible()


def test_a_read_that_nobody_answers_is_given_up_and_asked_again(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("link", name="Workers").click()
    visit.is_drawn()
    page.evaluate(HASTY)

    page.route(re.compile("/api/v1/system/workers"), lambda _route: None)

    expect(page.locator(".banner")).to_contain_text("has not answered within")
    page.unroute_all(behavior="ignoreErrors")
    expect(page.locator(".banner")).to_have_count(0)


# Lists


def test_what_is_typed_to_find_something_keeps_its_blanks(visit: Visit) -> None:
    """The next word is still to come, and the list is drawn anew meanwhile."""
    page = visit.page
    page.get_by_role("link", name="Configs").click()

    page.get_by_label("Find").press_sequentially("nothing is ")

    expect(page.get_by_text("No config is like that")).to_be_visible()
    expect(page.get_by_label("Find")).to_have_value("nothing is ")
    expect(page).to_have_url(f"{visit.url}/configs?q=nothing+is")


def test_the_way_back_leads_to_the_same_page_of_a_list(visit: Visit, admin: Client) -> None:
    page, config = visit.page, a_config(admin, named("long ago"), **HOURLY)
    span = {"start": "2026-03-10T00:00:00Z", "end": "2026-03-12T11:00:00Z", "overlap": "allow_all"}
    assert admin.post(f"/task-configs/{config}/backfill", span) == {"created": 60, "skipped": 0}
    visit.to(f"/executions?config_id={config}&trigger=backfill")
    page.get_by_role("button", name="Older").click()
    expect(page.get_by_text(re.compile("^51.60 of 60 executions"))).to_be_visible()

    page.locator("table.executions tbody a").first.click()
    expect(page.get_by_role("heading", name="From tick to end")).to_be_visible()
    page.go_back()

    expect(page.get_by_text(re.compile("^51.60 of 60 executions"))).to_be_visible()


def test_a_config_that_is_called_otherwise_is_so_in_the_list_of_executions(visit: Visit, admin: Client) -> None:
    before, after = named("called one thing"), named("called another")
    config = a_config(admin, before)
    admin.post(f"/task-configs/{config}/run")
    visit.to("/executions")
    expect(visit.page.get_by_role("link", name=before)).to_be_visible()

    admin.call("PATCH", f"/task-configs/{config}", {"name": after})

    expect(visit.page.get_by_role("link", name=after)).to_be_visible()


# What is pressed


def test_a_button_that_is_pressed_twice_runs_a_config_once(visit: Visit, admin: Client) -> None:
    config = a_config(admin, named("pressed twice"))
    visit.to(f"/configs/{config}")

    visit.page.get_by_role("button", name="Run now").dblclick()

    expect(visit.page).to_have_url(re.compile("/executions/"))
    assert len(admin.executions(config)) == 1


def test_who_has_gone_on_meanwhile_is_not_led_elsewhere_by_what_was_pressed_before(visit: Visit, admin: Client) -> None:
    page = visit.page
    visit.to(f"/configs/{a_config(admin, named('started slowly'))}")
    held = holding(page, "**/run")
    with page.expect_request("**/run"):
        page.get_by_role("button", name="Run now").click()
    page.get_by_role("link", name="Tree").click()

    held[0].continue_()

    expect(page.get_by_text("Started by hand")).to_be_visible()
    expect(page).to_have_url(f"{visit.url}/tree")
    page.unroute_all()


def test_who_has_given_an_edit_up_is_not_led_back_when_it_is_saved(visit: Visit, admin: Client) -> None:
    page, config = visit.page, a_config(admin, named("saved slowly"))
    visit.to(f"/configs/{config}/edit")
    page.get_by_label("Description").fill("saved after all")
    held = holding(page, f"**/task-configs/{config}")
    page.get_by_role("button", name="Save").click()
    page.get_by_role("link", name="Tree").click()
    page.get_by_role("dialog").get_by_role("button", name="Leave").click()
    expect(page).to_have_url(f"{visit.url}/tree")

    held[0].continue_()

    expect(page.get_by_text("Saved", exact=True)).to_be_visible()
    expect(page).to_have_url(f"{visit.url}/tree")
    page.unroute_all()


def test_what_is_said_of_a_press_leaves_the_page_in_sight(visit: Visit, admin: Client) -> None:
    visit.to(f"/executions/{a_run(admin, named('copied'))}")

    visit.page.get_by_role("button", name="Copy the id").click()

    said = visit.page.locator(".toast").bounding_box()
    assert said is not None
    assert said["height"] < 100


def test_a_question_goes_with_the_page_that_asked_it(visit: Visit, admin: Client) -> None:
    config = a_config(admin, named("asked about"))
    visit.to("/tree")
    visit.page.get_by_role("link", name="Configs").click()
    visit.page.get_by_role("link", name=admin.get(f"/task-configs/{config}")["name"]).click()
    visit.page.get_by_role("button", name="Delete …").click()
    expect(visit.page.get_by_role("dialog")).to_be_visible()

    visit.page.go_back()

    expect(visit.page.get_by_role("heading", name="Configs", exact=True)).to_be_visible()
    expect(visit.page.get_by_role("dialog")).to_have_count(0)


def test_a_key_is_not_lost_by_an_escape_and_says_when_it_ends(visit: Visit) -> None:
    page, name = visit.page, named("of the deployment")
    page.get_by_role("link", name="Users & keys").click()
    page.get_by_role("button", name="New key …").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Ends").fill("2090-01-01")
    page.get_by_role("button", name="Create").click()
    expect(page.get_by_role("dialog").get_by_text(re.compile("^hk_"))).to_be_visible()

    page.keyboard.press("Escape")
    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog").get_by_text(re.compile("^hk_"))).to_be_visible()
    page.get_by_role("button", name="I have it").click()
    expect(page.get_by_role("row", name=re.compile(name))).to_contain_text(re.compile(r"in \d+ d.*1 Jan 2090"))


def test_a_rule_is_about_the_configs_that_it_was_about_whatever_they_are_called(visit: Visit, admin: Client) -> None:
    page, name = visit.page, named("rule")
    config = a_config(admin, f"{named('first')}, {named('second')}")
    webhook = {"url": "http://127.0.0.1:9/hooks/horarium"}
    tags = ["night, late", "early"]
    made = {"name": name, "events": ["failed"], "config_ids": [config], "tags": tags, "webhook": webhook}
    rule = admin.post("/notification-rules", made)
    page.get_by_role("link", name="Notifications").click()
    page.get_by_role("button", name=f"Change {name}").click()

    page.get_by_label("Name", exact=True).fill(f"{name}, changed")
    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("row", name=f"{name}, changed")).to_be_visible()
    saved = admin.get(f"/notification-rules/{rule['id']}")
    assert (saved["config_ids"], saved["tags"]) == ([config], tags)


# By keyboard, and on a phone


def test_the_way_past_the_navigation_leaves_the_page_as_it_is(visit: Visit) -> None:
    page = visit.page
    visit.to("/configs/new")
    page.get_by_label("Name").fill("half a config")

    page.get_by_role("link", name="Skip to the page").focus()
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="New config")).to_be_focused()
    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_label("Name")).to_have_value("half a config")
    page.get_by_label("Name").fill("")


def test_a_phone_leads_to_every_page_without_scrolling_sideways(
    chromium: Browser, house: Running, admin: Client
) -> None:
    with visiting(chromium, house, a_user(admin, "admin"), look="phone") as visit:
        navigation = visit.page.get_by_role("navigation", name="Pages", exact=True)
        expect(navigation.get_by_role("link", name="Tree")).to_be_in_viewport(ratio=1)
        navigation.get_by_text("More").tap()
        expect(navigation.get_by_role("link", name="Audit")).to_be_in_viewport(ratio=1)

        navigation.get_by_role("link", name="Users & keys").tap()

        expect(visit.page.get_by_role("heading", name="Users and keys")).to_be_visible()
        expect(navigation.get_by_role("link", name="Audit")).to_be_hidden()
        assert navigation.evaluate("node => node.scrollWidth - node.clientWidth") == 0


# What is drawn


def test_a_phone_shows_the_newest_days_of_a_year_first(chromium: Browser, house: Running, admin: Client) -> None:
    config = a_config(admin, named("a year of it"))
    with visiting(chromium, house, a_user(admin, "viewer"), f"/configs/{config}", look="phone") as visit:
        expect(visit.page.locator("[aria-current=date]")).to_be_in_viewport()


def test_names_of_any_length_leave_a_phone_its_width(chromium: Browser, house: Running, admin: Client) -> None:
    name = f"{named('long')} {'x' * 180}"
    config = a_config(admin, name)
    with visiting(chromium, house, a_user(admin, "admin"), f"/executions?config_id={config}", look="phone") as visit:
        expect(visit.page.get_by_role("button", name=name)).to_be_visible()
        of_the_chip = visit.too_wide()
        visit.to("/audit")
        expect(visit.page.get_by_text(name).first).to_be_visible()

        assert of_the_chip + visit.too_wide() == []


@pytest.mark.parametrize(
    ("cron", "words"),
    [
        ("*/15 * * * *", "every 15 minutes"),
        ("*/7 * * * *", ""),
        ("*/45 * * * * *", ""),
        ("*/20 * * * * *", "every 20 seconds"),
    ],
)
def test_a_cron_is_only_said_to_run_every_so_often_where_it_does(visit: Visit, cron: str, words: str) -> None:
    """Steps begin anew with each hour: `*/7` runs at :56 and at :00."""
    said = visit.page.evaluate(
        "async ([path, cron]) => (await import(path))"
        ".schedule({ scheduler_type: 'cron', schedule_config: { cron_expression: cron } }).words",
        [f"{FOLDER}/words.js", cron],
    )

    assert said == words


def test_nothing_that_is_no_longer_meant_stays_in_the_document(visit: Visit) -> None:
    """Not even what had the key of something else."""
    left = visit.page.evaluate(
        """async (path) => {
            const { h, render } = await import(path);
            const list = document.createElement("ul");
            render(list, h("li", { key: "same" }, "first"), h("li", { key: "same" }, "second"));
            render(list, h("li", { key: "same" }, "third"));
            return list.textContent;
        }""",
        f"{FOLDER}/dom.js",
    )

    assert left == "third"
