"""The way out for `http_request`: sessions that connect to public addresses, and to what the operator has opened.

The address is judged in the very call that connects to it. A check of the URL, or of what its name resolves to, can be
passed and then undone: a name answers otherwise the second time (DNS rebinding), a redirect leads elsewhere, 0x7f.1 is
an address to the C library and a name to everybody else. Here the socket itself refuses: what its `connect` is given is
what the kernel is given, whatever has resolved it, and every hop of a chain of redirects makes its connection this way.

A name that is opened is opened for what it resolves to at that moment. Which name a connection is for is known from the
request; the hops of one request follow each other, and a session is made for one request.

Nothing goes through a proxy: it would resolve names, and connect, in our place. Headers that a config gives are for the
origin that it names, and are left out once a redirect leads to another: aiohttp drops `Authorization` and `Cookie`,
while keys travel as `X-Api-Key` just as well.
"""

from __future__ import annotations

import errno
import socket
from typing import TYPE_CHECKING, Any

import aiohttp

from horarium.tasks.addresses import Address, Opening, forbidden_as, literal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from aiohttp.abc import AbstractResolver
    from yarl import URL

__all__ = ["MAX_REDIRECTS", "Egress", "EgressRefused"]

MAX_REDIRECTS = 10
"""As aiohttp counts: the tenth is not followed any more."""

FOLLOWING = frozenset(
    {
        *("accept", "accept-charset", "accept-encoding", "accept-language", "user-agent"),
        *("content-encoding", "content-language", "content-type", "content-length", "transfer-encoding"),
        *("cache-control", "connection", "expect", "te"),
    }
)
"""Headers of a config that a redirect to another origin takes along: they say what the message is, and no secret."""


class EgressRefused(Exception):
    """A host is at an address that may not be reached. The message names both, and nothing else of the URL."""


class Egress:
    """Which way out there is; by itself only to public addresses. `resolver` None: the system's."""

    def __init__(self, openings: Iterable[Opening] = (), resolver: AbstractResolver | None = None) -> None:
        self._openings = tuple(openings)
        self._resolver = resolver

    def also(self, opening: Opening) -> Egress:
        """One that leads there too."""
        return Egress((*self._openings, opening), self._resolver)

    def session(self, *, timeout_seconds: float, own_headers: Collection[str] = ()) -> aiohttp.ClientSession:
        """A session for one request, whose headers `own_headers` are for the origin of its URL alone."""
        guard = _Guard(self._openings, own_headers)
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(resolver=self._resolver, socket_factory=guard.socket),
            middlewares=(guard,),
            timeout=aiohttp.ClientTimeout(total=timeout_seconds),
            trust_env=False,
        )


class _Guard:
    """What one request may connect to, asked by each of its sockets; a middleware, so that it knows each hop."""

    def __init__(self, openings: tuple[Opening, ...], own_headers: Collection[str]) -> None:
        self._openings = openings
        self._own = {name.lower() for name in own_headers} - FOLLOWING
        self._origin: URL | None = None
        self._strayed = False
        self._host = ""
        self._refused: dict[str, str] = {}

    async def __call__(
        self, request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        self._host = request.url.raw_host or ""
        self._refused.clear()
        self._keep_own_headers(request)
        try:
            return await handler(request)
        except (aiohttp.InvalidUrlClientError, UnicodeError):  # the second: a label that is empty or too long
            raise EgressRefused(f"{self._host} is no host name, and no address in full") from None
        except aiohttp.ClientConnectorError:
            if not self._refused:
                raise
            told = f"{self._found()}; HORARIUM_HTTP_ALLOW can open a host or a network"
            raise EgressRefused(told) from None

    def _found(self) -> str:
        """Where the host is and why that may not be reached; an address is not said twice."""
        if self._refused.keys() == {self._host}:
            return f"{self._host} is {self._refused[self._host]}"
        return f"{self._host} is at " + " and ".join(f"{each}, which is {kind}" for each, kind in self._refused.items())

    def _keep_own_headers(self, request: aiohttp.ClientRequest) -> None:
        """Once a hop has led to another origin they stay out, even where a later one leads back."""
        self._origin = self._origin or request.url.origin()
        self._strayed = self._strayed or request.url.origin() != self._origin
        if self._strayed:
            for name in {name for name in request.headers if name.lower() in self._own}:
                del request.headers[name]
            request.headers.setdefault("Host", request.url.host_port_subcomponent or "")  # where a config gave one

    def socket(self, info: tuple[Any, Any, int, str, Any]) -> socket.socket:
        family, kind, protocol, *_ = info
        return _GuardedSocket(self._permit, family, kind, protocol)

    def _permit(self, peer: Any) -> None:
        """Raise PermissionError unless the address of this socket address may be reached."""
        shown, port = peer[0], peer[1]
        address = literal(shown)
        kind = "no address" if address is None else self._kind(address, port)
        if kind is not None:
            self._refused[shown] = kind
            raise PermissionError(errno.EACCES, f"{shown} is {kind}")

    def _kind(self, address: Address, port: int) -> str | None:
        opened = any(opening.lets(self._host, address, port) for opening in self._openings)
        return None if opened else forbidden_as(address)


class _GuardedSocket(socket.socket):
    """Asks before it connects."""

    __slots__ = ("_permit",)

    def __init__(self, permit: Callable[[Any], None], family: int, kind: int, protocol: int) -> None:
        super().__init__(family, kind, protocol)
        self._permit = permit

    def connect(self, address: Any) -> None:
        self._permit(address)
        super().connect(address)

    def connect_ex(self, address: Any) -> int:
        self._permit(address)
        return super().connect_ex(address)
