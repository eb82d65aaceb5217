"""The aiohttp application: every resource's routes, the problems middleware, the shared services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

from horarium.http import (
    api_keys,
    audit,
    audit_log,
    auth,
    executions,
    metrics,
    next_runs,
    schedules,
    supervision,
    system,
    task_configs,
    task_types,
    users,
)
from horarium.http.openapi import openapi_route
from horarium.http.problems import problems
from horarium.http.routing import add_routes
from horarium.http.services import SERVICES

if TYPE_CHECKING:
    from horarium.http.routing import Route
    from horarium.http.services import Services

__all__ = ["ROUTES", "make_app"]

BODY_LIMIT_BYTES = 1024 * 1024

_RESOURCES: tuple[Route, ...] = (
    *system.ROUTES,
    *metrics.ROUTES,
    *audit.ROUTES,
    *supervision.ROUTES,
    *auth.ROUTES,
    *users.ROUTES,
    *api_keys.ROUTES,
    *audit_log.ROUTES,
    *task_types.ROUTES,
    *task_configs.ROUTES,
    *next_runs.ROUTES,
    *executions.ROUTES,
    *schedules.ROUTES,
)
ROUTES = (*_RESOURCES, openapi_route(_RESOURCES))


def make_app(services: Services) -> web.Application:
    """The application over these services."""
    app = web.Application(middlewares=[problems], client_max_size=BODY_LIMIT_BYTES)
    app[SERVICES] = services
    add_routes(app, ROUTES)
    return app
