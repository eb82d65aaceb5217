"""Which pages of other origins may call the API from a browser: those of an exact list, and by default none.

A token travels in `Authorization`, so no page needs a cookie and credentials are never allowed. An origin that is not
in the list gets no field of CORS at all, and its browser then keeps the answer from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from horarium.http.headers import REQUEST_ID

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from horarium.http.problems import Handler

    Middleware = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]
    Signal = Callable[[web.Request, web.StreamResponse], Awaitable[None]]

__all__ = ["cors"]

PREFLIGHT_SECONDS = 600
"""How long a browser may go without asking again whether it may."""
SENT = f"Authorization, Content-Type, If-Match, Idempotency-Key, Last-Event-ID, {REQUEST_ID}"
SEEN = f"{REQUEST_ID}, Location, Retry-After, ETag"
ALLOWED = {
    "Access-Control-Allow-Methods": "GET, POST, PUT, PATCH, DELETE",
    "Access-Control-Allow-Headers": SENT,
    "Access-Control-Max-Age": str(PREFLIGHT_SECONDS),
}


def cors(origins: Collection[str]) -> tuple[Middleware, Signal]:
    """What answers a browser's question before its request, and what marks the answer to the request itself.

    The mark is set right before the head goes out, so that errors and streams carry it as well.
    """
    known = frozenset(origins)

    @web.middleware
    async def preflight(request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a preflight of a known origin; leave everything else to the handler."""
        asks = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
        if asks and request.headers.get("Origin") in known:
            return web.Response(status=204, headers=ALLOWED)
        return await handler(request)

    async def mark(request: web.Request, response: web.StreamResponse) -> None:
        """Say for whom the answer is; and that it depends on who asks, lest a cache gives it to others."""
        response.headers.add("Vary", "Origin")
        origin = request.headers.get("Origin")
        if origin in known:
            response.headers["Access-Control-Allow-Origin"] = origin
            response.headers["Access-Control-Expose-Headers"] = SEEN

    return preflight, mark
