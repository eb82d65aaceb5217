"""The client follows the stream over whatever becomes of its connections, and gives up when it is not let in."""

from __future__ import annotations

from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from aiohttp import web

from horarium.client import ApiAway, ApiClient, ApiError, Event, NotAllowed, NotLoggedIn, log_in, open_client, transport
from horarium.client import events as following
from horarium.client.credentials import GivenToken
from horarium.client.transport import open_transport
from tests.support.logins import expire, stored
from tests.support.tree import PASSWORD, House
from tests.support.waiting import WAIT_SECONDS, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Sequence

    from horarium.settings import Settings

pytestmark = pytest.mark.anyio

SOON_SECONDS = 0.01
STAYS_OPEN = "and stays open"


@pytest.fixture(autouse=True)
def without_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "FIRST_PAUSE_SECONDS", SOON_SECONDS)
    monkeypatch.setattr(following, "LONGEST_PAUSE_SECONDS", SOON_SECONDS)


@asynccontextmanager
async def followed(url: str, token: str, **options: Any) -> AsyncIterator[AsyncGenerator[Event, None]]:
    """The events that a client with this token hears."""
    async with (
        open_transport(url) as way,
        aclosing(ApiClient(way, GivenToken(token)).events(**options)) as events,
    ):
        yield events


async def next_of(events: AsyncGenerator[Event, None], count: int) -> list[Event]:
    with anyio.fail_after(WAIT_SECONDS):
        return [await anext(events) for _ in range(count)]


async def hears(events: AsyncGenerator[Event, None], action: str) -> Event:
    """The next event of a config with this action."""
    with anyio.fail_after(WAIT_SECONDS):
        return await anext(each async for each in events if each.data.get("action") == action)


async def restarted(house: House, actor: str) -> None:
    """Restart an actor, and wait until it is ready again."""
    before = house.supervisor.snapshot().find(actor)
    assert before is not None
    house.supervisor.restart(actor, because="a test asked for it")

    async def is_back() -> bool:
        now = house.supervisor.snapshot().find(actor)
        return now is not None and now.incarnation > before.incarnation and now.state == "running"

    await eventually(is_back)


class Script:
    """A server that gives these answers in turn, each a status and what is sent of a stream before it breaks."""

    def __init__(self, answers: Sequence[tuple[int, str]]) -> None:
        self.answers = iter(answers)
        self.asked: list[tuple[str | None, str | None]] = []

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append((request.headers.get("Authorization"), request.headers.get("Last-Event-ID")))
        status, text = next(self.answers)
        if status != 200:
            problem = {"type": "x", "title": "x", "status": status, "detail": "as the script says", "code": "x"}
            return web.json_response(problem, status=status, content_type="application/problem+json")
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        await response.write(text.removesuffix(STAYS_OPEN).encode())
        if text.endswith(STAYS_OPEN):
            await anyio.sleep_forever()
        if not text.endswith("\n\n") and request.transport is not None:
            request.transport.abort()
        return response


@asynccontextmanager
async def following_script(*answers: tuple[int, str]) -> AsyncIterator[tuple[Script, AsyncGenerator[Event, None]]]:
    script = Script(answers)
    runner = web.ServerRunner(web.Server(script.handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        host, port = runner.addresses[0][:2]
        async with followed(f"http://{host}:{port}", "a token") as events:
            yield script, events
    finally:
        await runner.cleanup()


def event(number: int, **fields: Any) -> str:
    lines = {"id": f"{number}-0", "event": "execution", "data": f'{{"number": {number}}}', **fields}
    return "".join(f"{name}: {value}\n" for name, value in lines.items()) + "\n"


async def test_who_is_too_far_behind_is_told_and_then_hears_what_happens(house: House) -> None:
    async with followed(house.url, await house.token("viewer"), after="1-1") as events:
        (first,) = await next_of(events, 1)
        config = await house.config()
        created = await hears(events, "created")

    assert (first.event, created.event, created.data["config_id"]) == ("reset", "config", config)
    assert None not in (first.id, created.id)


async def test_it_goes_on_behind_the_event_it_is_given(house: House) -> None:
    token = await house.token("viewer")
    async with followed(house.url, token, after="1-1") as events:
        await next_of(events, 1)
        config = await house.config()
        for action in ("stop", "start"):
            await house.call("POST", f"/api/v1/task-configs/{config}/{action}")
        created = await hears(events, "created")
        await hears(events, "started")

    async with followed(house.url, token, types=["configs"], config_id=config, after=created.id) as events:
        again = await next_of(events, 2)

    assert [each.data["action"] for each in again] == ["stopped", "started"]


async def test_a_stream_that_breaks_is_taken_up_where_it_broke() -> None:
    """Half an event counts for nothing: it comes again, whole."""
    whole = event(2)
    answers = (200, event(1) + whole[:10]), (200, whole + event(3))
    async with following_script(*answers) as (script, events):
        heard = await next_of(events, 3)

    assert [each.data["number"] for each in heard] == [1, 2, 3]
    assert [last_id for _, last_id in script.asked] == [None, "1-0"]


async def test_a_sign_of_life_moves_the_place_to_go_on_from() -> None:
    answers = (200, event(1) + ": here\nid: 9-0\n\n"), (200, event(10))
    async with following_script(*answers) as (script, events):
        await next_of(events, 2)

    assert [last_id for _, last_id in script.asked] == [None, "9-0"]


async def test_a_server_that_goes_away_is_waited_for() -> None:
    answers = (200, event(1)), (503, ""), (429, ""), (200, event(2))
    async with following_script(*answers) as (script, events):
        heard = await next_of(events, 2)

    assert [each.data["number"] for each in heard] == [1, 2]
    assert [last_id for _, last_id in script.asked] == [None, "1-0", "1-0", "1-0"]


@pytest.mark.parametrize(("status", "kind"), [(401, NotLoggedIn), (403, NotAllowed), (404, ApiError), (422, ApiError)])
async def test_a_refusal_is_the_end(status: int, kind: type[ApiError]) -> None:
    async with following_script((200, event(1)), (status, "")) as (_, events):
        await next_of(events, 1)
        with pytest.raises(kind):
            await next_of(events, 1)


async def test_nobody_there_at_all_is_told_at_once() -> None:
    async with followed("http://127.0.0.1:1", "a token") as events:
        with pytest.raises(ApiAway):
            await next_of(events, 1)


async def test_a_connection_that_has_gone_silent_is_made_anew_and_nothing_is_missed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first answer stays open and says nothing more."""
    monkeypatch.setattr(transport, "SILENCE_SECONDS", 2.0)
    async with following_script((200, event(1) + STAYS_OPEN), (200, event(2))) as (script, events):
        heard = await next_of(events, 2)

    assert [each.data["number"] for each in heard] == [1, 2]
    assert [last_id for _, last_id in script.asked] == [None, "1-0"]


async def test_a_login_that_is_ended_while_it_listens_is_the_end(house: House, settings: Settings) -> None:
    user = await house.user()
    await log_in(settings, (await house.get(f"/users/{user}"))["username"], PASSWORD)
    async with open_client(settings) as client, aclosing(client.events(after="1-1")) as events:
        await next_of(events, 1)
        await house.call("PATCH", f"/api/v1/users/{user}", {"is_active": False})
        with pytest.raises(NotLoggedIn):
            await hears(events, "of which there is none")


async def test_a_token_that_runs_out_is_renewed_and_the_stream_goes_on(house: House, settings: Settings) -> None:
    """The stream ends with the token that opened it, and is taken up with the next."""
    await log_in(settings, "admin", PASSWORD)
    async with open_client(settings) as client, aclosing(client.events(after="1-1")) as events:
        await next_of(events, 1)
        expire(settings.config_dir)
        first = stored(settings.config_dir).tokens.access_token
        await restarted(house, "api")
        config = await house.config()
        created = await hears(events, "created")

    assert created.data["config_id"] == config
    assert stored(settings.config_dir).tokens.access_token != first
