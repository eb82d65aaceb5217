"""One call to the API: sent once, with a deadline, its answer read whole, what goes wrong turned into one line.

Nothing is sent again here: only the caller knows whether the call may be repeated. Redirects are not followed, since
the credentials would go along to wherever they point.
"""

from __future__ import annotations

import json
import os
import socket
import ssl
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import aiohttp

from horarium.client.errors import ApiAway, ApiError, refusal, stranger

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterator, Mapping

__all__ = ["CALL_SECONDS", "Transport", "open_transport"]

PREFIX = "/api/v1"

CALL_SECONDS = 15.0
"""A login hashes a password and may stand behind others for 10 seconds before the server gives up on it."""

CONNECT_SECONDS = 5.0

SILENCE_SECONDS = 40.0
"""After which a stream is taken for dead: the server gives a sign of life every 15 s."""


@dataclass(frozen=True)
class Transport:
    """The way to one API; `url` is its address without a path."""

    url: str
    session: aiohttp.ClientSession

    async def send(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        body: object = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = CALL_SECONDS,
    ) -> Any:
        """What a path under /api/v1 answers, None where it answers nothing. Raises ApiError."""
        timeout = aiohttp.ClientTimeout(total=seconds, sock_connect=CONNECT_SECONDS)
        sent = dict(headers or {}) if token is None else {**(headers or {}), "Authorization": f"Bearer {token}"}
        with _away(self.url):
            async with self.session.request(
                method,
                f"{self.url}{PREFIX}{path}",
                headers=sent,
                params=query,
                json=body,
                allow_redirects=False,
                timeout=timeout,
            ) as response:
                content = await response.read()
        if not 200 <= response.status < 300:
            raise refusal(self.url, response.status, content, response.headers.get("X-Request-Id"))
        return self._read(content) if content else None

    @asynccontextmanager
    async def stream(
        self, path: str, *, token: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> AsyncIterator[AsyncIterable[bytes]]:
        """The lines of an answer that goes on, while the block lasts. Raises ApiError, within the block as well."""
        fields = {**headers, "Authorization": f"Bearer {token}", "Accept": "text/event-stream"}
        patience = aiohttp.ClientTimeout(sock_connect=CONNECT_SECONDS, sock_read=SILENCE_SECONDS)
        with _away(self.url):
            async with self.session.get(
                f"{self.url}{PREFIX}{path}", headers=fields, params=query, allow_redirects=False, timeout=patience
            ) as response:
                if response.status != 200:
                    content = await response.read()
                    raise refusal(self.url, response.status, content, response.headers.get("X-Request-Id"))
                if response.content_type != "text/event-stream":
                    raise stranger(self.url)
                yield response.content

    def _read(self, content: bytes) -> Any:
        try:
            return json.loads(content)
        except ValueError as error:
            raise stranger(self.url) from error


@asynccontextmanager
async def open_transport(url: str) -> AsyncIterator[Transport]:
    """The way to the API at this address, until the block ends."""
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        headers={"User-Agent": f"horarium/{version('horarium')}"},
    ) as session:
        yield Transport(url, session)


@contextmanager
def _away(url: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        raise ApiAway(f"{url} does not answer in time; is it stuck, or the address wrong?") from error
    except aiohttp.ClientSSLError as error:
        raise ApiError(f"no secure connection to {url} ({_reason(error)}); is the address right?") from error
    except aiohttp.ClientConnectorError as error:
        raise ApiAway(
            f"nobody answers at {url} ({_reason(error)}); start it with `horarium up`, or name another with --url"
        ) from error
    except aiohttp.ClientError as error:
        raise ApiAway(f"the connection to {url} broke ({type(error).__name__}); try again") from error


def _reason(error: aiohttp.ClientConnectorError) -> str:
    """In the system's words, since asyncio puts its own in their place; TLS and resolvers have words of their own."""
    cause = error.__cause__
    if not isinstance(cause, OSError) or isinstance(cause, ssl.SSLError | socket.gaierror) or cause.errno is None:
        return str(cause)
    return os.strerror(cause.errno).lower()
