"""The aiohttp application: every resource's routes, what surrounds all of them, the shared services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from horarium.http import (
    api_keys,
    apply,
    audit,
    audit_log,
    auth,
    browser,
    events,
    executions,
    figures,
    limits,
    metrics,
    next_runs,
    notifications,
    overview,
    queues,
    schedules,
    supervision,
    system,
    task_configs,
    task_types,
    users,
    workers,
)
from horarium.http.cors import cors
from horarium.http.headers import complete_before_sending
from horarium.http.openapi import openapi_route
from horarium.http.pages import add_pages
from horarium.http.problems import problems
from horarium.http.requests import requests
from horarium.http.routing import add_routes
from horarium.http.services import SERVICES
from horarium.http.site import add_site
from horarium.http.streams import STREAMS, Streams
from horarium.http.traced import traced

if TYPE_CHECKING:
    from collections.abc import Collection

    from horarium.http.routing import Route
    from horarium.http.services import Services
    from horarium.tracing.spans import Tracing

__all__ = ["ROUTES", "make_app"]

_RESOURCES: tuple[Route, ...] = (
    *system.ROUTES,
    *metrics.ROUTES,
    *audit.ROUTES,
    *supervision.ROUTES,
    *workers.ROUTES,
    *queues.ROUTES,
    *limits.ROUTES,
    *notifications.ROUTES,
    *auth.ROUTES,
    *browser.ROUTES,
    *users.ROUTES,
    *api_keys.ROUTES,
    *audit_log.ROUTES,
    *task_types.ROUTES,
    *task_configs.ROUTES,
    *apply.ROUTES,
    *next_runs.ROUTES,
    *figures.ROUTES,
    *executions.ROUTES,
    *overview.ROUTES,
    *events.ROUTES,
    *schedules.ROUTES,
)
ROUTES = (*_RESOURCES, openapi_route(_RESOURCES))


def make_app(services: Services, cors_origins: Collection[str] = (), tracing: Tracing | None = None) -> web.Application:
    """The application over these services; pages of these origins may call it from a browser."""
    preflight, mark = cors(cors_origins)
    outermost = () if tracing is None else (traced(tracing),)
    app = web.Application(middlewares=[*outermost, requests, *((preflight,) if cors_origins else ()), problems])
    app[SERVICES] = services
    app[STREAMS] = Streams()
    app[system.READINESS] = system.readiness(services)
    app.on_shutdown.append(app[STREAMS].end_all)
    app.on_response_prepare.append(complete_before_sending)
    if cors_origins:
        app.on_response_prepare.append(mark)
    add_routes(app, ROUTES)
    add_pages(app)
    add_site(app)
    return app
