"""Limits of queues and task types, which hold for all workers of all processes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.admission import Key
from horarium.http.paging import Page, PageQuery, cut, read_cursor, write_cursor
from horarium.http.routing import IF_MATCH, Reply, Route
from horarium.model import Limit, LimitPut

if TYPE_CHECKING:
    from horarium.http.routing import Call

__all__ = ["ROUTES"]

BASE = "/api/v1/system/limits"
ONE = f"{BASE}/{{kind:queue|task_type}}/{{name:.+}}"


async def list_limits(call: Call) -> Reply:
    """A page of limits, with what runs and what waits under each."""
    query: PageQuery = call.query
    parts = read_cursor(query.cursor, str, str)
    found, total = await call.services.limits.page(after=Key(*parts) if parts else None, limit=query.limit + 1)
    limits, last = cut(found, query.limit)
    cursor = None if last is None else write_cursor(last.kind, last.name)
    return Reply(Page[Limit](items=[*limits], next_cursor=cursor, total=total))


async def put_limit(call: Call) -> Reply:
    """Make a limit, or make it another, whole; it holds for every claim from now on."""
    limit = await call.services.limits.put(_key(call), call.body, version=call.if_match, by=call.author)
    return Reply(limit, {"ETag": f'"{limit.version}"'})


async def delete_limit(call: Call) -> Reply:
    """Take a limit away; what waits for its room may go."""
    await call.services.limits.delete(_key(call), version=call.if_match, by=call.author)
    return Reply()


def _key(call: Call) -> Key:
    part = call.request.match_info
    return Key("queue" if part["kind"] == "queue" else "task_type", part["name"])


ROUTES = (
    Route("GET", BASE, list_limits, "A page of limits", "viewer", Page[Limit], query=PageQuery),
    Route(
        "PUT", ONE, put_limit, "Set a limit", "operator", Limit, body=LimitPut, reads=(IF_MATCH,), gives=("ETag",),
        conflict="The limit has another version",
    ),
    Route(
        "DELETE", ONE, delete_limit, "Take a limit away", "operator", status=204, reads=(IF_MATCH,),
        conflict="The limit has another version",
    ),
)  # fmt: skip
