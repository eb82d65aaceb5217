"""The API's own description, OpenAPI 3.1, drawn from the table of routes and the models it names.

A call is described by what serves it: its summary by the route, its description by the handler's docstring, its name
(which becomes a method of a generated client) by the handler's name. Nothing is written here that a route could say,
so the document cannot lag behind the API. `answers.py` tells what can come back, `schemas.py` what it looks like.
"""

from __future__ import annotations

import inspect
import re
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import orjson

from horarium.http.answers import HEADERS, RESPONSES, responses
from horarium.http.routing import HeaderField, Reply, Route
from horarium.http.schemas import Schemas, as_parameter
from horarium.model.problems import Problem
from horarium.packing import Packed

if TYPE_CHECKING:
    from horarium.http.routing import Call

__all__ = ["describe", "openapi_route", "plain_path"]

ABOUT = """Supervised scheduled work: every due tick ends as exactly one row that says what became of it.

Send an access token (`POST /api/v1/auth/login`) or an API key as `Authorization: Bearer ...`. Whatever is refused is
answered by one shape, `application/problem+json`, whose `code` is for programs and whose `errors` name the fields at
fault. Every answer carries `X-Request-Id`. A path that takes another method answers 405 with `Allow`; what
GET reads, HEAD asks for, but for the stream of events. Times are RFC 3339 with an offset, durations seconds. Lists are
pages: `next_cursor` of one is the `cursor` of the next, and null on the last."""
TAGS: dict[str, str] = {
    "auth": "Log in, renew, log out, who am I",
    "task-configs": "What runs, when, and by which rules",
    "executions": "The ledger: what became of every tick and every run",
    "schedules": "The due index, and schedules that are not saved yet",
    "task-types": "What can be run, and with which parameters",
    "overview": "The last hour and the next one, at a glance",
    "events": "What happens, as it happens",
    "notification-rules": "Who is told when executions end badly, and by which way",
    "notifications": "What was told, and whether it has arrived",
    "users": "People and their roles",
    "api-keys": "Keys for machines",
    "audit": "Who changed what",
    "system": "The process: alive, ready, its tree and its figures",
}
PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "config_id": {"type": "integer", "minimum": 1, "maximum": 10**18 - 1},
    "task_id": {"type": "string", "format": "uuid"},
    "user_id": {"type": "integer", "minimum": 1, "maximum": 10**18 - 1},
    "key_id": {"type": "integer", "minimum": 1, "maximum": 10**18 - 1},
    "rule_id": {"type": "integer", "minimum": 1, "maximum": 10**18 - 1},
    "notification_id": {"type": "string", "format": "uuid"},
    "actor_id": {"type": "string", "minLength": 1, "examples": ["dispatcher"]},
    "worker_id": {"type": "string", "minLength": 1, "examples": ["host.example:4711:c0ffee:1"]},
    "kind": {"type": "string", "enum": ["queue", "task_type"]},
    "name": {"type": "string", "minLength": 1, "maxLength": 200, "examples": ["default"]},
}
BEARER = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "An access token of a login, or an API key (`hk_...`).",
}


def openapi_route(routes: tuple[Route, ...]) -> Route:
    """The route that serves the document of `routes`, itself included."""

    async def get_openapi(_call: Call) -> Reply:
        """The whole contract, OpenAPI 3.1."""
        return Reply(document())

    @cache
    def document() -> Packed:  # once for the routes, which are many and would be hashed on every call as a key
        return Packed(orjson.dumps(describe(everything)))

    route = Route("GET", "/openapi.json", get_openapi, "This document", None, dict[str, Any])
    everything = (*routes, route)
    return route


def describe(routes: tuple[Route, ...]) -> dict[str, Any]:
    """The OpenAPI document of these routes."""
    schemas = Schemas(routes, also=(Problem,))
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(plain_path(route), {})[route.method.lower()] = _operation(route, schemas)
    used = {_tag(route) for route in routes}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Horarium", "version": version("horarium"), "description": ABOUT},
        "servers": [{"url": "/", "description": "Where this document comes from"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items() if name in used],
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "responses": RESPONSES,
            "headers": HEADERS,
            "securitySchemes": {"bearer": BEARER},
        },
    }


def plain_path(route: Route) -> str:
    """The path with the names of its parts alone, as OpenAPI has it."""
    return re.sub(r"\{(\w+):[^}]*\}\}?", r"{\1}", route.path)


def _operation(route: Route, schemas: Schemas) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "description": _description(route),
        "tags": [_tag(route)],
        "parameters": [*_path_parameters(route), *_query_parameters(route, schemas), *map(_header, route.reads)],
        "responses": responses(route, schemas),
        "security": _security(route),
    }
    if route.body is not None:
        operation["requestBody"] = {
            "required": route.body_required,
            "content": {"application/json": {"schema": schemas.of(route.body)}},
        }
    return operation


def _description(route: Route) -> str:
    text = inspect.cleandoc(route.handler.__doc__ or route.summary)
    dry = f" For a dry run: {route.dry_role} or above." if route.dry_role else ""
    return f"{text}\n\nRole: {route.role} or above.{dry}" if route.role else text


def _security(route: Route) -> list[dict[str, list[str]]]:
    if route.role:
        return [{"bearer": []}]
    return [{}, {"bearer": []}] if route.token_elsewhere else []


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)", plain_path(route))
    return [{"name": n, "in": "path", "required": True, "schema": PATH_PARAMETERS[n]} for n in names]


def _query_parameters(route: Route, schemas: Schemas) -> list[dict[str, Any]]:
    schema = schemas.query(route.query)
    required = schema.get("required", ())
    return [
        {"name": name, "in": "query", "required": name in required, **as_parameter(field)}
        for name, field in schema.get("properties", {}).items()
    ]


def _header(field: HeaderField) -> dict[str, Any]:
    schema = {"type": "string"} if field.pattern is None else {"type": "string", "pattern": field.pattern}
    return {"name": field.name, "in": "header", "required": False, "schema": schema, "description": field.description}


def _tag(route: Route) -> str:
    parts = route.path.split("/")
    return parts[3] if route.path.startswith("/api/v1/") else "system"
