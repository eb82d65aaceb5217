"""What comes in: the query and the body of a request, read into the models that its route names.

Both are strict. A misspelt parameter, a number that JSON would not write so, a field that nobody knows: each is a 4xx
that names it, and never ignored, so that what the document calls wrong is refused.
"""

from __future__ import annotations

import re
from functools import cache
from itertools import islice
from typing import TYPE_CHECKING, Any, get_args

import anyio
import orjson
from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from pydantic import BaseModel, ValidationError

from horarium.errors import MOST_FAULTS, FieldError, InvalidInput, unknown_field
from horarium.http.problems import Malformed, TooLarge, TooSlow, UnsupportedMediaType
from horarium.model.fields import Patch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["BODY_LIMIT_BYTES", "BODY_SECONDS", "OPEN_BODY_LIMIT_BYTES", "read_body", "read_query"]

BODY_LIMIT_BYTES = 1024 * 1024
OPEN_BODY_LIMIT_BYTES = 16 * 1024
"""Of calls that are open to everybody: a login or a token, and not what anybody may fill our memory with."""
BODY_SECONDS = 8.0
"""How long a body may take from its head to its end: a whole megabyte at little more than 1 Mbit/s."""
WRITTEN: dict[str, tuple[re.Pattern[str], str]] = {
    "integer": (re.compile("-?(0|[1-9][0-9]*)"), "must be a whole number, such as 10"),
    "boolean": (re.compile("true|false", re.IGNORECASE), "must be true or false"),
}
"""How numbers and flags are written; pydantic would take ` 1_0.0` and `yes` as well. Python's own `True` may pass."""


def read_query(request: web.Request, model: type[BaseModel]) -> BaseModel:
    """The query."""
    query = request.query
    repeated = [name for name in set(query) if len(query.getall(name)) > 1]
    if repeated:
        raise InvalidInput(*(FieldError((name,), "is given more than once") for name in sorted(repeated)))
    if nul := [name for name, value in query.items() if "\0" in value]:
        raise InvalidInput(*(FieldError((name,), "must not hold the NUL character") for name in nul))
    if odd := [*_oddly_written(query, model)]:
        raise InvalidInput(*odd)
    return _checked(lambda: model.model_validate(dict(query)), model)


async def read_body(
    request: web.Request, model: type[BaseModel], *, required: bool, limit: int, seconds: float
) -> BaseModel | None:
    """The body, of `limit` bytes at most; a model without content where there is none and none is required."""
    raw = await _read(request, limit, seconds)
    if not raw and not required:
        return model()
    if request.content_type != "application/json":
        raise UnsupportedMediaType("send the body as application/json")
    try:
        content = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Malformed(f"the body is not JSON: {error}") from None
    if b"\\u0000" in raw and _holds_nul(content):
        raise InvalidInput(FieldError(("body",), "text must not hold the NUL character"))
    _refuse_a_flood(content, model)
    # strictly, and so from JSON: there a date is text, which Python's own strictness would refuse
    return _checked(lambda: model.model_validate_json(raw, strict=True), model)


def _oddly_written(query: Mapping[str, str], model: type[BaseModel]) -> Iterator[FieldError]:
    kinds = _kinds(model)
    for name, text in query.items():
        if name in kinds:
            pattern, rule = WRITTEN[kinds[name]]
            if pattern.fullmatch(text) is None:
                yield FieldError((name,), rule)


@cache
def _kinds(model: type[BaseModel]) -> dict[str, str]:
    """Which parameters are numbers and which are flags, as the document has it."""
    parameters: dict[str, Any] = model.model_json_schema().get("properties", {})
    return {
        name: kind["type"]
        for name, schema in parameters.items()
        for kind in (schema, *schema.get("anyOf", ()))
        if kind.get("type") in WRITTEN
    }


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


def _refuse_a_flood(content: Any, model: type[BaseModel]) -> None:
    """Refuse what has more unknown fields than are told: pydantic makes an error of each, and that for seconds."""
    unknown = [*islice(_unknown_members(content, model, ()), MOST_FAULTS + 1)]
    if len(unknown) > MOST_FAULTS:
        raise InvalidInput(*unknown[:MOST_FAULTS])


def _unknown_members(content: Any, model: type[BaseModel], loc: tuple[str | int, ...]) -> Iterator[FieldError]:
    """The members of an object that its model does not know, and those of the objects in it that have a model, too."""
    if not isinstance(content, dict):
        return
    yield from (FieldError((*loc, name), _unknown(name, model)) for name in content if name not in model.model_fields)
    for name, inner in _models_in(model).items():
        given = content.get(name)
        if isinstance(given, list):
            for place, item in enumerate(given):
                yield from _unknown_members(item, inner, (*loc, name, place))
        else:
            yield from _unknown_members(given, inner, (*loc, name))


@cache
def _models_in(model: type[BaseModel]) -> dict[str, type[BaseModel]]:
    """The fields of a model that are, or list, another one."""
    return {name: found for name, field in model.model_fields.items() if (found := _model_of(field.annotation))}


def _model_of(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for each in get_args(annotation) if (found := _model_of(each))), None)


def _checked(validate: Callable[[], BaseModel], model: type[BaseModel]) -> BaseModel:
    try:
        return validate()
    except ValidationError as error:
        faults = error.errors(include_url=False)
        if faults[0]["type"] == "json_invalid":  # JSON, as orjson has found, but deeper than pydantic goes
            raise Malformed("the body is nested too deeply") from None
        raise InvalidInput(*(_field_error(fault, model) for fault in faults[:MOST_FAULTS])) from None


def _field_error(fault: Any, model: type[BaseModel]) -> FieldError:
    """A fault as the contract has it; one that a rule over several fields found names the body."""
    loc = tuple(fault["loc"]) or ("body",)
    if fault["type"] == "extra_forbidden" and len(loc) == 1:
        return FieldError(loc, _unknown(str(loc[0]), model))
    return FieldError(loc, fault["msg"].removeprefix("Value error, "))


def _unknown(name: str, model: type[BaseModel]) -> str:
    elsewhere = model.elsewhere if issubclass(model, Patch) else {}
    return elsewhere.get(name) or unknown_field(name, model.model_fields)
