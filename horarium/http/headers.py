"""The header fields that every answer carries, whoever gives it, and answers that no application is needed for.

What is served is JSON that belongs to whoever asked: no browser may guess another type, frame it, run anything in it,
or keep it. A handler that serves something else, a page or a file, says so in its own headers, and those win. There is
no Strict-Transport-Security: Horarium speaks plain HTTP, and only what ends TLS before it can promise TLS.

A caller may name its request by `X-Request-Id`, to find it in its own logs and in ours; a name that is long or odd is
replaced, as it would go into every line of the log.
"""

from __future__ import annotations

import re
from http import HTTPStatus
from typing import TYPE_CHECKING

from aiohttp import web
from uuid_utils import uuid4

from horarium.http.problems import problem_body

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["EVERYWHERE", "REQUEST_ID", "complete", "complete_before_sending", "raw_problem", "request_id"]

REQUEST_ID = "X-Request-Id"
SERVER = "horarium"
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")

EVERYWHERE: dict[str, str] = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""X-Frame-Options says again what the policy says, to browsers and scanners that read only the old field."""

_KEY = web.RequestKey("request_id", str)


def request_id(request: web.BaseRequest) -> str:
    """The request's name: its caller's, if that is sane, or ours. The same one however often it is asked for."""
    known = request.get(_KEY)
    if known is None:
        given = request.headers.get(REQUEST_ID, "")
        known = request[_KEY] = given if SANE_ID.fullmatch(given) else uuid4().hex
    return known


def complete(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Add what the response lacks."""
    headers = response.headers
    for name, value in EVERYWHERE.items():
        headers.setdefault(name, value)
    headers["Server"] = SERVER  # aiohttp has put its own there, and Python's, with their versions
    headers[REQUEST_ID] = request_id(request)


async def complete_before_sending(request: web.Request, response: web.StreamResponse) -> None:
    """The same, as aiohttp's signal: of every response, a stream's as well, right before its head goes out."""
    complete(request, response)


def raw_problem(status: int, code: str, detail: str, more: Mapping[str, str], *, with_body: bool = True) -> bytes:
    """A whole answer, after which the connection ends: for whoever answers without aiohttp."""
    body = problem_body(status, code, detail)
    fields = {
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(body)),
        **EVERYWHERE,
        "Server": SERVER,
        REQUEST_ID: uuid4().hex,
        "Connection": "close",
        **more,
    }
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n" + "".join(f"{k}: {v}\r\n" for k, v in fields.items())
    return head.encode() + b"\r\n" + (body if with_body else b"")
