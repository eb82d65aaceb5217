"""The editor of configs in a real browser: what is typed is understood before it is saved, and lost by nothing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.support.browser import LOOKS, NEEDS_BROWSER, Visit
from tests.support.dashboard import a_config, a_user, named, visiting
from tests.support.processes import PASSWORD

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page, Route

    from tests.support.processes import Client, Running

pytestmark = [NEEDS_BROWSER, pytest.mark.timeout(300)]

FAULT = ".fault"


@pytest.fixture(scope="module")
def admin(house: Running) -> Client:
    """The API, for what somebody else does."""
    return house.client()


@pytest.fixture(scope="module")
def known(chromium: Browser, house: Running, admin: Client) -> Iterator[Visit]:
    """The page of an operator who has logged in."""
    with visiting(chromium, house, a_user(admin, "operator"), "/configs") as made:
        yield made


@pytest.fixture
def visit(known: Visit) -> Iterator[Visit]:
    """The same, at the configs; a test must leave nothing on its console."""
    known.to("/configs")
    known.is_drawn()
    yield known
    known.was_quiet()


def begin(page: Page, name: str, task: str, cron: str | None = None) -> None:
    page.get_by_role("link", name="New config").click()
    page.get_by_label("Name").fill(name)
    page.get_by_label("Task").select_option(task)
    if cron is None:
        page.get_by_label("By hand").check()
    else:
        page.get_by_label("Cron expression").fill(cron)


def id_in(page: Page) -> int:
    expect(page).to_have_url(re.compile(r"/configs/\d+$"))
    return int(page.url.rsplit("/", 1)[1])


def test_a_schedule_is_foreseen_as_it_is_typed_with_what_the_clocks_do_to_it(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("link", name="New config").click()
    words, changes = page.locator(".in-words"), page.locator(".clock-change")

    page.get_by_label("Cron expression").fill("30 2 * * 7")
    expect(words).to_have_text("Every Sunday at 02:30, UTC")
    expect(changes).to_have_count(0)
    page.get_by_label("Time zone").fill("Europe/Vienna")

    expect(words).to_have_text("Every Sunday at 02:30, Europe/Vienna")
    expect(page.locator(".clock-change[data-effect=moved]").first).to_contain_text("Clocks forward 1 h")
    expect(page.locator(".clock-change[data-effect=first_only]").first).to_contain_text("there are two of 02:30:00")
    page.get_by_label("Time zone").fill("Europe/Viena")
    expect(page.locator(FAULT)).to_contain_text("did you mean 'Europe/Vienna'?")
    expect(page.get_by_label("Time zone")).to_have_attribute("aria-invalid", "true")
    page.get_by_label("Time zone").fill("UTC")
    page.get_by_role("button", name="Field by field").click()
    expect(page.get_by_label("Weekday")).to_have_value("7")
    page.get_by_label("Weekday").fill("1-5")
    expect(words).to_have_text("Every weekday at 02:30, UTC")
    expect(page.locator(FAULT)).to_have_count(0)
    visit.was_quiet(provokes="422")


def test_of_two_questions_the_earlier_is_given_up(visit: Visit) -> None:
    """The answer to what was typed before never stands beside what is typed now, however late it comes."""
    page = visit.page
    page.get_by_role("link", name="New config").click()
    held: list[Route] = []
    page.route("**/schedules/preview", lambda route: route.continue_() if held else held.append(route))
    with page.expect_request("**/schedules/preview"):
        page.get_by_label("Cron expression").fill("0 9 * * *")

    with page.expect_event("requestfailed"):
        page.get_by_label("Cron expression").fill("0 10 * * *")

    expect(page.locator(".in-words")).to_have_text("Every day at 10:00, UTC")
    page.unroute_all()
    give_up(page)


def test_an_edit_that_was_overtaken_says_by_whom_and_goes_on_top(visit: Visit, admin: Client) -> None:
    page, name = visit.page, named("edited twice")
    config = a_config(admin, name)
    visit.to(f"/configs/{config}")
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Description").fill("mine")
    admin.call("PATCH", f"/task-configs/{config}", {"timeout_seconds": 60})

    page.get_by_role("button", name="Save").click()

    expect(page.get_by_role("alert")).to_contain_text("admin changed it last")
    expect(page.get_by_role("alert")).to_contain_text("timeout_seconds 300 → 60")
    expect(page.get_by_role("alert")).to_be_focused()
    page.get_by_role("button", name="Take theirs over, keep mine").click()
    expect(page.get_by_label("Timeout")).to_have_value("60")
    expect(page.get_by_label("Description")).to_have_value("mine")
    page.get_by_role("button", name="Save").click()
    assert id_in(page) == config
    saved = admin.get(f"/task-configs/{config}")
    assert (saved["description"], saved["timeout_seconds"], saved["version"]) == ("mine", 60, 3)
    visit.was_quiet(provokes="409")


def test_what_is_refused_is_told_at_its_field_and_the_first_has_the_focus(visit: Visit) -> None:
    page = visit.page
    begin(page, "", "echo")
    page.locator(".more > summary").click()
    page.get_by_label("Jitter").fill("soon")
    expect(page.locator("#field-jitter_seconds-fault")).to_be_visible()
    page.locator(".more > summary").click()

    page.get_by_role("button", name="Create").click()

    expect(page.get_by_label("Name")).to_be_focused()
    expect(page.locator("#field-name-fault")).to_contain_text("at least 1 character")
    expect(page.locator("#field-jitter_seconds-fault")).to_be_visible()
    page.get_by_label("Name").fill("named")
    expect(page.locator("#field-name-fault")).to_have_count(0)
    give_up(page)
    visit.was_quiet(provokes="422")


def test_more_stays_open_though_the_page_is_drawn_before_it_hears_of_it(visit: Visit) -> None:
    """A browser tells of a toggle some time after the click, and a page that is drawn in between must not undo it."""
    page = visit.page
    begin(page, "typed", "echo")

    page.evaluate("""() => {
        requestAnimationFrame(() => document.querySelector(".more > summary").click());
        document.querySelector("[name=name]").dispatchEvent(new Event("input"));
    }""")

    page.get_by_label("Jitter").fill("5")
    page.locator(".more > summary").click()
    expect(page.get_by_label("Jitter")).to_be_hidden()
    give_up(page)


def give_up(page: Page) -> None:
    page.get_by_role("link", name="Cancel").click()
    page.get_by_role("dialog").get_by_role("button", name="Leave").click()


def test_a_form_asks_for_each_kind_of_parameter_and_leaves_alone_what_it_does_not_know(
    visit: Visit, admin: Client
) -> None:
    page, name = visit.page, named("every kind")
    begin(page, name, "forms.every_kind")
    page.get_by_label("text").fill("hello")
    page.get_by_label("times").fill("3")
    page.get_by_label("loud").select_option("Yes")
    page.get_by_label("colour").select_option("green")
    page.get_by_label("names").fill("ada\ngrace\n")
    page.get_by_label("limit is null").check()
    page.get_by_label("place").fill('{"city": ')
    expect(page.locator("#field-parameters-place-fault")).to_contain_text("is no JSON")
    page.get_by_label("place").fill('{"city": "Wien"}')
    page.get_by_label("Other parameters").fill("[1]")
    expect(page.locator(FAULT)).to_contain_text("must be an object")
    page.get_by_label("Other parameters").fill('{"own": [1, {"two": null}]}')

    page.get_by_role("button", name="Create").click()

    config = id_in(page)
    given = {"text": "hello", "times": 3, "loud": True, "colour": "green", "names": ["ada", "grace"], "limit": None}
    others = {"place": {"city": "Wien"}, "own": [1, {"two": None}]}
    assert admin.get(f"/task-configs/{config}")["parameters"] == given | others
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("ratio").fill("0.25")
    page.get_by_role("button", name="Edit as JSON").click()
    expect(page.get_by_label("Parameters")).to_have_value(re.compile('"ratio": 0.25'))
    page.get_by_role("button", name="Save").click()
    assert id_in(page) == config
    assert admin.get(f"/task-configs/{config}")["parameters"] == given | others | {"ratio": 0.25}


def test_leaving_asks_where_something_is_not_saved(visit: Visit, admin: Client) -> None:
    config = a_config(admin, named("left"))
    visit.to(f"/configs/{config}")
    page = visit.page
    page.get_by_role("link", name="Edit").click()
    page.get_by_label("Description").fill("not saved")

    page.go_back()
    page.get_by_role("dialog").get_by_role("button", name="Cancel").click()

    expect(page).to_have_url(f"{visit.url}/configs/{config}/edit")
    expect(page.get_by_label("Description")).to_have_value("not saved")
    page.get_by_role("link", name="Executions").click()
    page.get_by_role("dialog").get_by_role("button", name="Leave").click()
    expect(page).to_have_url(f"{visit.url}/executions")
    assert admin.get(f"/task-configs/{config}")["description"] == ""


def test_what_is_typed_outlives_the_session(chromium: Browser, house: Running, admin: Client) -> None:
    """A session ends in the middle of a form; after the login the form is as it was."""
    username = a_user(admin, "operator")
    with visiting(chromium, house, username, "/configs", provokes="401") as visit:
        page = visit.page
        begin(page, "half a config", "echo", "0 4 * * *")
        (user,) = [each for each in admin.every("/users") if each["username"] == username]
        admin.call("PATCH", f"/users/{user['id']}", {"password": f"{PASSWORD}, another"})

        expect(page.get_by_label("Password")).to_be_visible()
        visit.log_in(f"{PASSWORD}, another", username)

        expect(page).to_have_url(f"{visit.url}/configs/new")
        expect(page.get_by_label("Name")).to_have_value("half a config")
        expect(page.get_by_label("Cron expression")).to_have_value("0 4 * * *")


def test_a_duplicate_has_everything_but_the_name(visit: Visit, admin: Client) -> None:
    fields = {"description": "the first", "timeout_seconds": 7, "tags": ["a", "b"], "parameters": {"message": "same"}}
    config = a_config(admin, named("first"), **fields)
    visit.to(f"/configs/{config}")
    page, name = visit.page, named("second")

    page.get_by_role("link", name="Duplicate").click()

    expect(page.get_by_label("Name")).to_have_value("")
    page.get_by_label("Name").fill(name)
    page.get_by_role("button", name="Create").click()
    made = admin.get(f"/task-configs/{id_in(page)}")
    assert made["id"] != config
    assert {field: made[field] for field in ("name", *fields)} == {"name": name, **fields}


def test_a_viewer_is_offered_no_editor(chromium: Browser, house: Running, admin: Client) -> None:
    config = a_config(admin, named("looked at"))
    with visiting(chromium, house, a_user(admin, "viewer"), "/configs") as visit:
        expect(visit.page.get_by_role("link", name="New config")).to_have_count(0)
        visit.to(f"/configs/{config}")
        expect(visit.page.get_by_role("heading", name="At a glance")).to_be_visible()
        expect(visit.page.get_by_role("link", name="Edit")).to_have_count(0)
        visit.to(f"/configs/{config}/edit")
        expect(visit.page.get_by_text("This is for operators and admins")).to_be_visible()


RULES: dict[str, tuple[str, ...]] = {"light": ("color-contrast",), "dark": ("color-contrast",), "phone": ()}
"""The rules of axe that a look can break by itself; all of them for one."""


@pytest.fixture(scope="module")
def everything(admin: Client) -> int:
    """A config that fills each part of the editor."""
    parameters = {"text": "hello", "times": 3, "names": ["ada", "grace"], "place": {"city": "Wien"}, "own": 1}
    cron = {"cron_expression": "30 2 * * *", "timezone": "Europe/Vienna"}
    shown = {"name": named("looked at"), "parameters": parameters, "schedule_config": cron, "tags": ["a"]}
    return admin.config(**shown, task_type="forms.every_kind")


@pytest.mark.parametrize("look", LOOKS)
def test_the_editor_can_be_used_by_everybody_in_every_look(visit: Visit, everything: int, look: str) -> None:
    """No serious fault for axe, no other host, and nothing wider than the screen, with all there is on the page."""
    page, looks = visit.page, LOOKS[look]
    page.set_viewport_size(looks["viewport"])
    page.emulate_media(color_scheme=looks["color_scheme"])
    visit.to(f"/configs/{everything}/edit")
    expect(page.locator(".in-words")).to_have_text("Every day at 02:30, Europe/Vienna")
    visit.keep_picture(f"editor-{look}")
    page.get_by_label("place").fill("{")
    expect(page.locator(FAULT)).to_be_visible()

    over = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert (over, visit.serious(*RULES[look])) == (0, [])
    give_up(page)
