"""Who may hold a connection, and for how long; every answer at the edge has one shape and repeats nothing."""

from __future__ import annotations

import gzip
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import orjson
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from horarium.actors.api import _ask
from horarium.http import connections, reading
from horarium.http.app import make_app
from horarium.http.connections import HEAD_BYTES, LINE_BYTES, MAX_FIELDS, PATIENCE_LOOKS, Looked, connection_limit
from horarium.http.headers import EVERYWHERE
from horarium.http.liveness import Liveness
from tests.support.doors import Server, a_door
from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from anyio.abc import SocketStream


pytestmark = pytest.mark.anyio

ALWAYS = {**EVERYWHERE, "Server": "horarium"}
LIVEZ = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"
MEGABYTE = 1024 * 1024
LARGE_ANSWER_BYTES = 32 * MEGABYTE


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture(autouse=True)
def every_line_is_wanted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG", "horarium.http")


@asynccontextmanager
async def serving(limit: int = 10) -> AsyncIterator[Server]:
    """The real application without its services, and one route with a large answer."""
    services: Any = SimpleNamespace(liveness=Liveness(lambda: 0.0))
    app = make_app(services)
    app.router.add_get("/large", large)
    async with a_door(app, limit) as server:
        yield server


async def large(_request: web.Request) -> web.Response:
    return web.Response(body=b"x" * LARGE_ANSWER_BYTES)


async def answer_of(client: SocketStream) -> tuple[int, dict[str, str], Any]:
    """Status, header fields and JSON of one answer."""
    received = b""
    while b"\r\n\r\n" not in received:
        received += await client.receive()
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    fields = dict(line.split(": ", 1) for line in lines)
    while len(body) < int(fields["Content-Length"]):
        body += await client.receive()
    return int(first.split()[1]), fields, orjson.loads(body)


async def read(client: SocketStream, size: int) -> None:
    """Read so many bytes."""
    while size > 0:
        size -= len(await client.receive(size))


async def is_over(client: SocketStream) -> bool:
    """Whether the server has ended the connection; raises TimeoutError if it does not."""
    with anyio.fail_after(WAIT_SECONDS):
        try:
            while True:
                await client.receive()
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return True


@pytest.mark.parametrize("begun", [b"", b"GET /livez HT", b"GET /livez HTTP/1.1\r\nHost: x\r\n"])
async def test_a_head_that_is_never_done_ends_its_connection(begun: bytes) -> None:
    async with serving() as server, await server.connect() as client:
        await client.send(begun)

        looked = server.look(PATIENCE_LOOKS)

        assert sum(one.heads for one in looked) == 1
        assert await is_over(client)


async def test_a_byte_now_and_then_does_not_make_a_head() -> None:
    async with serving() as server, await server.connect() as client:
        await client.send(LIVEZ)
        assert (await answer_of(client))[0] == 200

        for heard, letter in enumerate(LIVEZ[: PATIENCE_LOOKS + 1], start=1):
            await client.send(bytes([letter]))
            await server.has_heard(heard)
            server.look(1)

        assert await is_over(client)


async def test_an_idle_connection_is_kept_for_its_next_request() -> None:
    async with serving() as server, await server.connect() as client:
        await client.send(LIVEZ)
        await answer_of(client)

        server.look(PATIENCE_LOOKS * 2)
        await client.send(LIVEZ)

        assert (await answer_of(client))[0] == 200


async def test_an_idle_connection_is_not_kept_once_more_than_half_of_all_are_in_use() -> None:
    async with serving(limit=3) as server, await server.connect() as idle, await server.connect() as busy:
        for client in (idle, busy):
            await client.send(LIVEZ)
            await answer_of(client)

        for _ in range(PATIENCE_LOOKS + 1):
            await busy.send(LIVEZ)
            await answer_of(busy)
            server.look(1)

        assert await is_over(idle)
        await busy.send(LIVEZ)
        assert (await answer_of(busy))[0] == 200


async def test_a_body_that_is_never_sent_is_told_so_and_its_connection_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "BODY_SECONDS", 0.05)
    monkeypatch.setattr(connections, "LINGERING_SECONDS", 2 * WAIT_SECONDS)

    async with serving() as server, await server.connect() as client:
        await client.send(b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")

        status, fields, problem = await answer_of(client)

        assert (status, problem["code"], fields["Connection"]) == (408, "too_slow", "close")
        assert await is_over(client)


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error_of_ours() -> None:
    with capture_logs() as logs:
        async with serving() as server, await server.connect() as client:
            await client.send(b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{")
            await server.is_busy()
            await client.aclose()
            assert await server.holds(0)

    assert [(line["event"], line["log_level"], line["http_status"]) for line in logs] == [
        ("request.answered", "info", 400)
    ]


@pytest.mark.parametrize(
    "path", [b"/api/v1/auth/login", b"/nowhere"], ids=["a body that is read", "one that nobody reads"]
)
async def test_a_body_that_is_not_what_its_head_says_is_no_error_of_ours_and_ends_its_connection(
    caplog: pytest.LogCaptureFixture, path: bytes
) -> None:
    head = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n" % path
    async with serving() as server, await server.connect() as client:
        await client.send(head + b"this is no gzip, 20.")

        _, fields, _ = await answer_of(client)

        assert fields["Connection"] == "close"
        assert await is_over(client)
    assert "Unhandled exception" not in caplog.text


async def test_a_body_that_breaks_while_its_rest_is_thrown_away_is_no_error_of_ours(
    caplog: pytest.LogCaptureFixture,
) -> None:
    head = b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n\r\n"
    async with serving() as server, await server.connect() as client:
        await client.send(head)
        await answer_of(client)
        await client.send(b"this is no gzip, 20.")

        assert await is_over(client)
    assert "Unhandled exception" not in caplog.text


async def test_a_packed_body_that_nobody_needs_is_not_unpacked_to_be_thrown_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A hundred kilobytes would keep the event loop busy for a hundred megabytes, whoever has sent them."""
    monkeypatch.setattr(connections, "LINGERING_SECONDS", 2 * WAIT_SECONDS)
    begun = gzip.compress(b" " * MEGABYTE)[:-8]
    head = b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: 100000\r\n\r\n"

    async with serving() as server, await server.connect() as client:
        await client.send(head + begun)

        status, fields, _ = await answer_of(client)

        assert (status, fields["Connection"]) == (404, "close")
        assert await is_over(client)


async def test_an_answer_that_is_not_read_ends_its_connection_though_it_would_wait_for_ever_to_be_sent() -> None:
    async with serving() as server, await server.connect(receive_buffer=4096) as client:
        await client.send(b"GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        await server.is_stuck()

        looked = server.look(PATIENCE_LOOKS)

        assert sum(one.answers for one in looked) == 1
        assert await server.holds(0)


async def test_an_answer_that_is_read_slowly_and_steadily_comes_whole() -> None:
    async with serving() as server, await server.connect(receive_buffer=4096) as client:
        await client.send(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        for _ in range(LARGE_ANSWER_BYTES // MEGABYTE):
            await read(client, MEGABYTE)
            server.look(1)

        assert len(server.server.connections) == 1


async def test_one_client_too_many_is_told_to_come_back_and_nobody_pays_for_it() -> None:
    async with serving(limit=1) as server, await server.connect() as first, await server.connect() as second:
        await second.send(LIVEZ)

        status, fields, problem = await answer_of(second)

        assert (status, problem["code"], fields["Retry-After"]) == (503, "unavailable", "1")
        assert fields.items() >= ALWAYS.items()
        assert await is_over(second)
        await first.send(LIVEZ)
        assert (await answer_of(first))[0] == 200
        assert server.look(2) == [Looked(0, 0, 1), Looked(0, 0, 0)]


async def test_there_is_room_again_once_a_client_has_left() -> None:
    async with serving(limit=1) as server:
        async with await server.connect():
            pass
        assert await server.holds(0)
        async with await server.connect() as next_one:
            await next_one.send(LIVEZ)
            assert (await answer_of(next_one))[0] == 200


async def test_one_client_too_many_that_says_nothing_is_told_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REFUSAL_SECONDS", 0.01)

    async with serving(limit=0) as server, await server.connect() as client:
        assert (await answer_of(client))[0] == 503
        assert await is_over(client)


async def test_an_api_that_is_full_still_answers_itself() -> None:
    """It is asked for a sign of life on a connection like any other."""
    async with serving(limit=0) as server:
        await _ask(*server.address)


async def test_clients_too_many_that_are_heard_out_are_bounded_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "REFUSAL_SECONDS", 60.0)
    monkeypatch.setattr(connections, "MAX_REFUSALS", 1)

    async with serving(limit=0) as server, await server.connect(), await server.connect() as beyond:
        assert (await answer_of(beyond))[0] == 503


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        (b"GET /" + b"c4n4ry" * (LINE_BYTES // 6 + 1) + b" HTTP/1.1\r\n\r\n", 431, "head_too_large"),
        (b"GET / HTTP/1.1\r\nc4n4ry: " + b"x" * (LINE_BYTES + 1) + b"\r\n\r\n", 431, "head_too_large"),
        (b"GET / HTTP/1.1\r\n" + b"c4n4ry: x\r\n" * (MAX_FIELDS + 1) + b"\r\n", 400, "malformed"),
        (b"c4n4ry\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nc4n4ry\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: c4n4ry\x00\r\n\r\n", 400, "malformed"),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: c4n4ry\r\n\r\n", 400, "malformed"),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nExpect: c4n4ry\r\n\r\n", 417, "expectation_failed"),
        (b"\x16\x03\x01\x02\x00\x01c4n4ry\r\n\r\n", 400, "malformed"),
    ],
    ids=["a long line", "a long field", "many fields", "no HTTP", "no field", "a NUL", "no length", "Expect", "TLS"],
)
async def test_what_is_no_request_is_a_problem_that_repeats_nothing_of_it(head: bytes, status: int, code: str) -> None:
    with capture_logs() as logs:
        async with serving() as server, await server.connect() as client:
            await client.send(head)
            answered, fields, problem = await answer_of(client)

    assert (answered, problem["code"]) == (status, code)
    assert fields["Content-Type"] == "application/problem+json"
    assert fields.items() >= ALWAYS.items()
    assert len(fields["X-Request-Id"]) == 32
    assert "c4n4ry" not in f"{fields}{problem}{logs}"


async def test_a_head_of_many_long_fields_is_cut_at_its_sum() -> None:
    field = b"X: " + b"x" * 8000 + b"\r\n"
    async with serving() as server, await server.connect() as client:
        await client.send(b"GET / HTTP/1.1\r\n")
        for _ in range(HEAD_BYTES // len(field) + 1):
            await client.send(field)

        status, fields, problem = await answer_of(client)

        assert (status, problem["code"]) == (431, "head_too_large")
        assert fields.items() >= ALWAYS.items()
        assert await is_over(client)


@pytest.mark.parametrize(
    ("files", "limit"), [(-1, 1000), (20_000, 1000), (1024, 668), (256, 1)], ids=["any", "many", "default", "few"]
)
async def test_the_limit_leaves_files_for_everything_else(
    files: int, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections.resource, "getrlimit", lambda _: (files, files))

    assert connection_limit() == limit
