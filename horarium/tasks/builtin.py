"""The built-in task types. They are ordinary tasks, declared as a user declares theirs."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any, Literal

import aiohttp
from pydantic import Field, HttpUrl
from taskiq import Context, TaskiqDepends

from horarium.tasks.egress import MAX_REDIRECTS, Egress, EgressRefused
from horarium.tasks.registry import task
from horarium.tracing.carried import carried

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["echo", "fail", "http_request", "sleep"]

BODY_LIMIT_BYTES = 64 * 1024
"""How much of an answer's body is kept with the execution."""


class TaskFailed(Exception):
    """A task did what it was asked to, and the outcome is a failure."""


@task("echo")
async def echo(message: str) -> dict[str, str]:
    """Answer with the message."""
    return {"message": message}


@task("sleep")
async def sleep(seconds: Annotated[float, Field(ge=0, le=86_400)]) -> dict[str, float]:
    """Take some time."""
    await asyncio.sleep(seconds)
    return {"slept_seconds": seconds}


@task("fail")
async def fail(message: str = "failed on purpose") -> None:
    """Fail with the message."""
    raise TaskFailed(message)


@task("http_request")
async def http_request(
    url: HttpUrl,
    method: Literal["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] = "GET",
    headers: dict[str, str] | None = None,
    body: str | dict[str, Any] | list[Any] | None = None,
    expect_status: Annotated[int, Field(ge=100, le=599)] | None = None,
    timeout_seconds: Annotated[float, Field(gt=0, le=3600)] = 30.0,
    context: Annotated[Context, TaskiqDepends()] = None,  # type: ignore[assignment]  # taskiq always fills it in
) -> dict[str, Any]:
    """Send an HTTP request and fail unless the answer is 2xx, or `expect_status` where that is given.

    A body that is not text is sent as JSON. The request says which execution it belongs to, so that the receiver
    can recognise a repeated attempt. It reaches public addresses, and what `HORARIUM_HTTP_ALLOW` opens.
    """
    own = headers or {}
    what = f"{method} {_place(url)}"
    sent: dict[str, Any] = {"headers": {**(carried.get() or {}), **_identity(context), **own}, **_content(body)}
    with _no_url_quoted(what):
        async with (
            _egress(context).session(timeout_seconds=timeout_seconds, own_headers=own) as session,
            session.request(method, str(url), max_redirects=MAX_REDIRECTS, **sent) as response,
        ):
            text = _text(await _beginning(response.content), response.charset)
            if not _as_expected(response.status, expect_status):
                raise TaskFailed(f"{what} answered {response.status}, expected {expect_status or '2xx'}")
            return {"status": response.status, "content_type": response.content_type, "body": text}


def _content(body: str | dict[str, Any] | list[Any] | None) -> dict[str, Any]:
    if body is None:
        return {}
    return {"data": body} if isinstance(body, str) else {"json": body}


async def _beginning(content: aiohttp.StreamReader) -> bytes:
    try:
        return await content.readexactly(BODY_LIMIT_BYTES)
    except asyncio.IncompleteReadError as shorter:
        return shorter.partial


def _text(raw: bytes, charset: str | None) -> str:
    """The body in the charset that it names; UTF-8 where it names none, or one that Python does not know."""
    try:
        return raw.decode(charset or "utf-8", "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


def _place(url: HttpUrl) -> str:
    """The URL without what may be secret in it: no user, no password, no query."""
    return f"{url.scheme}://{url.host}:{url.port}{url.path or ''}"


@contextmanager
def _no_url_quoted(what: str) -> Iterator[None]:
    """Keep the URL out of the failure: aiohttp's errors of redirects, and of answers that are no HTTP, quote it."""
    try:
        yield
    except EgressRefused as refused:
        raise TaskFailed(f"{what} refused: {refused}") from None
    except (aiohttp.ClientResponseError, aiohttp.RedirectClientError, aiohttp.InvalidURL) as error:
        raise TaskFailed(f"{what} failed: {type(error).__name__}") from None  # its cause would be printed with it


def _egress(context: Context) -> Egress:
    """The way out that this worker was given; nobody has to give one for all but public addresses to be shut."""
    return context.broker.custom_dependency_context.get(Egress) or Egress()


def _identity(context: Context) -> dict[str, str]:
    labels = context.message.labels
    return {
        "Idempotency-Key": context.message.task_id,
        "Horarium-Config": str(labels.get("config_id", "")),
        "Horarium-Tick": str(labels.get("tick_at") or ""),
        "Horarium-Attempt": str(labels.get("attempt", 1)),
    }


def _as_expected(status: int, expected: int | None) -> bool:
    return status == expected if expected is not None else 200 <= status < 300
