"""A stream and the connection that carries it: who reads it slowly, not at all, or no more."""

from __future__ import annotations

import math
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import anyio
import pytest
from aiohttp import web
from structlog.testing import capture_logs

from horarium.errors import Unauthorized, Unavailable
from horarium.http import streams
from horarium.http.connections import PACE_BYTES, PATIENCE_LOOKS, SEND_BUFFER_BYTES
from horarium.http.problems import problems
from horarium.http.streams import STREAMS, Streams
from tests.support.doors import Server, a_door
from tests.support.waiting import WAIT_SECONDS, eventually, report

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator

    from anyio.abc import SocketStream

    from horarium.http.connections import Connection

pytestmark = pytest.mark.anyio

GET = b"GET /stream HTTP/1.1\r\nHost: x\r\n\r\n"
TEXT = b"data: " + b"x" * 8000 + b"\n\n"
SMALL = 4096
TRANSPORT_BYTES = 64 * 1024
"""What asyncio's transport takes before it asks the sender to wait."""


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


@dataclass
class Full:
    """A transport with always as much to send: kernels and loops keep no such order."""

    wire: asyncio.Transport | None

    def get_write_buffer_size(self) -> int:
        return TRANSPORT_BYTES

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wire, name)


@dataclass
class Spring:
    """A source that never runs dry, or is dry from the start; it counts what was taken."""

    dry: bool = False
    taken: int = 0
    answers: list[Exception] = field(default_factory=list)
    left: float = math.inf
    asked: int = 0

    def take(self) -> bytes | None:
        if self.dry:
            return None
        self.taken += len(TEXT)
        return TEXT

    def whereabouts(self) -> bytes:
        return b": here\n\n"

    async def news(self) -> None:
        await anyio.sleep_forever()

    async def allowed(self) -> float:
        self.asked += 1
        if self.answers:
            raise self.answers[0]
        return self.left


@asynccontextmanager
async def serving(spring: Spring, limit: int = 10) -> AsyncIterator[Server]:
    """An application that streams from the spring, behind the door."""

    async def stream(request: web.Request) -> web.StreamResponse:
        async def source() -> Spring:
            return spring

        return await request.app[STREAMS].serve(request, source, spring.allowed)

    app = web.Application(middlewares=[problems])
    app[STREAMS] = Streams(limit)
    app.on_shutdown.append(app[STREAMS].end_all)
    app.router.add_get("/stream", stream)
    async with a_door(app, 100) as server:
        yield server


async def begun(client: SocketStream) -> bytes:
    """What has come first of an answer."""
    await client.send(GET)
    return await client.receive(SMALL)


async def is_over(client: SocketStream) -> bool:
    """Whether the answer has ended."""
    with anyio.fail_after(WAIT_SECONDS):
        try:
            while not (await client.receive()).endswith(b"0\r\n\r\n"):
                pass
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            pass
    return True


async def test_a_client_that_reads_nothing_is_cut_and_was_sent_no_more_than_buffers_hold() -> None:
    spring = Spring()
    async with serving(spring) as server, await server.connect(receive_buffer=SMALL) as client:
        await begun(client)
        assert await server.is_stuck()
        server.look(1)

        taken = spring.taken
        looked = server.look(PATIENCE_LOOKS)

        assert sum(one.answers for one in looked) == 1
        assert await server.holds(0)
        assert spring.taken - taken <= len(TEXT)
    report(f"{taken:,} bytes were handed over to a client that read {SMALL:,}")
    assert taken <= 2 * SEND_BUFFER_BYTES + TRANSPORT_BYTES + 20 * len(TEXT)


async def test_a_client_that_reads_on_comes_through_all_looks_though_there_is_always_more_for_it() -> None:
    async with serving(Spring()) as server, await server.connect(receive_buffer=SMALL) as client:
        await begun(client)
        for _ in range(3 * PATIENCE_LOOKS):
            assert await server.is_stuck()
            for _ in range(50):
                await client.receive(len(TEXT))
            server.look(1)

        assert len(server.server.connections) == 1


@pytest.mark.parametrize(("handed", "cut"), [(0, 1), (PACE_BYTES - 1, 1), (PACE_BYTES, 0)])
async def test_of_as_much_unread_as_before_it_shows_by_what_was_handed_over_whether_it_moves(
    handed: int, cut: int
) -> None:
    async with serving(Spring(dry=True)) as server, await server.connect() as client:
        await begun(client)
        (connection,) = cast("list[Connection]", server.server.connections)
        connection._wire = cast("asyncio.Transport", Full(connection._wire))
        looked = server.look(1)

        for _ in range(PATIENCE_LOOKS - 1):
            connection.handed_over(handed)
            looked += server.look(1)

        assert sum(one.answers for one in looked) == cut


async def test_a_stream_with_nothing_to_tell_is_not_taken_for_an_idle_connection() -> None:
    async with serving(Spring(dry=True)) as server, await server.connect() as client:
        await begun(client)
        server.look(PATIENCE_LOOKS * 2)

        assert len(server.server.connections) == 1


async def test_a_stream_with_nothing_to_tell_gives_signs_of_life(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "SIGN_SECONDS", 0.01)
    async with serving(Spring(dry=True)) as server, await server.connect() as client:
        received = await begun(client)
        with anyio.fail_after(WAIT_SECONDS):
            while received.count(b": here\n\n") < 3:
                received += await client.receive()


async def test_a_client_that_leaves_is_noticed_though_there_is_nothing_to_send_it() -> None:
    async with serving(Spring(dry=True), limit=1) as server:
        async with await server.connect() as client:
            await begun(client)
        assert await server.holds(0)
        async with await server.connect() as next_one:
            assert b" 200 " in await begun(next_one)


async def test_one_stream_too_many_is_refused_and_no_other_pays_for_it() -> None:
    async with serving(Spring(dry=True), limit=1) as server, await server.connect() as first:
        await begun(first)
        async with await server.connect() as second:
            refused = await begun(second)

        assert b" 503 " in refused
        assert b"Retry-After: 10\r\n" in refused
        assert len(server.server.connections) >= 1


async def test_a_client_that_reads_nothing_is_refused_as_well_when_its_time_has_come(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "RECHECK_SECONDS", 0.01)
    spring = Spring()
    async with serving(spring) as server, await server.connect(receive_buffer=SMALL) as client:
        await begun(client)
        assert await server.is_stuck()
        spring.answers.append(Unauthorized("it is over"))
        assert await is_over(client)


async def test_a_stream_goes_on_for_a_while_when_nobody_can_say_whether_it_may(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(streams, "RECHECK_SECONDS", 0.01)
    monkeypatch.setattr(streams, "UNSURE_SECONDS", 0.2)
    spring = Spring(dry=True, answers=[Unavailable("Postgres")])
    async with serving(spring) as server, await server.connect() as client:
        began = anyio.current_time()
        await begun(client)

        assert await is_over(client)
        assert anyio.current_time() - began >= 0.2


async def test_a_caller_whose_time_is_just_over_is_asked_for_once_more() -> None:
    """Two looks at the clock: by the first it is let in, by the second nothing is left of its token."""
    spring = Spring(dry=True, left=-0.001)
    async with serving(spring) as server, await server.connect() as client:
        await begun(client)

        async def asked_again() -> bool:
            return spring.asked >= 2

        await eventually(asked_again)
        spring.answers.append(Unauthorized("it is over"))
        assert await is_over(client)


async def test_an_error_of_ours_ends_the_stream_is_logged_and_is_not_written_into_it() -> None:
    spring = Spring(dry=True, answers=[RuntimeError("a bug")])
    with capture_logs() as logs:
        async with serving(spring) as server, await server.connect() as client:
            received = await begun(client)
            with anyio.fail_after(WAIT_SECONDS), suppress(anyio.EndOfStream, anyio.BrokenResourceError):
                while True:
                    received += await client.receive()

    assert [line["event"] for line in logs] == ["stream.failed"]
    assert received.count(b"HTTP/1.1 ") == 1
    assert not received.endswith(b"0\r\n\r\n")
