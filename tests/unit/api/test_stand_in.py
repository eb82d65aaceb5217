"""While the event loop is blocked somebody else answers; while it is not, nobody takes its clients away."""

from __future__ import annotations

import http.client
import io
import json
import logging
import os
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from aiohttp.test_utils import TestClient, TestServer
from anyio import to_thread

from horarium.http import stand_in
from horarium.http.app import make_app
from horarium.http.liveness import Liveness
from horarium.http.stand_in import StandIn
from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

pytestmark = pytest.mark.anyio

PROBLEM = {
    "type": "urn:horarium:problem:unavailable",
    "title": "Service Unavailable",
    "status": 503,
    "detail": "the event loop has been blocked for 12.5 s; the log has the stack of what blocks it",
    "code": "unavailable",
}


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Loop:
    """An event loop that says of itself for how long it is blocked; and how often it was asked."""

    def __init__(self, stalled: float) -> None:
        self.stalled = stalled
        self.asked = threading.Semaphore(0)

    def stalled_for(self) -> float:
        self.asked.release()
        return self.stalled

    async def is_asked(self, times: int) -> None:
        """Wait until it has been asked so often from now on."""
        self.asked = threading.Semaphore(0)
        for _ in range(times):
            assert await to_thread.run_sync(self.asked.acquire, True, WAIT_SECONDS)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A socket that listens, as a loop would have it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        yield listener


@asynccontextmanager
async def standing_by(loop: Loop, listener: socket.socket) -> AsyncIterator[None]:
    """A stand-in for a loop whose limit is ten seconds."""
    async with anyio.create_task_group() as group:
        group.start_soon(StandIn(Liveness(loop.stalled_for, 10.0), [listener]).run)
        yield
        group.cancel_scope.cancel()


@pytest.fixture
def every_line_logged() -> Iterator[Any]:
    """A handler of the root logger, which lets everything through."""
    root, handler = logging.getLogger(), logging.StreamHandler(io.StringIO())
    before = root.level
    root.addHandler(handler)
    root.setLevel("DEBUG")
    yield handler
    root.setLevel(before)
    root.removeHandler(handler)


def connect(listener: socket.socket) -> socket.socket:
    return socket.create_connection(listener.getsockname(), timeout=WAIT_SECONDS)


def is_there(listener: socket.socket) -> bool:
    """Whether a client still waits for the loop to accept it; raises BlockingIOError if none does."""
    client, _ = listener.accept()
    with client:
        return True


def request(listener: socket.socket, method: str, path: str, body: bytes | None = None) -> Any:
    """One request; the answer with its body read."""
    connection = http.client.HTTPConnection(*listener.getsockname(), timeout=WAIT_SECONDS)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        return SimpleNamespace(status=answer.status, headers=answer.headers, body=answer.read())
    finally:
        connection.close()


async def ask(*question: Any) -> Any:
    """The same, from another thread."""
    return await to_thread.run_sync(request, *question)


@pytest.mark.parametrize(("method", "path"), [("GET", "/livez"), ("GET", "/nope?a=b"), ("DELETE", "/api/v1/users/1")])
async def test_whatever_is_asked_of_a_blocked_loop_is_answered_with_a_problem(
    listener: socket.socket, method: str, path: str
) -> None:
    async with standing_by(Loop(12.5), listener):
        answer = await ask(listener, method, path)

    assert (answer.status, json.loads(answer.body)) == (503, PROBLEM)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Connection"] == "close"
    assert int(answer.headers["Retry-After"]) >= 1
    assert len(answer.headers["X-Request-Id"]) == 32


async def test_a_request_with_more_of_a_body_than_is_read_gets_its_answer_all_the_same(listener: socket.socket) -> None:
    async with standing_by(Loop(12.5), listener):
        answer = await ask(listener, "POST", "/api/v1/task-configs", b"x" * 20_000_000)

    assert (answer.status, json.loads(answer.body)) == (503, PROBLEM)


async def test_the_answer_to_a_head_request_has_no_body(listener: socket.socket) -> None:
    async with standing_by(Loop(12.5), listener):
        with connect(listener) as client:
            client.sendall(b"HEAD / HTTP/1.1\r\n\r\n")
            received = await to_thread.run_sync(read_all, client)

    assert received.startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
    assert received.endswith(b"\r\n\r\n")


def read_all(client: socket.socket) -> bytes:
    with client.makefile("rb") as file:
        return file.read()


async def test_clients_that_say_nothing_hold_up_nobody(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_in, "HEAD_SECONDS", WAIT_SECONDS)

    async with standing_by(Loop(12.5), listener):
        with connect(listener) as silent, connect(listener) as another:
            answer = await ask(listener, "GET", "/livez")
            silent.setblocking(False)
            another.setblocking(False)
            with pytest.raises(BlockingIOError):
                silent.recv(1)
            with pytest.raises(BlockingIOError):
                another.recv(1)

    assert answer.status == 503


async def test_a_client_that_says_nothing_is_answered_and_sent_away(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stand_in, "HEAD_SECONDS", 0.01)

    async with standing_by(Loop(12.5), listener):
        with connect(listener) as silent:
            received = await to_thread.run_sync(read_all, silent)

    assert received.startswith(b"HTTP/1.1 503 ")


@pytest.mark.parametrize("stalled", [0.0, 9.9])
async def test_no_client_is_taken_from_a_loop_within_the_limit(listener: socket.socket, stalled: float) -> None:
    loop = Loop(stalled)

    async with standing_by(loop, listener):
        with connect(listener):
            await loop.is_asked(3)
            assert is_there(listener)


async def test_no_client_is_taken_from_a_loop_that_is_back(listener: socket.socket) -> None:
    loop = Loop(12.5)

    async with standing_by(loop, listener):
        assert (await ask(listener, "GET", "/livez")).status == 503
        loop.stalled = 0.0
        with connect(listener):
            await loop.is_asked(3)
            assert is_there(listener)


async def test_the_loop_s_sockets_stay_open_and_non_blocking(listener: socket.socket) -> None:
    async with standing_by(Loop(12.5), listener):
        assert (await ask(listener, "GET", "/livez")).status == 503

    assert os.get_blocking(listener.fileno()) is False
    with connect(listener):
        assert is_there(listener)


async def test_a_loop_that_is_blocked_with_the_log_in_its_hands_is_answered_for(
    listener: socket.socket, every_line_logged: Any
) -> None:
    """As when stderr is a pipe that nobody reads."""
    loop = Loop(0.0)
    with ThreadPoolExecutor(1) as thread:
        async with standing_by(loop, listener):
            await loop.is_asked(1)
            with every_line_logged.lock:
                loop.stalled = 12.5
                answer = thread.submit(request, listener, "GET", "/livez").result()

    assert answer.status == 503


async def test_livez_says_no_when_its_loop_was_blocked_until_this_very_moment() -> None:
    loop = Loop(12.5)
    services: Any = SimpleNamespace(liveness=Liveness(loop.stalled_for))

    async with TestClient(TestServer(make_app(services))) as client:
        dead = await client.get("/livez")
        said = await dead.json()
        loop.stalled = 9.9
        alive = await client.get("/livez")

    assert (dead.status, said, dead.headers["Retry-After"]) == (503, PROBLEM, "1")
    assert alive.status == 200
