"""Every request has a name, which its log lines carry, and leaves one line when it is answered.

The line names the route by its template and never the path or the query, where people put tokens. What has changed
something, or was refused, is worth a line at `info`; an answered read is one at `debug`: a dashboard asks every second,
and that is not what happened to the schedules.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import structlog
from aiohttp import web

from horarium.http.headers import request_id

if TYPE_CHECKING:
    from horarium.http.problems import Handler

__all__ = ["CALLER", "requests"]

log = structlog.get_logger(__name__)
own_level = logging.getLogger(__name__)

CALLER = web.RequestKey("caller", str)
"""Where a route leaves who is calling: `user:7`, `api_key:3`."""


@web.middleware
async def requests(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Name the request, and tell of its end."""
    began = time.monotonic()
    # never unbound: aiohttp handles each request in a task, and so in a context, of its own
    structlog.contextvars.bind_contextvars(request_id=request_id(request))
    response = await handler(request)
    _tell(request, response.status, time.monotonic() - began)
    return response


def _tell(request: web.Request, status: int, seconds: float) -> None:
    is_read = request.method in ("GET", "HEAD") and status < 400
    if is_read and not own_level.isEnabledFor(logging.DEBUG):  # asked at once: structlog asks when the line is made
        return
    resource = request.match_info.route.resource
    log.log(
        logging.DEBUG if is_read else logging.INFO,
        "request.answered",
        method=request.method,
        route=None if resource is None else resource.canonical,
        http_status=status,
        duration_ms=round(seconds * 1000, 1),
        caller=request.get(CALLER),
    )
