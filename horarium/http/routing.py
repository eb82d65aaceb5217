"""A route is data: method, path, role, what comes in, what goes out. The API and its OpenAPI document are one table.

Before a handler runs, its request has been authenticated, its role checked, and its query and body read into the
models that the route names; a fault in either is a 4xx that names the field. So a handler reads its input from a
`Call`, calls one function, and returns a model.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal
from uuid import UUID

import anyio
import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from horarium.audit_log import Author
from horarium.errors import FieldError, Forbidden, InvalidInput, NotFound
from horarium.http.headers import request_id
from horarium.http.origin import client_address
from horarium.http.problems import Malformed, TooLarge, TooSlow, UnsupportedMediaType
from horarium.http.requests import CALLER
from horarium.http.services import SERVICES, Services

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from horarium.identity.callers import Caller
    from horarium.identity.users import CachedUser

__all__ = ["Call", "Empty", "NoQuery", "Reply", "Role", "Route", "add_routes"]

Role = Literal["viewer", "operator", "admin"]
LONGEST_VERSION = 18  # digits of a bigint that always fit
LONGEST_KEY = 255
BODY_LIMIT_BYTES = 1024 * 1024
OPEN_BODY_LIMIT_BYTES = 16 * 1024
"""Of calls that are open to everybody: a login or a token, and not what anybody may fill our memory with."""
BODY_SECONDS = 8.0
"""How long a body may take from its head to its end: a whole megabyte at little more than 1 Mbit/s."""
RANK: dict[str, int] = {"viewer": 0, "operator": 1, "admin": 2}


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
        header = self.request.headers.get("If-Match", "*").strip()
        if header == "*":
            return None
        number = header.removeprefix("W/").strip('"')
        if not (number.isascii() and number.isdecimal()) or len(number) > LONGEST_VERSION:
            raise InvalidInput(FieldError(("If-Match",), "must be a config's version, such as 3"))
        return int(number)

    @property
    def idempotency_key(self) -> str | None:
        """The `Idempotency-Key`, by which a request that is made again is known; None without one."""
        key = self.request.headers.get("Idempotency-Key")
        if key is not None and not (1 <= len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
            raise InvalidInput(FieldError(("Idempotency-Key",), "must have 1 to 255 printable ASCII characters"))
        return key


@dataclass(frozen=True, slots=True)
class Route:
    """One call of the API. `role` None: open to everybody. `answer` None: 204. `body_limit` in bytes.

    A handler may answer a stream.
    """

    method: Literal["GET", "POST", "PATCH", "DELETE"]
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
    media_type: str | None = None

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Check, read, handle, answer."""
        services = request.app[SERVICES]
        caller = await self._authenticated(request, services)
        call = Call(request, services, caller, self._query(request), await self._body(request))
        reply = await self.handler(call)
        if isinstance(reply, web.StreamResponse):
            return reply
        if self.answer is None:
            return web.Response(status=204, headers=reply.headers)
        made = isinstance(reply.content, bytes)
        body = reply.content if made else _adapter(self.answer).dump_json(reply.content)
        status = reply.status or self.status
        return web.Response(
            body=body, status=status, headers={"Content-Type": reply.content_type, **(reply.headers or {})}
        )

    async def _authenticated(self, request: web.Request, services: Services) -> Caller | None:
        if self.role is None:
            return None
        caller = await services.authenticator.authenticate(request.headers.get("Authorization"))
        request[CALLER] = f"{caller.kind}:{caller.id}"
        if RANK[caller.role] < RANK[self.role]:
            raise Forbidden(f"this call needs the role {self.role}, yours is {caller.role}")
        return caller

    def _query(self, request: web.Request) -> BaseModel:
        repeated = [name for name in set(request.query) if len(request.query.getall(name)) > 1]
        if repeated:
            raise InvalidInput(*(FieldError((name,), "is given more than once") for name in sorted(repeated)))
        if nul := [name for name, value in request.query.items() if "\0" in value]:
            raise InvalidInput(*(FieldError((name,), "must not hold the NUL character") for name in nul))
        return _checked(lambda: self.query.model_validate(dict(request.query)))

    async def _body(self, request: web.Request) -> BaseModel | None:
        if self.body is None:
            return None
        limit = OPEN_BODY_LIMIT_BYTES if self.role is None else self.body_limit
        raw = await _read(request, limit, self.body_seconds)
        if not raw and not self.body_required:
            return self.body()
        if request.content_type != "application/json":
            raise UnsupportedMediaType("send the body as application/json")
        try:
            content = orjson.loads(raw)
        except orjson.JSONDecodeError as error:
            raise Malformed(f"the body is not JSON: {error}") from None
        if b"\\u0000" in raw and _holds_nul(content):
            raise InvalidInput(FieldError(("body",), "text must not hold the NUL character"))
        # strictly, and so from JSON: there a date is text, which Python's own strictness would refuse
        return _checked(lambda: self.body.model_validate_json(raw, strict=True))  # type: ignore[union-attr]  # not None here


@cache
def _adapter(answer: Any) -> TypeAdapter[Any]:
    return TypeAdapter(answer)


def add_routes(app: web.Application, routes: tuple[Route, ...]) -> None:
    """Put routes into an application."""
    for route in routes:
        app.router.add_route(route.method, route.path, route.handle)


async def _read(request: web.Request, limit: int, seconds: float) -> bytes:
    """The body; one that says it is too large is refused before it is read."""
    if request.content_length is not None and request.content_length > limit:
        raise TooLarge(limit)
    body = bytearray()
    try:
        with anyio.fail_after(seconds):
            while chunk := await request.content.readany():
                body += chunk
                if len(body) > limit:
                    raise TooLarge(limit)
    except TimeoutError:
        raise TooSlow(seconds) from None
    except (web.RequestPayloadError, HttpProcessingError, ConnectionError) as error:  # the last: the client has left
        raise Malformed(
            "the body cannot be read: it is not what its Content-Encoding says, or it ends too soon"
        ) from error
    return bytes(body)


def _holds_nul(content: Any) -> bool:
    """Whether a key or a text of the content does; in a loop, as JSON can be nested deeper than Python's stack."""
    waiting = [content]
    while waiting:
        match waiting.pop():
            case str() as text if "\0" in text:
                return True
            case list() as items:
                waiting += items
            case dict() as members:
                waiting += [*members.keys(), *members.values()]
    return False


def _checked(validate: Callable[[], BaseModel]) -> BaseModel:
    try:
        return validate()
    except ValidationError as error:
        faults = error.errors(include_url=False)
        if faults[0]["type"] == "json_invalid":  # JSON, as orjson has found, but deeper than pydantic goes
            raise Malformed("the body is nested too deeply") from None
        raise InvalidInput(*map(_field_error, faults)) from None


def _field_error(fault: Any) -> FieldError:
    """A fault as the contract has it; one that a rule over several fields found names the body."""
    message = fault["msg"].removeprefix("Value error, ")
    return FieldError(tuple(fault["loc"]) or ("body",), message)
