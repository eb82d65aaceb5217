"""A stored login against the real API: kept alive, changed by one at a time, never lost to us, never shown."""

from __future__ import annotations

import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from aiohttp import web

from horarium.client import (
    ApiAway,
    ApiClient,
    ApiError,
    LoginFile,
    NotLoggedIn,
    log_in,
    log_out,
    open_client,
    transport,
)
from horarium.client.credentials import StoredTokens
from horarium.client.transport import Transport, open_transport
from horarium.commands.tree import TREE
from horarium.commands.watching import Sight, look
from horarium.settings import Settings, load_settings
from tests.support.logins import a_login, change, expire, stored
from tests.support.together import at_once
from tests.support.tree import PASSWORD, House

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.anyio

NOBODY = "http://127.0.0.1:1"


@pytest.fixture
async def login(settings: Settings) -> Path:
    """The config directory of an admin who is logged in."""
    await log_in(settings, "admin", PASSWORD)
    return settings.config_dir


async def look_at_the_tree(settings: Settings) -> Any:
    async with open_client(settings) as client:
        return await client.get("/system/tree")


@asynccontextmanager
async def answering(response: web.Response) -> AsyncIterator[str]:
    """The address of a server that answers everything so."""

    async def handle(_: web.Request) -> web.Response:
        return response

    server = web.Server(handle)
    runner = web.ServerRunner(server)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


# Logging in


async def test_a_login_is_stored_and_opens_the_api(settings: Settings, house: House, login: Path) -> None:
    tree = await look_at_the_tree(settings)

    assert tree["id"] == "horarium"
    assert stored(login).url == house.url


async def test_the_address_comes_from_the_login_where_nothing_else_names_one(login: Path) -> None:
    elsewhere = load_settings({"HORARIUM_CONFIG_DIR": str(login)})

    assert (await look_at_the_tree(elsewhere))["id"] == "horarium"


async def test_a_wrong_password_is_refused_and_the_earlier_login_stays(settings: Settings, login: Path) -> None:
    before = stored(login)

    with pytest.raises(NotLoggedIn, match="wrong username or password"):
        await log_in(settings, "admin", f"wrong {PASSWORD}")

    assert stored(login) == before


async def test_a_login_is_not_sent_to_another_address(login: Path) -> None:
    elsewhere = load_settings({"HORARIUM_CONFIG_DIR": str(login), "HORARIUM_API_URL": NOBODY})

    with pytest.raises(NotLoggedIn, match=f"run `horarium login --url {NOBODY}`"):
        await look_at_the_tree(elsewhere)


async def test_a_given_token_goes_before_the_login_and_is_not_replaced_by_it(
    settings: Settings, house: House, login: Path
) -> None:
    given = {"HORARIUM_CONFIG_DIR": str(login), "HORARIUM_API_URL": house.url}

    good = await look_at_the_tree(load_settings(given, token=await house.token("viewer")))
    with pytest.raises(NotLoggedIn, match="the token in --token or HORARIUM_TOKEN is not accepted"):
        await look_at_the_tree(load_settings(given, token="no.such.token"))

    assert good["id"] == "horarium"
    assert await look_at_the_tree(settings)


# Keeping a login alive


async def test_a_token_that_has_run_out_is_renewed_before_it_is_used(settings: Settings, login: Path) -> None:
    expire(login)
    before = stored(login).tokens

    assert await look_at_the_tree(settings)

    after = stored(login).tokens
    assert after.access_token != before.access_token
    assert after.refresh_token != before.refresh_token
    assert after.expires_at > before.expires_at
    assert (login / "login.json").stat().st_mode & 0o777 == 0o600


async def test_a_token_that_is_refused_is_renewed_and_the_call_made_again(settings: Settings, login: Path) -> None:
    change(login, access_token="not.good.anymore")

    assert await look_at_the_tree(settings)
    assert stored(login).tokens.access_token != "not.good.anymore"


async def test_commands_at_once_renew_a_login_once_and_it_lives_on(settings: Settings, login: Path) -> None:
    expire(login)

    await at_once(*[lambda: look_at_the_tree(settings)] * 8)

    expire(login)
    assert await look_at_the_tree(settings)


async def test_without_the_lock_each_of_the_commands_at_once_would_renew_the_login(
    settings: Settings, login: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They name their call alike, and are retries of one; a command that is ten seconds late would end the login."""

    @asynccontextmanager
    async def unlocked(_: LoginFile) -> AsyncIterator[None]:
        yield

    renewals: list[str] = []
    send = Transport.send

    async def counted(self: Transport, method: str, path: str, **options: Any) -> Any:
        renewals.extend([path] if path == "/auth/refresh" else [])
        return await send(self, method, path, **options)

    monkeypatch.setattr(Transport, "send", counted)
    expire(login)
    await at_once(*[lambda: look_at_the_tree(settings)] * 8)
    with_the_lock = len(renewals)
    monkeypatch.setattr(LoginFile, "locked", unlocked)
    expire(login)

    await at_once(*[lambda: look_at_the_tree(settings)] * 8)

    assert with_the_lock == 1
    assert len(renewals) - with_the_lock > 1


async def test_ctrl_c_in_the_middle_of_a_renewal_does_not_lose_the_login(
    settings: Settings, house: House, login: Path
) -> None:
    class InterruptedBeforeRenewal(Transport):
        """Ctrl-C comes as the refresh token is about to be sent."""

        async def send(self, method: str, path: str, **options: Any) -> Any:
            scope.cancel()
            return await super().send(method, path, **options)

    expire(login)
    before = stored(login)

    with anyio.CancelScope() as scope:
        async with open_transport(house.url) as real:
            interrupted = InterruptedBeforeRenewal(real.url, real.session)
            await ApiClient(interrupted, StoredTokens(LoginFile(login), interrupted)).get("/system/tree")

    assert scope.cancelled_caught
    assert stored(login).tokens.refresh_token != before.tokens.refresh_token
    expire(login)
    assert await look_at_the_tree(settings)


async def test_a_login_that_ended_on_the_server_says_to_log_in_again(
    settings: Settings, house: House, login: Path
) -> None:
    await house.call("POST", "/api/v1/auth/logout", token=stored(login).tokens.access_token)

    with pytest.raises(NotLoggedIn, match=f"the login at {house.url} has ended; run `horarium login`"):
        await look_at_the_tree(settings)


# Logging out


async def test_a_logout_ends_the_session_there_and_forgets_it_here(house: House, login: Path) -> None:
    tokens = stored(login).tokens

    await log_out(LoginFile(login), house.url)

    answer = await house.call("POST", "/api/v1/auth/refresh", {"refresh_token": tokens.refresh_token}, token=None)
    assert answer.status == 401
    assert LoginFile(login).read() is None


async def test_a_logout_forgets_a_login_that_had_ended_already(house: House, login: Path) -> None:
    await house.call("POST", "/api/v1/auth/logout", token=stored(login).tokens.access_token)

    await log_out(LoginFile(login), house.url)

    assert LoginFile(login).read() is None


async def test_a_logout_forgets_the_login_though_the_server_is_away_and_says_so(tmp_path: Path) -> None:
    file = LoginFile(tmp_path)
    file.write(a_login().model_copy(update={"url": NOBODY}))

    with pytest.raises(ApiAway, match="Forgotten here; on the server the session lasts until it runs out"):
        await log_out(file, NOBODY)

    assert file.read() is None


# A server that is away, stuck or somebody else


async def test_nobody_at_the_address_says_which_and_what_to_do() -> None:
    with pytest.raises(ApiAway) as refused:
        await look_at_the_tree(load_settings({}, api_url=NOBODY, token="abc"))

    said = f"nobody answers at {NOBODY} (connection refused); start it with `horarium up`, or name another with --url"
    assert str(refused.value) == said


async def test_a_server_that_does_not_answer_is_not_waited_for_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "CALL_SECONDS", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"

        with pytest.raises(ApiAway, match=f"{url} does not answer in time"):
            await look_at_the_tree(load_settings({}, api_url=url, token="abc"))


@pytest.mark.parametrize(
    ("status", "text"), [(200, "<html>"), (404, "<html>"), (307, "")], ids=["a page", "no page", "a redirect"]
)
async def test_credentials_are_not_sent_on_by_a_server_that_is_no_horarium(status: int, text: str) -> None:
    response = web.Response(status=status, text=text, headers={"Location": NOBODY})

    async with answering(response) as url:
        with pytest.raises(ApiError, match="not as Horarium does; is the address right"):
            await look_at_the_tree(load_settings({}, api_url=url, token="abc"))


async def test_a_look_at_a_tree_that_is_away_keeps_what_was_seen_and_since_when(house: House) -> None:
    settings = load_settings({}, api_url=house.url, token=await house.token("viewer"))
    async with open_client(settings) as client, open_client(load_settings({}, api_url=NOBODY, token="a")) as away:
        seen = await look(client, TREE, Sight(client.url))
        first = await look(away, TREE, seen)
        second = await look(away, TREE, first)
        back = await look(client, TREE, second)

    assert seen.answer["id"] == "horarium"
    assert (first.answer, first.seen_at) == (seen.answer, seen.seen_at)
    assert "nobody answers" in (second.trouble or "")
    assert second.away_since == first.away_since is not None
    assert (back.trouble, back.away_since) == (None, None)
