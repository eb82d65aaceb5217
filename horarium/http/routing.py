"""A route is data: method, path, role, what comes in, what goes out. The API and its OpenAPI document are one table.

Before a handler runs, its request has been authenticated, its role checked, and its query and body read into the
models that the route names; a fault in either is a 4xx that names the field. So a handler reads its input from a
`Call`, calls one function, and returns a model.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

from aiohttp import web
from pydantic import BaseModel, ConfigDict, TypeAdapter

from horarium.audit_log import Author
from horarium.errors import FieldError, Forbidden, InvalidInput, NotFound
from horarium.http.headers import request_id
from horarium.http.origin import client_address
from horarium.http.own_page import check_own_page
from horarium.http.packing import fitting
from horarium.http.reading import BODY_LIMIT_BYTES, BODY_SECONDS, OPEN_BODY_LIMIT_BYTES, read_body, read_query
from horarium.http.requests import CALLER
from horarium.http.services import SERVICES, Services
from horarium.packing import Packed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from horarium.identity.callers import Caller
    from horarium.identity.users import CachedUser

__all__ = [
    "IDEMPOTENCY_KEY", "IF_MATCH", "LAST_EVENT_ID", "Call", "Empty", "HeaderField", "NoQuery", "Reply", "Role", "Route",
    "add_routes",
]  # fmt: skip

Role = Literal["viewer", "operator", "admin"]
RANK: dict[str, int] = {"viewer": 0, "operator": 1, "admin": 2}


@dataclass(frozen=True, slots=True)
class HeaderField:
    """A field of the head that a call reads, and the pattern (ECMA-262) of what it takes; None for anything."""

    name: str
    pattern: str | None
    description: str


IF_MATCH = HeaderField(
    "If-Match",
    r'^(\*|(W/)?"[0-9]{1,18}"|[0-9]{1,18})$',
    "The version that the caller has seen, as its ETag or as a number; where the config has another one: 409",
)
CONFLICT = "A state, a version or a name stands against it; code says which"
IDEMPOTENCY_KEY = HeaderField(
    "Idempotency-Key", r"^[!-~]([ -~]{0,253}[!-~])?$", "The same key again answers the same execution and makes none"
)
LAST_EVENT_ID = HeaderField(
    "Last-Event-ID", None, "The id of the last event seen: the stream goes on after it, or says `reset`"
)


class NoQuery(BaseModel):
    """A call that takes no query parameters."""

    model_config = ConfigDict(extra="forbid")


class Empty(BaseModel):
    """A call whose body, if there is one, is an empty object."""

    model_config = ConfigDict(extra="forbid")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler returns: a model (or its JSON, ready made), and a status where it is not the route's own."""

    content: Any = None
    headers: Mapping[str, str] | None = None
    status: int | None = None
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Call:
    """One request, read and checked. `query` and `body` are instances of the route's models."""

    request: web.Request
    services: Services
    caller: Caller | None
    query: Any
    body: Any

    @property
    def user(self) -> CachedUser:
        """The person who calls; raises Forbidden where it is a machine."""
        user = self._known_caller.user
        if user is None:
            raise Forbidden("this call is for people; an API key has no session and no password")
        return user

    @property
    def author(self) -> Author:
        """Whoever changes something by this call, as the audit log names them."""
        caller, request = self._known_caller, self.request
        address = client_address(request, self.services.trusted_proxies)
        return Author(caller.kind, caller.id, caller.name, caller.role == "admin", address, request_id(request))

    @property
    def _known_caller(self) -> Caller:
        assert self.caller is not None, "the route names a role"  # noqa: S101 - a fault of the table of routes
        return self.caller

    @property
    def config_id(self) -> int:
        """The id of the config in the path."""
        return int(self.request.match_info["config_id"])

    @property
    def task_id(self) -> UUID:
        """The id of the execution in the path."""
        text = self.request.match_info["task_id"]
        try:
            return UUID(text)
        except ValueError:
            raise NotFound("execution", "of that id") from None

    @property
    def if_match(self) -> int | None:
        """The version in `If-Match`; None when any will do."""
        given = self._field(IF_MATCH, "must be a config's version, such as 3")
        return None if given in (None, "*") else int(given.removeprefix("W/").strip('"'))

    @property
    def idempotency_key(self) -> str | None:
        """The key by which the caller knows this request again; None without one."""
        return self._field(IDEMPOTENCY_KEY, "must have 1 to 255 printable ASCII characters")

    def _field(self, field: HeaderField, rule: str) -> str | None:
        """A field of the head, as the document says that it is; a fault says the rule."""
        given = self.request.headers.get(field.name)
        if given is not None and field.pattern is not None and re.fullmatch(field.pattern, given) is None:
            raise InvalidInput(FieldError((field.name,), rule))
        return given


@dataclass(frozen=True, slots=True)
class Route:
    """One call of the API. `role` None: open to everybody. `answer` None: 204. A handler may answer a stream.

    A body has `body_limit` bytes at most, and arrives within `body_seconds`. What follows is for the document: which
    fields of the head a call `reads` and its answer `gives`; what may stand against a change (409), None where nothing
    can; other `problems`; and whether a call without a role takes a token from elsewhere than this machine. `own_page`:
    it answers the pages that are served here alone, which is asked before anything is read. `dry_role` is what suffices
    where the body asks for a `dry_run`.
    """

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    handler: Callable[[Call], Awaitable[Reply | web.StreamResponse]]
    summary: str
    role: Role | None
    answer: Any = None
    status: int = 200
    query: type[BaseModel] = NoQuery
    body: type[BaseModel] | None = None
    body_required: bool = True
    body_limit: int = BODY_LIMIT_BYTES
    body_seconds: float = BODY_SECONDS
    reads: tuple[HeaderField, ...] = ()
    gives: tuple[str, ...] = ()
    conflict: str | None = CONFLICT
    problems: tuple[int, ...] = ()
    media_type: str = "application/json"
    token_elsewhere: bool = False
    own_page: bool = False
    dry_role: Role | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Check, read, handle, answer."""
        services = request.app[SERVICES]
        if self.own_page:
            check_own_page(request)
        caller = await self._authenticated(request, services)
        call = Call(request, services, caller, read_query(request, self.query), await self._body(request))
        if caller is not None and self.dry_role is not None and not call.body.dry_run:
            _check_role(caller, self.role)
        reply = await self.handler(call)
        if isinstance(reply, web.StreamResponse):
            return reply
        if self.answer is None:
            return web.Response(status=204, headers=reply.headers)
        made = isinstance(reply.content, bytes | Packed)
        body, packing = fitting(request, reply.content if made else _adapter(self.answer).dump_json(reply.content))
        status = reply.status or self.status
        return web.Response(
            body=body, status=status, headers={"Content-Type": reply.content_type, **packing, **(reply.headers or {})}
        )

    async def _authenticated(self, request: web.Request, services: Services) -> Caller | None:
        if self.role is None:
            return None
        caller = await services.authenticator.authenticate(request.headers.get("Authorization"))
        request[CALLER] = f"{caller.kind}:{caller.id}"
        _check_role(caller, self.dry_role or self.role)
        return caller

    async def _body(self, request: web.Request) -> BaseModel | None:
        if self.body is None:
            return None
        limit = OPEN_BODY_LIMIT_BYTES if self.role is None else self.body_limit
        return await read_body(request, self.body, required=self.body_required, limit=limit, seconds=self.body_seconds)


def _check_role(caller: Caller, role: Role | None) -> None:
    if role is not None and RANK[caller.role] < RANK[role]:
        raise Forbidden(f"this call needs the role {role}, yours is {caller.role}")


@cache
def _adapter(answer: Any) -> TypeAdapter[Any]:
    return TypeAdapter(answer)


def add_routes(app: web.Application, routes: tuple[Route, ...]) -> None:
    """Put routes into an application; what can be read by GET is answered to HEAD, but for streams, which never end."""
    for route in routes:
        app.router.add_route(route.method, route.path, route.handle)
        if route.method == "GET" and route.media_type != "text/event-stream":
            app.router.add_route("HEAD", route.path, route.handle)
