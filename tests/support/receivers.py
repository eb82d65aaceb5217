"""Receivers of notifications: a webhook's, and a mail server that speaks just enough SMTP. Both keep what they get."""

from __future__ import annotations

import asyncio
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING, Self

import orjson
from aiohttp import web
from aiohttp.test_utils import TestServer

if TYPE_CHECKING:
    from email.message import EmailMessage
    from types import TracebackType
    from typing import Any

__all__ = ["LOOPBACK", "MailServerDouble", "Received", "Receiver"]

LOOPBACK = "127.0.0.1"
OK, REFUSED = b"250 so be it\r\n", b"550 not here\r\n"


class Received:
    """A request that a webhook was sent."""

    def __init__(self, headers: dict[str, str], body: bytes) -> None:
        self.headers = headers
        self.body = body

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def said(self) -> dict[str, Any]:
        """The body."""
        return dict(orjson.loads(self.body))


class Receiver(TestServer):
    """Answers 204, or what stands in `answers` first, with `headers`; while `holds` is clear, it lets who asks wait."""

    def __init__(self) -> None:
        app = web.Application()
        app.router.add_post("/{path:.*}", self._answer)
        super().__init__(app, host=LOOPBACK)
        self.received: list[Received] = []
        self.answers: list[int] = []
        self.headers: dict[str, str] = {"Location": "/elsewhere"}
        self.holds = asyncio.Event()
        self.holds.set()
        self.came = asyncio.Event()

    @property
    def url(self) -> str:
        return str(self.make_url("/hooks/secret-path"))

    @property
    def kinds(self) -> list[str]:
        """The types of what has come, in order."""
        return [each.said["type"] for each in self.received]

    async def _answer(self, request: web.Request) -> web.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.received.append(Received(headers, await request.read()))
        self.came.set()
        await self.holds.wait()
        return web.Response(status=self.answers.pop(0) if self.answers else 204, headers=self.headers)


class MailServerDouble:
    """Takes mail for everybody but those in `refuses`."""

    def __init__(self) -> None:
        self.mails: list[EmailMessage] = []
        self.recipients: list[str] = []
        self.refuses: set[str] = set()
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._talk, LOOPBACK, 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    @property
    def port(self) -> int:
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ready\r\n")
        while line := await reader.readline():
            verb = line.split()[0].upper()
            if verb == b"DATA":
                writer.write(b"354 go on\r\n")
                raw = await reader.readuntil(b"\r\n.\r\n")
                self.mails.append(message_from_bytes(raw.removesuffix(b".\r\n"), policy=default))
            writer.write(self._answer(verb, line.decode()))
            await writer.drain()
            if verb == b"QUIT":
                break
        writer.close()

    def _answer(self, verb: bytes, line: str) -> bytes:
        if verb == b"RCPT":
            address = line.partition("<")[2].partition(">")[0]
            if address in self.refuses:
                return REFUSED
            self.recipients.append(address)
        return b"221 bye\r\n" if verb == b"QUIT" else OK
