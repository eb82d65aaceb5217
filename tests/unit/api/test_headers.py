"""What every answer carries, which pages may call from a browser, and how a request is named and told of."""

from __future__ import annotations

from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from horarium.errors import Unauthorized
from horarium.http.app import make_app
from horarium.http.liveness import Liveness
from horarium.http.reading import OPEN_BODY_LIMIT_BYTES
from horarium.http.routing import NoQuery, Reply, Route, add_routes

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp import web

    from horarium.http.routing import Call

pytestmark = pytest.mark.anyio

OURS = "https://ops.example.org"
LOGIN = "/api/v1/auth/login"
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
    "Server": "horarium",
}
PREFLIGHT = {"Origin": OURS, "Access-Control-Request-Method": "PATCH"}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def every_line_is_wanted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "horarium.http")


class NoAuthenticator:
    """Knows nobody."""

    async def authenticate(self, _authorization: str | None) -> None:
        raise Unauthorized("no token")


async def page(_call: Call) -> Reply:
    """What serves no JSON and says so."""
    return Reply(
        b"<p>", {"Content-Security-Policy": "default-src 'self'", "Cache-Control": "no-cache"}, None, "text/html"
    )


async def broken(_call: Call) -> Reply:
    raise RuntimeError("a bug")


@asynccontextmanager
async def edge(*origins: str) -> AsyncIterator[TestClient[web.Request, web.Application]]:
    """The real application without its services, and two routes more."""
    services: Any = SimpleNamespace(liveness=Liveness(lambda: 0.0), authenticator=NoAuthenticator())
    app = make_app(services, origins)
    mine = {"/page": page, "/broken": broken}
    add_routes(
        app, tuple(Route("GET", path, handler, "", None, bytes, query=NoQuery) for path, handler in mine.items())
    )
    async with TestClient(TestServer(app)) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/livez", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/api/v1/auth/me", 401),
        ("GET", "/nope", 404),
        ("PUT", "/livez", 405),
        ("POST", LOGIN, 415),
        ("GET", "/broken", 500),
    ],
)
async def test_every_answer_forbids_a_browser_to_make_more_of_it_than_json(method: str, path: str, status: int) -> None:
    async with edge() as client:
        answer = await client.request(method, path)

    assert answer.status == status
    assert answer.headers.items() >= SECURITY.items()
    assert len(answer.headers["X-Request-Id"]) == 32
    assert [name for name in answer.headers if name.startswith("Access-Control")] == []
    assert "Origin" not in answer.headers.get("Vary", "")


async def test_a_handler_that_serves_something_else_has_the_last_word() -> None:
    async with edge() as client:
        answer = await client.get("/page")

    assert answer.headers["Content-Security-Policy"] == "default-src 'self'"
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"


# Requests have a name


@pytest.mark.parametrize("name", ["a", "Trace-7.b_c", "x" * 64])
async def test_a_request_that_brings_a_sane_name_keeps_it(name: str) -> None:
    with capture_logs() as logs:
        async with edge() as client:
            answer = await client.get("/nope", headers={"X-Request-Id": name})

    assert answer.headers["X-Request-Id"] == name
    assert [line["event"] for line in logs] == ["request.answered"]


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", 'a"b', "a\u00e9", "a/b", "a;b"])
async def test_a_name_that_is_not_is_replaced(name: str) -> None:
    async with edge() as client:
        answer = await client.get("/livez", headers={"X-Request-Id": name})

    assert len(answer.headers["X-Request-Id"]) == 32


# And one line in the log


@pytest.mark.parametrize(
    ("method", "path", "line"),
    [
        ("GET", "/livez", {"log_level": "debug", "route": "/livez", "http_status": 200}),
        (
            "GET",
            "/api/v1/task-configs/7?token=c4n4ry",
            {"log_level": "info", "route": "/api/v1/task-configs/{config_id}", "http_status": 401},
        ),
        ("POST", LOGIN, {"log_level": "info", "route": LOGIN, "http_status": 415}),
        ("GET", "/c4n4ry?c4n4ry=c4n4ry", {"log_level": "info", "route": None, "http_status": 404}),
    ],
)
async def test_a_request_leaves_one_line_that_names_its_route_and_nothing_it_brought(
    method: str, path: str, line: dict[str, Any]
) -> None:
    with capture_logs() as logs:
        async with edge() as client:
            await client.request(method, path, headers={"User-Agent": "c4n4ry", "Cookie": "c4n4ry=1"})

    (told,) = logs
    assert told.items() >= {**line, "event": "request.answered", "method": method, "caller": None}.items()
    assert told["duration_ms"] >= 0
    assert "c4n4ry" not in str(told)


# Pages of other origins


async def test_a_page_of_a_listed_origin_may_ask_and_then_call() -> None:
    async with edge("http://localhost:3000", OURS) as client:
        asked = await client.options(LOGIN, headers=PREFLIGHT)
        answered = await client.get("/api/v1/auth/me", headers={"Origin": OURS})

    assert (asked.status, await asked.read(), answered.status) == (204, b"", 401)
    assert asked.headers["Access-Control-Allow-Methods"] == "GET, POST, PUT, PATCH, DELETE"
    assert set(asked.headers["Access-Control-Allow-Headers"].split(", ")) >= {
        "Authorization", "Content-Type", "If-Match", "Idempotency-Key", "Last-Event-ID"
    }  # fmt: skip
    assert set(answered.headers["Access-Control-Expose-Headers"].split(", ")) >= {
        "X-Request-Id", "Location", "Retry-After", "ETag"
    }  # fmt: skip
    assert {one.headers["Access-Control-Allow-Origin"] for one in (asked, answered)} == {OURS}
    assert {one.headers["Vary"] for one in (asked, answered)} == {"Origin"}
    assert [one for one in (asked, answered) if "Access-Control-Allow-Credentials" in one.headers] == []


@pytest.mark.parametrize(
    "origin", ["null", "https://evil.org", f"{OURS}.evil.org", f"{OURS}:444", "http://ops.example.org", f"{OURS}/", "*"]
)
async def test_a_page_of_any_other_origin_may_do_neither(origin: str) -> None:
    async with edge(OURS) as client:
        asked = await client.options(LOGIN, headers=PREFLIGHT | {"Origin": origin})
        answered = await client.get("/livez", headers={"Origin": origin})

    assert (asked.status, answered.status) == (405, 200)
    assert [name for one in (asked, answered) for name in one.headers if name.startswith("Access-Control")] == []
    assert {one.headers["Vary"] for one in (asked, answered)} == {"Origin"}


async def test_with_no_list_nobody_may() -> None:
    async with edge() as client:
        asked = await client.options(LOGIN, headers=PREFLIGHT)

    assert asked.status == 405
    assert "Access-Control-Allow-Origin" not in asked.headers


# Bodies


async def test_a_call_that_is_open_to_everybody_takes_no_more_than_a_login() -> None:
    async def unannounced() -> AsyncIterator[bytes]:
        yield b" " * OPEN_BODY_LIMIT_BYTES
        yield b"{}"

    async with edge() as client:
        said = await client.post(LOGIN, data=b" " * (OPEN_BODY_LIMIT_BYTES + 1))
        unsaid = await client.post(LOGIN, data=unannounced())
        problems = [await said.json(), await unsaid.json()]

    assert (said.status, unsaid.status) == (413, 413)
    assert {problem["detail"] for problem in problems} == {f"the body is larger than {OPEN_BODY_LIMIT_BYTES} bytes"}
