"""API keys: for admins, who see the text of a key once, in the answer to its making."""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.http.paging import Page, PageQuery, cut, read_cursor, write_cursor
from horarium.http.routing import Reply, Route
from horarium.model import ApiKey, ApiKeyCreate, NewApiKey

if TYPE_CHECKING:
    from horarium.http.routing import Call

__all__ = ["ROUTES"]

BASE = "/api/v1/api-keys"
ONE = f"{BASE}/{{key_id:[1-9][0-9]{{0,17}}}}"


async def list_api_keys(call: Call) -> Reply:
    """A page of keys."""
    query: PageQuery = call.query
    parts = read_cursor(query.cursor, int)
    found, total = await call.services.api_keys.page(after=parts[0] if parts else 0, limit=query.limit + 1)
    rows, last = cut(found, query.limit)
    cursor = None if last is None else write_cursor(last["id"])
    return Reply(Page[ApiKey](items=[ApiKey(**row) for row in rows], next_cursor=cursor, total=total))


async def create_api_key(call: Call) -> Reply:
    """A new key."""
    row, text = await call.services.api_keys.create(call.body, by=call.author)
    return Reply(NewApiKey(**row, key=text), {"Cache-Control": "no-store"})


async def delete_api_key(call: Call) -> Reply:
    """Take a key back."""
    await call.services.api_keys.delete(int(call.request.match_info["key_id"]), by=call.author)
    return Reply()


ROUTES = (
    Route("GET", BASE, list_api_keys, "A page of API keys", "admin", Page[ApiKey], query=PageQuery),
    Route(
        "POST", BASE, create_api_key, "A new API key", "admin", NewApiKey, status=201, body=ApiKeyCreate,
        conflict="Another key has the name",
    ),
    Route("DELETE", ONE, delete_api_key, "Take an API key back", "admin", status=204, conflict=None),
)  # fmt: skip
