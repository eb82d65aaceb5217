"""The dashboard under somebody's hands: what is pressed, typed and chosen, and what is drawn and heard in between."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from horarium.http.site import FOLDER
from tests.support.admins_page import admin, known, visit
from tests.support.browser import NEEDS_BROWSER
from tests.support.dashboard import a_config, a_run, a_user, named, visiting

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.sync_api import Browser, Locator, Page, Route

    from tests.support.browser import Visit
    from tests.support.processes import Client, Running

__all__ = ["admin", "known", "visit"]

pytestmark = [NEEDS_BROWSER, pytest.mark.timeout(300)]

EARLIER = "00000000-0000-7000-8000-000000000000"
DAILY = {"scheduler_type": "cron", "schedule_config": {"cron_expression": "0 4 * * *"}}
CHOSEN_BEFORE_IT_IS_TOLD = """async (select, [path, value]) => {
    select.value = value;
    (await import(path)).update();
    await new Promise(requestAnimationFrame);
    select.dispatchEvent(new Event("change", { bubbles: true }));
}"""
NO_FRAMES = """() => {
    const ask = window.requestAnimationFrame.bind(window);
    const held = [];
    window.requestAnimationFrame = (draw) => held.push(draw);
    window.drawAgain = () => { window.requestAnimationFrame = ask; held.forEach(ask); };
}"""
HAS_READ = "async path => (await import(path)).oldestRead() !== null"


def holding(page: Page, pattern: str | re.Pattern[str]) -> list[Route]:
    """The requests of this kind, from now on, which go nowhere by themselves."""
    held: list[Route] = []

    def hold(route: Route) -> None:
        held.append(route)

    page.route(pattern, hold)
    return held


def answer(held: list[Route]) -> None:
    """Each of them with nothing to say."""
    for route in held:
        route.fulfill(json={})


def close(pages: list[Page]) -> None:
    for page in pages:
        page.close()


def pressed(button: Locator) -> None:
    """The mouse is down on it, and not up yet."""
    button.hover()
    button.page.mouse.down()


# A drawing in between


def test_a_choice_is_kept_though_the_page_is_drawn_before_it_hears_of_it(visit: Visit) -> None:
    """There are browsers that tell of it only when the menu has gone."""
    visit.to("/executions")
    outcome = visit.page.get_by_label("Outcome")
    outcome.focus()

    outcome.evaluate(CHOSEN_BEFORE_IT_IS_TOLD, [f"{FOLDER}/view.js", "failed"])

    expect(visit.page).to_have_url(f"{visit.url}/executions?status=failed")
    expect(outcome).to_have_value("failed")


def test_what_has_the_focus_keeps_it_when_what_stood_before_it_goes(visit: Visit) -> None:
    focused = visit.page.evaluate(
        """async (path) => {
            const { h, render } = await import(path);
            const list = document.body.appendChild(document.createElement("div"));
            const draw = (...names) => render(list, names.map((name) => h("button", { key: name }, name)));
            draw("first", "second", "third");
            list.lastChild.focus();
            draw("second", "third", "fourth");
            return document.activeElement.textContent;
        }""",
        f"{FOLDER}/dom.js",
    )

    assert focused == "third"


def test_the_page_that_is_shown_can_be_opened_again(visit: Visit) -> None:
    """Even where the second one has read all it shows before anything is drawn."""
    page = visit.page
    expect(page.locator(".timeline .lanes")).to_be_visible()
    page.evaluate(NO_FRAMES)
    page.get_by_role("link", name="Now", exact=True).click()
    page.wait_for_function(HAS_READ, arg=f"{FOLDER}/load.js", polling=50)

    page.evaluate("drawAgain()")

    expect(page.locator(".timeline .lanes")).to_be_visible()


def test_a_button_whose_meaning_goes_while_it_is_pressed_does_nothing_else(visit: Visit, admin: Client) -> None:
    page, config = visit.page, a_config(admin, named("stopped meanwhile"), **DAILY)
    visit.to(f"/configs/{config}")
    pressed(page.get_by_role("button", name="Pause …"))
    admin.post(f"/task-configs/{config}/stop")
    expect(page.get_by_role("button", name="Start")).to_be_visible()

    page.mouse.up()
    page.get_by_role("button", name="Reload").click()

    expect(page.get_by_text("Indexed anew").first).to_be_visible()
    assert admin.get(f"/task-configs/{config}")["status"] == "inactive"


def test_a_mark_that_is_pressed_stays_that_one_when_there_is_another_before_it(visit: Visit, admin: Client) -> None:
    page, task = visit.page, a_run(admin, named("marked"))
    mark = page.locator(f".mark[data-mark^='{task}'][data-status=success]")
    expect(mark).to_be_visible()
    pressed(mark)
    page.route("**/overview", lambda route: with_a_mark_before(route, task))
    a_run(admin, named("run beside it"))
    expect(page.locator(f".mark[data-mark='{EARLIER} 1']")).to_be_attached()

    page.mouse.up()

    expect(page).to_have_url(f"{visit.url}/executions/{task}")


def with_a_mark_before(route: Route, task: str) -> None:
    """The overview, with one more mark in the lane of this execution, a quarter of an hour before it."""
    answer = route.fetch()
    overview = answer.json()
    (marks,) = [lane["marks"] for lane in overview["lanes"] if task in str(lane["marks"])]
    before = datetime.fromisoformat(marks[0]["at"]) - timedelta(minutes=15)
    marks.insert(0, marks[0] | {"at": before.isoformat(), "task_id": EARLIER})
    route.fulfill(response=answer, json=overview)


def test_what_one_looks_for_in_a_log_stays_in_hand_when_its_execution_ends(
    visit: Visit, admin: Client, tmp_path: Path
) -> None:
    """Its progress goes then, from above it."""
    page, mark = visit.page, tmp_path / "done"
    task = a_run(admin, named("says how far"), task_type="night.loads", parameters={"mark": str(mark)})
    visit.to(f"/executions/{task}")
    page.get_by_label("Containing").fill("rows")
    expect(page.locator(".progress")).to_contain_text("4,000 of 10,000 rows")

    mark.touch()

    expect(page.locator(".lead")).to_contain_text("Success")
    expect(page.locator(".progress")).to_have_count(0)
    expect(page.get_by_label("Containing")).to_be_focused()


def test_what_one_looks_for_in_a_log_stays_in_hand_when_its_attempt_fails(visit: Visit, admin: Client) -> None:
    """Its error comes then, above it."""
    page, again = visit.page, {"max_retries": 1, "retry_backoff_seconds": 0.1}
    task = a_run(admin, named("breaks twice"), task_type="night.breaks", parameters={}, **again)
    admin.ended(task)
    page.route(f"**/api/v1/executions/{task}", as_it_was_running)
    visit.to(f"/executions/{task}")
    page.get_by_label("Containing").fill("warehouse")

    page.unroute_all()

    expect(page.locator(".attempt").first.locator(".error")).to_contain_text("JSONDecodeError")
    expect(page.get_by_label("Containing")).to_be_focused()


def as_it_was_running(route: Route) -> None:
    """The execution before its newest attempt had ended."""
    answer = route.fetch()
    execution = answer.json()
    unended: dict[str, object] = {"status": "running", "error": None, "completed_at": None}
    execution["attempts"][-1] |= unended
    route.fulfill(response=answer, json=execution | unended)


# Pressed twice


def test_older_that_is_pressed_twice_leads_one_page_on(visit: Visit, admin: Client) -> None:
    page, config = visit.page, a_config(admin, named("of long ago"), **DAILY, overlap="allow_all")
    span = {"start": "2026-03-01T00:00:00Z", "end": "2026-05-01T00:00:00Z", "overlap": "allow_all"}
    assert admin.post(f"/task-configs/{config}/backfill", span) == {"created": 61, "skipped": 0}
    visit.to(f"/executions?config_id={config}")
    older = page.get_by_role("button", name="Older")
    expect(older).to_be_enabled()

    older.dblclick()

    expect(page.get_by_text(re.compile("^51.61 of 61 executions"))).to_be_visible()
    page.get_by_role("button", name="Newer").click()
    expect(page.get_by_text(re.compile("^1.50 of 61 executions"))).to_be_visible()


def test_the_way_back_leads_to_where_one_was_in_a_list(visit: Visit, admin: Client) -> None:
    page, config = visit.page, a_config(admin, named("far below"), **DAILY, overlap="allow_all")
    span = {"start": "2026-03-01T00:00:00Z", "end": "2026-04-09T00:00:00Z", "overlap": "allow_all"}
    assert admin.post(f"/task-configs/{config}/backfill", span) == {"created": 39, "skipped": 0}
    visit.to(f"/executions?config_id={config}")
    last = page.locator("table.executions tbody a").last
    last.click()
    expect(page.get_by_role("heading", name="From tick to end")).to_be_in_viewport()

    page.go_back()

    expect(last).to_be_in_viewport()


def test_two_messages_that_are_sent_again_at_once_are_both_sent(visit: Visit) -> None:
    page = visit.page
    messages = [a_message(1, "the first"), a_message(2, "the second")]
    listed = {"items": messages, "next_cursor": None, "total": 2}
    page.route(re.compile(r"/api/v1/notifications\?"), lambda route: route.fulfill(json=listed))
    sent = holding(page, "**/api/v1/notifications/*/retry")
    page.get_by_role("link", name="Notifications").click()

    with page.expect_request("**/notifications/1/retry"):
        page.get_by_role("button", name=re.compile("Send again what .* of the first")).dblclick()
    with page.expect_request("**/notifications/2/retry"):
        page.get_by_role("button", name=re.compile("Send again what .* of the second")).click()

    answer(sent)


def a_message(number: int, config: str) -> dict[str, object]:
    """One that has not arrived."""
    about = {"id": number, "event": "failed", "config_id": number, "config_name": config, "task_id": None}
    went = {"status": "failed", "attempts": 9, "last_error": "answered 500", "next_try_at": None}
    return about | went | {"rule_id": 1, "rule_name": "night", "created_at": "2026-03-10T04:00:00Z"}


# Questions


def test_an_escape_asks_before_it_throws_away_what_was_typed(visit: Visit, admin: Client) -> None:
    page, typed = visit.page, '{"message": "a lot of it"}'
    visit.to(f"/configs/{a_config(admin, named('run with much'))}")
    page.get_by_role("button", name="Run with …").click()
    page.get_by_label("Parameters").fill(typed)

    page.keyboard.press("Escape")

    question = page.get_by_role("dialog", name="Throw away what you have typed?")
    expect(question).to_be_visible()
    question.get_by_role("button", name="Cancel").click()
    expect(page.get_by_label("Parameters")).to_be_focused()
    expect(page.get_by_label("Parameters")).to_have_value(typed)
    page.keyboard.press("Escape")
    question.get_by_role("button", name="Throw away").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_many_escapes_throw_nothing_away_either(visit: Visit, admin: Client) -> None:
    """A browser lets a page keep a dialog open over the first of them only."""
    page, typed = visit.page, '{"message": "a lot of it"}'
    visit.to(f"/configs/{a_config(admin, named('run with as much'))}")
    page.get_by_role("button", name="Run with …").click()
    page.get_by_label("Parameters").fill(typed)
    question = page.get_by_role("dialog", name="Throw away what you have typed?")

    page.keyboard.press("Escape")
    expect(question).to_be_visible()
    page.keyboard.press("Escape")
    expect(question).to_have_count(0)
    page.keyboard.press("Escape")
    expect(question).to_be_visible()
    page.keyboard.press("Escape")
    expect(question).to_have_count(0)

    expect(page.get_by_label("Parameters")).to_have_value(typed)


def test_an_escape_from_a_question_in_which_nothing_was_typed_is_no(visit: Visit, admin: Client) -> None:
    page = visit.page
    visit.to(f"/configs/{a_config(admin, named('not run'))}")
    page.get_by_role("button", name="Run with …").click()
    expect(page.get_by_role("dialog")).to_be_visible()

    page.keyboard.press("Escape")

    expect(page.get_by_role("dialog")).to_have_count(0)
    expect(page.get_by_role("button", name="Run with …")).to_be_focused()


def test_a_key_is_told_though_somebody_escapes_while_it_is_made(visit: Visit) -> None:
    page = visit.page
    page.get_by_role("link", name="Users & keys").click()
    page.get_by_role("button", name="New key …").click()
    page.get_by_label("Name").fill(named("made slowly"))
    held = holding(page, "**/api-keys")
    with page.expect_request("**/api-keys"):
        page.get_by_role("button", name="Create").click()

    page.keyboard.press("Escape")
    page.keyboard.press("Escape")
    held[0].continue_()

    expect(page.get_by_role("dialog").get_by_text(re.compile("^hk_"))).to_be_visible()
    page.get_by_role("button", name="I have it").click()


def test_who_confirms_by_the_keyboard_can_do_so_again_when_it_was_refused(visit: Visit, admin: Client) -> None:
    page = visit.page
    visit.to(f"/configs/{a_config(admin, named('refused'))}")
    page.get_by_role("button", name="Run with …").click()
    page.get_by_label("Parameters").fill('{"nonsense": 1}')
    run = page.get_by_role("dialog").get_by_role("button", name="Run")

    run.press("Enter")

    expect(page.get_by_role("dialog").get_by_role("alert")).to_be_visible()
    expect(run).to_be_focused()
    visit.was_quiet(provokes="422")


# What is saved, and read again


def test_nothing_is_typed_that_would_not_be_saved(visit: Visit, admin: Client) -> None:
    page, config = visit.page, a_config(admin, named("saved as it is shown"))
    visit.to(f"/configs/{config}/edit")
    page.get_by_label("Description").fill("all of it")
    held = holding(page, f"**/task-configs/{config}")
    with page.expect_request(f"**/task-configs/{config}"):
        page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saving …")).to_be_visible()

    page.get_by_label("Description").focus()
    page.keyboard.type(", and more")

    expect(page.get_by_label("Description")).to_have_value("all of it")
    held[0].continue_()
    expect(page.get_by_role("heading", name="At a glance")).to_be_visible()
    assert admin.get(f"/task-configs/{config}")["description"] == "all of it"


def test_what_was_done_is_read_at_once_though_a_reading_has_begun_before(visit: Visit) -> None:
    readings = visit.page.evaluate(
        """async (path) => {
            const { Loaded } = await import(path);
            const answers = [];
            const read = () => new Promise((answer) => answers.push(answer));
            const config = new Loaded(read, 3_600_000);
            config.refresh();
            answers[0]("as it was");
            await new Promise((later) => setTimeout(later));
            config.close();
            return answers.length;
        }""",
        f"{FOLDER}/load.js",
    )

    assert readings == 2


def test_who_logs_out_with_a_token_that_has_run_out_is_logged_out(
    chromium: Browser, house: Running, admin: Client
) -> None:
    """The session is in a cookie, which goes on otherwise."""
    username = a_user(admin, "viewer")
    with visiting(chromium, house, username, provokes="401") as visit:
        page, nobody = visit.page, {"Authorization": "Bearer of.another.day", "Content-Type": "application/json"}
        page.route("**/auth/browser/logout", lambda route: route.continue_(headers=nobody), times=1)
        page.get_by_label(f"Account of {username}").click()

        page.get_by_role("button", name="Log out").click()

        expect(page.get_by_label("Password")).to_be_visible()
        assert page.context.cookies() == []


# Dates and times


def test_an_end_without_its_time_is_not_taken_for_none(visit: Visit) -> None:
    page = visit.page
    visit.to("/configs/new")
    page.get_by_label("Name").fill(named("ends some day"))
    page.get_by_label("Task").select_option("echo")
    page.get_by_label("message").fill("hello")
    page.get_by_label("By hand").check()
    page.locator(".more > summary").click()
    page.get_by_label("Ends").focus()
    page.keyboard.type("03042027")

    page.get_by_role("button", name="Create").click()

    expect(page.locator("#field-end_at-fault")).to_have_text("is not complete")
    expect(page.get_by_label("Ends")).to_be_focused()
    page.get_by_label("Ends").fill("2027-04-03T10:00")
    page.get_by_role("button", name="Create").click()
    expect(page).to_have_url(re.compile(r"/configs/\d+$"))


# Connections


def test_a_browser_that_shows_more_pages_than_it_has_connections_reads_all_of_them(
    chromium: Browser, house: Running, admin: Client
) -> None:
    """Those that are told nothing say so, and are told as soon as there is room."""
    with visiting(chromium, house, a_user(admin, "viewer"), "/workers") as visit:
        first = [a_tab(visit, "Live") for _ in range(3)]
        last = [a_tab(visit, "Read now and then") for _ in range(3)][-1]

        expect(last.get_by_role("row", name=re.compile("^core"))).to_be_visible()
        expect(last.locator(".banner")).to_contain_text("This page is not told what happens")
        close(first)
        expect(last.get_by_text("Live", exact=True)).to_be_visible()
        expect(last.locator(".banner")).to_have_count(0)


def a_tab(visit: Visit, state: str) -> Page:
    page = visit.page.context.new_page()
    page.goto(f"{visit.url}/tree")
    expect(page.locator(".connection")).to_have_text(state)
    return page
