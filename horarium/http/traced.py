"""A span of each request to the API, where it is traced: named by its route's template, as every line of the log is.

OpenTelemetry's own instrumentation of aiohttp is not used: it describes a request by its path and query, where people
put tokens, calls a route by the name of its function, and is put in place by replacing `web.Application` for all.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from horarium.http.problems import Handler
    from horarium.tracing.spans import Tracing

    Middleware = Callable[[web.Request, Handler], Awaitable[web.StreamResponse]]

__all__ = ["traced"]

TRACED = "/api/"
"""What is below it; pages, probes and scrapes have no story."""


def traced(tracing: Tracing) -> Middleware:
    """The outermost middleware."""

    @web.middleware
    async def trace(request: web.Request, handler: Handler) -> web.StreamResponse:
        if not request.path.startswith(TRACED):
            return await handler(request)
        resource = request.match_info.route.resource
        route = None if resource is None else resource.canonical
        with tracing.request(request.headers, request.method, route, request.scheme) as span:
            response = await handler(request)
            tracing.answered(span, response.status)
            return response

    return trace
