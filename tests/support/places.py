"""Places that requests may try to reach: they count who comes, and note what came along.

anyio_backend   function   each test over uvloop and over asyncio's own loop, which connect in ways of their own
outside         function   a place that stands for the internet: on 127.0.0.2, which each test opens
victim          function   what must not be reached: on 127.0.0.1, and on ::1 where there is IPv6
"""

from __future__ import annotations

import errno
import socket
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from horarium.tasks.addresses import Opening
from horarium.tasks.egress import Egress

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from aiohttp.abc import AbstractResolver

__all__ = [
    "LOOPBACK",
    "OUTSIDE",
    "Place",
    "Victim",
    "anyio_backend",
    "at_one_port",
    "get",
    "opened",
    "outside",
    "victim",
]

LOOPBACK = "127.0.0.1"
OUTSIDE = "127.0.0.2"


class Place(TestServer):
    """Notes the headers of who comes, and sends them on to where `onward` says; `listener` is one it is given."""

    def __init__(self, host: str, listener: socket.socket | None = None) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.answer)
        own = {} if listener is None else {"socket_factory": lambda *_: listener}
        super().__init__(app, host=host, **own)
        self.seen: list[dict[str, str]] = []
        self.onward: list[str] = []

    async def answer(self, request: web.Request) -> web.Response:
        self.seen.append({name.lower(): value for name, value in request.headers.items()})
        if self.onward:
            raise web.HTTPTemporaryRedirect(self.onward.pop(0), headers={"Connection": "close"})
        return web.Response(text="answer")

    @property
    def reached(self) -> int:
        return len(self.seen)


class Victim:
    """One port, on every loopback there is."""

    def __init__(self, *places: Place) -> None:
        self.places = places
        self.port = places[0].port

    @property
    def reached(self) -> int:
        return sum(place.reached for place in self.places)


@pytest.fixture(params=[True, False], ids=["uvloop", "asyncio"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
async def outside() -> AsyncIterator[Place]:
    async with Place(OUTSIDE) as place:
        yield place


@pytest.fixture
async def victim() -> AsyncIterator[Victim]:
    async with at_one_port(LOOPBACK, *(["::1"] if _has_ipv6() else [])) as places:
        yield Victim(*places)


@asynccontextmanager
async def at_one_port(*hosts: str) -> AsyncIterator[list[Place]]:
    """A place at each of these addresses, all at the same port."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(Place(host, listener))
            for host, listener in zip(hosts, _listeners(hosts), strict=True)
        ]


def _listeners(hosts: tuple[str, ...]) -> list[socket.socket]:
    """At a port that is free at each: at some of them any other test may have it, by chance."""
    while True:
        with ExitStack() as stack:
            try:
                made = [stack.enter_context(_listening(hosts[0], 0))]
                made += [stack.enter_context(_listening(host, made[0].getsockname()[1])) for host in hosts[1:]]
            except OSError as error:
                if error.errno != errno.EADDRINUSE:
                    raise
            else:
                stack.pop_all()
                return made


def _listening(host: str, port: int) -> socket.socket:
    return socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)


def _has_ipv6() -> bool:
    try:
        with _listening("::1", 0):
            return True
    except OSError:
        return False


async def get(egress: Egress, url: str, **headers: str) -> int:
    """The status of the answer."""
    async with (
        egress.session(timeout_seconds=5, own_headers=headers) as session,
        session.get(url, headers=headers) as answer,
    ):
        return answer.status


def opened(*more: str, resolver: AbstractResolver | None = None) -> Egress:
    """What lets a request out to `outside`, and to what is named beside it."""
    return Egress([Opening.parse(text) for text in (OUTSIDE, *more)], resolver)
