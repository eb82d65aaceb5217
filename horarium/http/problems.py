"""Everything that goes wrong leaves as one shape: `application/problem+json` (RFC 9457).

One middleware maps errors to problems, so no handler catches a domain error. What is not expected is logged with its
traceback and answered as a 500 that tells nothing but the request's id.
"""

from __future__ import annotations

import math
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
import structlog
from aiohttp import web

from horarium.errors import (
    Conflict,
    FieldError,
    Forbidden,
    HorariumError,
    InvalidInput,
    NotFound,
    Stalled,
    TooManyRequests,
    Unauthorized,
    Unavailable,
)
from horarium.supervisor import MailboxError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

__all__ = [
    "BUSY_SECONDS",
    "Malformed",
    "TooLarge",
    "TooSlow",
    "UnsupportedMediaType",
    "http_problem",
    "problem",
    "problem_body",
    "problems",
    "unexpected",
]

log = structlog.get_logger(__name__)

BUSY_SECONDS = 1


class Malformed(HorariumError):
    """The request cannot be read at all."""


class UnsupportedMediaType(HorariumError):
    """The body is not JSON."""


class TooLarge(HorariumError):
    """The body is over `limit` bytes."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"the body is larger than {limit} bytes")


class TooSlow(HorariumError):
    """The body was not there within `seconds`."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"the body was not sent within {seconds:g} s")


REFUSALS: dict[type[Exception], tuple[int, str]] = {
    Malformed: (400, "malformed"),
    Unauthorized: (401, "unauthorized"),
    Forbidden: (403, "forbidden"),
    NotFound: (404, "not_found"),
    TooSlow: (408, "too_slow"),
    TooLarge: (413, "too_large"),
    UnsupportedMediaType: (415, "unsupported_media_type"),
}
"""Errors whose message is all there is to say."""


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Turn every error into a problem document."""
    try:
        return await handler(request)
    except Exception as error:  # noqa: BLE001 - not swallowed: answered, and logged where it is no refusal
        return _answer(error, request)


def _answer(error: Exception, request: web.Request) -> web.Response:
    for kind, (status, code) in REFUSALS.items():
        if isinstance(error, kind):
            return problem(status, code, str(error))
    return _answer_with_more(error, request)


def _answer_with_more(error: Exception, request: web.Request) -> web.Response:
    """The errors whose answer holds more than their message."""
    match error:
        case InvalidInput():
            return problem(422, "invalid_input", "a field breaks a rule", errors=error.errors)
        case Conflict():
            return problem(409, error.code, str(error))
        case TooManyRequests() | Unavailable():
            return _later(error, error.retry_after)
        case MailboxError() | Stalled():
            return _later(error, BUSY_SECONDS)
        case web.HTTPException():
            return http_problem(error)
    return unexpected(request, error)


def unexpected(request: web.BaseRequest, error: BaseException | None) -> web.Response:
    """The answer to an error of ours. The log has it, and no path, which may hold a secret; see `requests.py`."""
    log.error("request.failed", method=request.method, exc_info=error)
    return problem(500, "internal", "an unexpected error; the log has it under this X-Request-Id")


def _later(error: Exception, retry_after: float) -> web.Response:
    status, code = (429, "too_many_requests") if isinstance(error, TooManyRequests) else (503, "unavailable")
    return problem(status, code, str(error), headers={"Retry-After": str(math.ceil(retry_after))})


def http_problem(error: web.HTTPException) -> web.Response:
    """What aiohttp itself refuses: no such path, a method the path does not take, an `Expect` that nobody meets."""
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    title = HTTPStatus(error.status).phrase
    return problem(error.status, title.lower().replace(" ", "_"), title, headers=headers)


def problem(
    status: int,
    code: str,
    detail: str,
    *,
    errors: Sequence[FieldError] = (),
    headers: dict[str, str] | None = None,
) -> web.Response:
    """A problem document as a response."""
    if status == 401:
        headers = {"WWW-Authenticate": "Bearer"}
    body = problem_body(status, code, detail, errors)
    response = web.Response(body=body, status=status, headers=headers, content_type="application/problem+json")
    if status == 408:
        response.force_close()
    return response


def problem_body(status: int, code: str, detail: str, errors: Sequence[FieldError] = ()) -> bytes:
    """A problem document."""
    content: dict[str, Any] = {
        "type": f"urn:horarium:problem:{code}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        "code": code,
    }
    if errors:
        content["errors"] = [{"loc": list(e.loc), "msg": e.msg} for e in errors]
    return orjson.dumps(content)
