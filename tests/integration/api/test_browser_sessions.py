"""The session of a page: what its cookie is, what it opens, and everybody who would like to use it and may not."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from horarium.http.app import ROUTES
from horarium.http.browser import PATH, cookie_name
from horarium.http.cors import SENT
from horarium.http.own_page import FIELD
from tests.support.browser_session import OWN_PAGE, BrowserTab, kept
from tests.support.tree import PASSWORD, credentials

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = pytest.mark.anyio


@pytest.fixture
def tab(house: House) -> BrowserTab:
    return BrowserTab(house)


async def test_a_login_gives_the_page_an_access_token_and_keeps_the_refresh_token_from_it(
    house: House, tab: BrowserTab
) -> None:
    answer = await tab.log_in()

    assert set(answer.body) == {"access_token", "token_type", "expires_at", "user"}
    assert answer.body["user"]["username"] == "admin"
    me = await house.call("GET", "/api/v1/auth/me", token=answer.body["access_token"])
    assert (me.status, me.body["role"]) == (200, "admin")
    assert answer.headers["Cache-Control"] == "no-store"


async def test_the_cookie_is_for_no_script_no_other_site_and_no_other_path(tab: BrowserTab) -> None:
    cookie = kept(await tab.log_in(), tab.name)

    assert (cookie["httponly"], cookie["samesite"], cookie["path"], cookie["domain"]) == (True, "Strict", PATH, "")
    assert (cookie["secure"], cookie["max-age"]) == ("", "")


async def test_a_page_loaded_by_https_gets_a_cookie_for_https_alone(house: House, tab: BrowserTab) -> None:
    origin = house.url.replace("http://", "https://")

    assert kept(await tab.log_in(Origin=origin), tab.name)["secure"] is True


async def test_a_browser_keeps_the_cookie_when_closed_only_where_that_was_asked_for(tab: BrowserTab) -> None:
    remembered = kept(await tab.log_in(remember=True), tab.name)
    renewed = kept(await tab.post("refresh"), tab.name)

    assert int(remembered["max-age"]) == int(renewed["max-age"]) > 0


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("127.0.0.1:8080", "horarium_session_8080"),
        ("horarium.example", "horarium_session"),
        ("[::1]:9000", "horarium_session_9000"),
        ("[::1]", "horarium_session"),
        ("h:8;x", "horarium_session"),
    ],
)
def test_two_houses_on_one_host_have_cookies_of_different_names(host: str, name: str) -> None:
    assert cookie_name(host) == name


async def test_a_session_is_renewed_by_its_cookie_which_is_changed(house: House, tab: BrowserTab) -> None:
    await tab.log_in()
    before = tab.value

    answer = await tab.post("refresh")

    assert answer.status == 200
    assert tab.value not in (before, None)
    me = await house.call("GET", "/api/v1/auth/me", token=answer.body["access_token"])
    assert me.status == 200


async def test_a_lost_answer_costs_a_tab_nothing(tab: BrowserTab) -> None:
    await tab.log_in()
    before = tab.value
    await tab.post("refresh")
    after, tab.value = tab.value, before

    again = await tab.post("refresh")

    assert again.status == 200
    assert tab.value == after


async def test_a_replayed_cookie_ends_the_session_for_thief_and_robbed_alike(tab: BrowserTab) -> None:
    await tab.log_in()
    stolen = tab.value
    await tab.post("refresh")
    await tab.post("refresh")
    living, tab.value = tab.value, stolen

    replayed = await tab.post("refresh")

    tab.value = living
    assert replayed.status == 401
    assert (await tab.post("refresh")).status == 401


async def test_a_logout_ends_the_session_its_access_token_and_its_cookie(house: House, tab: BrowserTab) -> None:
    token = (await tab.log_in()).body["access_token"]
    cookie = tab.value

    answer = await tab.post("logout", token=token)

    assert answer.status == 204
    assert (kept(answer, tab.name).value, kept(answer, tab.name)["max-age"]) == ("", "0")
    assert (await house.call("GET", "/api/v1/auth/me", token=token)).status == 401
    tab.value = cookie
    assert (await tab.post("refresh")).status == 401


@pytest.mark.parametrize("value", ["", "0", "nonsense", "2abc", "1" + "a" * 300, "0../../x"])
async def test_a_cookie_that_is_none_of_ours_is_refused(tab: BrowserTab, value: str) -> None:
    tab.value = value

    assert (await tab.post("refresh")).status == 401


async def test_a_password_that_is_wrong_sets_no_cookie(house: House, tab: BrowserTab) -> None:
    user = await house.get(f"/users/{await house.user()}")

    answer = await tab.post("login", credentials(user["username"], "wrong"))

    assert answer.status == 401
    assert "Set-Cookie" not in answer.headers


# Attacks


ELSEWHERE = [
    pytest.param({"Sec_Fetch_Site": "cross-site"}, id="another site"),
    pytest.param({"Sec_Fetch_Site": "same-site"}, id="a sibling host, or another port"),
    pytest.param({"Sec_Fetch_Site": "none"}, id="the address bar"),
    pytest.param({"Sec_Fetch_Site": "", "Origin": "https://evil.example"}, id="another origin, in an old browser"),
    pytest.param({"Sec_Fetch_Site": "", "Origin": "null"}, id="a sandboxed frame"),
    pytest.param({"Sec_Fetch_Site": "", "Origin": "http://["}, id="an origin that is none"),
    pytest.param({"Sec_Fetch_Site": "", "Origin": ""}, id="no browser at all"),
    pytest.param({"Sec_Fetch_Site": "cross-site", "Origin": "OURS"}, id="a browser that contradicts itself"),
    pytest.param({FIELD.replace("-", "_"): ""}, id="a form of our own origin"),
]


@pytest.mark.parametrize("headers", ELSEWHERE)
@pytest.mark.parametrize("path", ["login", "refresh"])
async def test_a_page_from_elsewhere_cannot_use_the_session(
    house: House, tab: BrowserTab, path: str, headers: dict[str, str]
) -> None:
    await tab.log_in()
    before = tab.value
    forged = {name: house.url if value == "OURS" else value for name, value in headers.items()}
    body = credentials("admin", PASSWORD) if path == "login" else None

    answer = await tab.post(path, body, **forged)

    assert (answer.status, answer.body["code"]) == (403, "forbidden")
    assert "Set-Cookie" not in answer.headers
    assert tab.value == before
    assert (await tab.post("refresh")).status == 200


async def test_a_page_that_is_ours_is_let_in_without_fetch_metadata(house: House, tab: BrowserTab) -> None:
    assert (await tab.log_in(Sec_Fetch_Site="", Origin=house.url)).status == 200


def test_no_origin_that_is_allowed_otherwise_may_send_the_field_of_our_pages() -> None:
    assert FIELD.lower() not in SENT.lower()


@pytest.fixture(scope="module")
async def living(house: House) -> BrowserTab:
    """The tab of an admin whom nobody else logs in as."""
    made = BrowserTab(house)
    await made.log_in((await house.get(f"/users/{await house.user(role='admin')}"))["username"])
    return made


@pytest.mark.parametrize("call", [f"{route.method} {route.path}" for route in ROUTES if route.role])
async def test_the_cookie_opens_no_call_of_the_api(house: House, living: BrowserTab, call: str) -> None:
    """Whoever makes a browser send it, by a link, a picture or a form, is nobody."""
    method, _, path = call.partition(" ")
    headers = OWN_PAGE | {"Cookie": f"{living.name}={living.value}"}

    answer = await house.call(
        method, path.partition("{")[0] + ("1" if "{" in path else ""), token=None, headers=headers
    )

    assert answer.status in (401, 404, 405)


async def test_the_cookie_that_opened_nothing_was_a_good_one(living: BrowserTab) -> None:
    assert (await living.post("refresh")).status == 200


async def test_no_session_is_opened_or_renewed_by_a_get(house: House, tab: BrowserTab) -> None:
    await tab.log_in()
    headers = OWN_PAGE | {"Cookie": f"{tab.name}={tab.value}"}

    answers = [await house.call("GET", f"{PATH}/{path}", token=None, headers=headers) for path in ("login", "refresh")]

    assert [answer.status for answer in answers] == [405, 405]


async def test_a_session_that_somebody_planted_is_neither_taken_over_nor_left_alive(
    house: House, tab: BrowserTab
) -> None:
    mallory = await house.get(f"/users/{await house.user()}")
    planted = BrowserTab(house)
    await planted.log_in(mallory["username"])
    tab.value = planted.value

    answer = await tab.log_in()

    assert answer.body["user"]["username"] == "admin"
    assert tab.value != planted.value
    assert (await planted.post("refresh")).status == 401
