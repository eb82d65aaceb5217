"""What waits for an execution outlives an API that is away for a while: the execution goes on meanwhile."""

from __future__ import annotations

from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from horarium.client import ApiAway, open_client
from horarium.commands.editing import edited
from horarium.commands.following import changes
from horarium.commands.waiting import ended
from horarium.http.problems import problem_body
from horarium.settings import load_settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from horarium.settings import Settings

pytestmark = pytest.mark.anyio

AWAY = None
TASK_ID = "01a20fd3-aba1-7013-a14e-44afe0873d77"
QUEUED = {"task_id": TASK_ID, "status": "queued", "attempt": 1}
DONE = QUEUED | {"status": "success"}


def away() -> web.Response:
    """What an API says that cannot work just now."""
    body = problem_body(503, "unavailable", "Postgres is away")
    return web.Response(status=503, body=body, content_type="application/problem+json")


@asynccontextmanager
async def answering(*answers: object) -> AsyncIterator[Settings]:
    """Settings for a server that gives these answers, one after the other; AWAY is a 503, and the last one stays.

    It has no stream of events.
    """
    left = list(answers)

    async def handle(request: web.BaseRequest) -> web.Response:
        if request.path.endswith("/events"):
            return away()
        answer = left.pop(0) if len(left) > 1 else left[0]
        if answer is AWAY:
            return away()
        return web.json_response(answer)

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield load_settings({}, api_url=f"http://127.0.0.1:{runner.addresses[0][1]}", token="abc")
    finally:
        await runner.cleanup()


async def test_an_outage_while_waiting_is_told_once_and_waited_for(capsys: pytest.CaptureFixture[str]) -> None:
    async with answering(QUEUED, AWAY, AWAY, DONE) as settings:
        execution = await ended(settings, TASK_ID, lambda _: None)

    assert execution == DONE
    assert capsys.readouterr().err == "horarium: Postgres is away; asking again\n"


async def test_an_outage_while_following_is_told_once_and_hides_no_change() -> None:
    page: Mapping[str, Any] = {"items": [QUEUED], "next_cursor": None, "total": 1}
    empty = {"items": [], "next_cursor": None, "total": 0}
    told: list[ApiAway] = []
    seen: list[str] = []
    async with answering(page, AWAY, AWAY, empty, DONE) as settings, open_client(settings) as client:
        async for execution in changes(client, newest=1, trouble=told.append):
            seen.append(execution["status"])
            if execution["status"] == "success":
                break

    assert seen == ["queued", "success"]
    assert len(told) == 1


def test_an_edit_that_meets_an_outage_keeps_the_text_and_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise ApiAway("Postgres is away")

    monkeypatch.setenv("VISUAL", "sed -i s/default/slow/")
    config = {"id": 7, "version": 3, "name": "nightly", "queue": "default"}

    with pytest.raises(ApiAway, match="Your text is kept in ") as refused:
        edited(config, away, lambda: config)

    text = Path(str(refused.value).split("kept in ")[1])
    assert "queue: slow" in text.read_text().splitlines()
    text.unlink()
