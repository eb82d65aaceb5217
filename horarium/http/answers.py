"""What a call can answer: its own answer, and every problem that can really come back, each with its header fields.

Which problems those are follows from the route: a role brings 401 and 403, a body 400 to 415, a thing in the path 404.
What only the route knows (a state that may stand against it, guesses that are counted) the route says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from horarium.http.headers import REQUEST_ID

if TYPE_CHECKING:
    from horarium.http.routing import Route
    from horarium.http.schemas import Schemas

__all__ = ["HEADERS", "RESPONSES", "responses"]


def _header(description: str, schema: dict[str, Any] | None = None) -> dict[str, Any]:
    return {"description": description, "schema": schema or {"type": "string"}}


HEADERS: dict[str, dict[str, Any]] = {
    REQUEST_ID: _header("The request's name, as the log has it: the caller's own, if that is sane"),
    "ETag": _header("The config's version, for If-Match", {"type": "string", "pattern": '^"[0-9]+"$'}),
    "Location": _header("Where what was made is to be found", {"type": "string", "format": "uri-reference"}),
    "Retry-After": _header("When to come back, seconds", {"type": "string", "pattern": "^[0-9]+$"}),
    "WWW-Authenticate": _header("How to prove who one is", {"type": "string", "const": "Bearer"}),
    "Set-Cookie": _header("The session's cookie, for the pages' own calls alone"),
    "Allow": _header("The methods that the path takes, of a 405"),
}


def _named(*names: str) -> dict[str, Any]:
    """References to these header fields, and to the one that every answer has."""
    return {name: {"$ref": f"#/components/headers/{name}"} for name in (REQUEST_ID, *names)}


def _problem(description: str, *headers: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/Problem"}
    content = {"application/problem+json": {"schema": schema}}
    return {"description": description, "headers": _named(*headers), "content": content}


RESPONSES: dict[str, dict[str, Any]] = {
    "Malformed": _problem("The request cannot be read: its head is broken, or its body is not JSON"),
    "Unauthorized": _problem("No token, or one that is not good (any more)", "WWW-Authenticate"),
    "Forbidden": _problem("The caller's role does not allow it"),
    "NotFound": _problem("There is no such thing"),
    "MethodNotAllowed": _problem("The path does not take this method; Allow names those it takes", "Allow"),
    "TooSlow": _problem("The body was not sent in time"),
    "TooLarge": _problem("The body is too large"),
    "UnsupportedMediaType": _problem("The body is not sent as application/json"),
    "InvalidInput": _problem("A field breaks a rule; errors names it"),
    "TooManyRequests": _problem("Too many guesses of a password", "Retry-After"),
    "HeadTooLarge": _problem("The head, or one line of it, is too large"),
    "Unavailable": _problem("Postgres, Redis, the broker or an actor is away, or the loop is blocked", "Retry-After"),
}
EVENT: dict[str, Any] = {
    "type": "object",
    "description": "One event of the stream, as the HTML standard has them",
    "properties": {
        "id": {"type": "string", "description": "For Last-Event-ID"},
        "event": {"type": "string", "description": "What kind of event it is"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["data"],
}
NAMES: dict[int, str] = {
    400: "Malformed",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    408: "TooSlow",
    413: "TooLarge",
    415: "UnsupportedMediaType",
    422: "InvalidInput",
    429: "TooManyRequests",
    431: "HeadTooLarge",
    503: "Unavailable",
}


def responses(route: Route, schemas: Schemas) -> dict[str, Any]:
    """Everything that a route can answer, by status."""
    refused = {str(status): {"$ref": f"#/components/responses/{NAMES[status]}"} for status in _refusals(route)}
    if route.conflict and route.method != "GET":
        refused["409"] = _problem(route.conflict)
    success = _success(route, schemas)
    if route.path == "/readyz":
        refused["503"] = success | {"description": "Something is away, blocked_by names it; or the loop is blocked"}
        problem = RESPONSES["Unavailable"]["content"]
        refused["503"]["content"] = success["content"] | problem
    return {str(route.status if route.answer is not None else 204): success, **dict(sorted(refused.items()))}


def _success(route: Route, schemas: Schemas) -> dict[str, Any]:
    success: dict[str, Any] = {"description": route.summary, "headers": _named(*route.gives)}
    if route.answer is not None:
        plain = EVENT if route.media_type == "text/event-stream" else {"type": "string"}
        schema = plain if route.answer is str else schemas.of(route.answer)
        success["content"] = {route.media_type: {"schema": schema}}
    return success


def _refusals(route: Route) -> set[int]:
    """The statuses of the problems; any head may be broken or too large, any query wrong, any loop blocked."""
    statuses = {400, 422, 431, 503} | {*route.problems}
    if route.role:
        statuses |= {401, 403}
    if route.token_elsewhere:
        statuses |= {401}
    if route.body is not None:
        statuses |= {408, 413, 415}
    if "{" in route.path:
        statuses |= {404}
    return statuses
