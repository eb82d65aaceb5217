"""The API's own description, OpenAPI 3.1, drawn from the table of routes and the models it names."""

from __future__ import annotations

import re
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import orjson
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from horarium.http.problems import Problem
from horarium.http.routing import Reply, Route

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from horarium.http.routing import Call

__all__ = ["describe", "openapi_route"]

REF = "#/components/schemas/{model}"
PATH_PARAMETERS: dict[str, dict[str, Any]] = {
    "config_id": {"type": "integer", "minimum": 1},
    "task_id": {"type": "string", "format": "uuid"},
    "user_id": {"type": "integer", "minimum": 1},
    "key_id": {"type": "integer", "minimum": 1},
    "actor_id": {"type": "string", "minLength": 1},
}
HEADERS: dict[tuple[str, str], str] = {
    ("PATCH", "If-Match"): "The version the caller has seen; another one is a 409",
    ("DELETE", "If-Match"): "The version the caller has seen; another one is a 409",
    ("retry", "Idempotency-Key"): "The same key again answers the same execution",
    ("run", "Idempotency-Key"): "The same key again answers the same execution",
    ("/api/v1/events", "Last-Event-ID"): "The id of the last event seen; the stream goes on behind it",
}


def openapi_route(routes: tuple[Route, ...]) -> Route:
    """The route that serves the document of `routes`, itself included."""

    async def openapi(_call: Call) -> Reply:
        """The whole contract."""
        return Reply(document())

    @cache
    def document() -> bytes:  # once for the routes, which are many and would be hashed on every call as a key
        return orjson.dumps(describe(everything))

    route = Route("GET", "/openapi.json", openapi, "This document", None, dict[str, Any])
    everything = (*routes, route)
    return route


def describe(routes: tuple[Route, ...]) -> dict[str, Any]:
    """The OpenAPI document of these routes."""
    models = sorted({model for route in routes for model in _models(route)} | {Problem}, key=lambda m: m.__name__)
    inputs = {m for route in routes for m in (route.body,) if m is not None}
    named, definitions = models_json_schema(
        [(m, "validation" if m in inputs else "serialization") for m in models], ref_template=REF
    )
    schemas = {model: schema for (model, _), schema in named.items()}
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        paths.setdefault(_path(route), {})[route.method.lower()] = _operation(route, schemas)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Horarium", "version": version("horarium"), "description": "Supervised scheduled work."},
        "paths": paths,
        "components": {
            "schemas": definitions.get("$defs", {}),
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}},
        },
    }


def _models(route: Route) -> Iterator[type[BaseModel]]:
    if route.body is not None:
        yield route.body
    answer = getattr(route.answer, "__args__", (route.answer,))[0] if _is_list(route.answer) else route.answer
    if isinstance(answer, type) and issubclass(answer, BaseModel):
        yield answer


def _is_list(answer: Any) -> bool:
    return getattr(answer, "__origin__", None) is list


def _operation(route: Route, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.handler.__name__,
        "summary": route.summary,
        "tags": [_tag(route)],
        "parameters": [*_path_parameters(route), *_query_parameters(route), *_header_parameters(route)],
        "responses": _responses(route, schemas),
        "security": [{"bearer": []}] if route.role else [],
    }
    if route.role:
        operation["description"] = f"Role: {route.role} or above."
    if route.body is not None:
        operation["requestBody"] = {
            "required": route.body_required,
            "content": {"application/json": {"schema": schemas[route.body]}},
        }
    return operation


def _responses(route: Route, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": route.summary}
    if route.answer is not None:
        media_type = route.media_type or ("text/plain" if route.answer is str else "application/json")
        answer["content"] = {media_type: {"schema": _answer_schema(route.answer, schemas)}}
    problem = {"content": {"application/problem+json": {"schema": schemas[Problem]}}}
    responses: dict[str, Any] = {str(route.status if route.answer is not None else 204): answer}
    for status, description in _problems(route).items():
        responses[status] = {"description": description, **problem}
    if route.path == "/readyz":
        responses["503"] = {**answer, "description": "Something is away; blocked_by names it"}
    return responses


def _answer_schema(answer: Any, schemas: Mapping[Any, Any]) -> dict[str, Any]:
    if _is_list(answer):
        return {"type": "array", "items": schemas[answer.__args__[0]]}
    if isinstance(answer, type) and issubclass(answer, BaseModel):
        schema: dict[str, Any] = schemas[answer]
        return schema
    return {"type": "string" if answer is str else "object"}


def _problems(route: Route) -> dict[str, str]:
    problems = {"422": "A field breaks a rule; errors names it"}
    if route.role:
        problems |= {"401": "No token, or a bad one", "403": "The role does not allow it"}
    if route.body is not None:
        problems |= {"400": "The body is not JSON", "413": "The body is too large", "415": "The body is not JSON"}
        problems["408"] = "The body was not sent in time"
    if "{" in route.path:
        problems["404"] = "There is no such thing"
    if route.path.startswith("/api/v1/auth/"):
        problems["401"] = "Bad credentials or token"
    if route.path == "/api/v1/auth/login":
        problems["429"] = "Too many guesses; Retry-After says when to come back"
    if route.method in ("POST", "PATCH", "DELETE"):
        problems["409"] = "State, version or name stands against it"
    if route.path == "/livez":
        problems["503"] = "The event loop has been blocked for too long; any path answers this while it is"
    if route.path.startswith("/api/"):
        problems["503"] = "Postgres, Redis or the broker is away; Retry-After says when to come back"
    return problems


def _path(route: Route) -> str:
    return re.sub(r"\{(\w+):[^}]*\}\}?", r"{\1}", route.path)


def _path_parameters(route: Route) -> list[dict[str, Any]]:
    names = re.findall(r"\{(\w+)", _path(route))
    return [{"name": n, "in": "path", "required": True, "schema": PATH_PARAMETERS[n]} for n in names]


def _query_parameters(route: Route) -> list[dict[str, Any]]:
    schema = route.query.model_json_schema()
    return [
        {"name": name, "in": "query", "required": False, "schema": field}
        for name, field in schema.get("properties", {}).items()
    ]


def _header_parameters(route: Route) -> list[dict[str, Any]]:
    kinds = {route.method, route.path.rsplit("/", 1)[-1], route.path}
    return [
        {"name": name, "in": "header", "required": False, "schema": {"type": "string"}, "description": text}
        for (kind, name), text in HEADERS.items()
        if kind in kinds
    ]


def _tag(route: Route) -> str:
    parts = route.path.split("/")
    return parts[3] if route.path.startswith("/api/v1/") else "system"
