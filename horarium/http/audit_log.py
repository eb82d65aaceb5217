"""The audit log: who changed what, newest first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from horarium.audit_log import AuditFilter
from horarium.http.paging import Page, PageQuery, cut, read_cursor, write_cursor
from horarium.http.routing import Reply, Route
from horarium.model import AuditEntry, Instant

if TYPE_CHECKING:
    from horarium.http.routing import Call

__all__ = ["ROUTES"]

Word = Annotated[str, Field(max_length=200)]


class AuditQuery(PageQuery):
    """Filters; `actor` is a user's or key's name, `action` as in `task_config.updated`."""

    actor: Word | None = None
    action: Word | None = None
    target_kind: Word | None = None
    target_id: Word | None = None
    since: Instant | None = None
    until: Instant | None = None


async def list_audit_log(call: Call) -> Reply:
    """A page of changes."""
    query: AuditQuery = call.query
    parts = read_cursor(query.cursor, int)
    wanted = AuditFilter(**query.model_dump(exclude={"limit", "cursor"}))
    before = parts[0] if parts else None
    found, total = await call.services.audit_log.page(wanted, before_id=before, limit=query.limit + 1)
    rows, last = cut(found, query.limit)
    cursor = None if last is None else write_cursor(last["id"])
    return Reply(Page[AuditEntry](items=[AuditEntry(**row) for row in rows], next_cursor=cursor, total=total))


ROUTES = (
    Route("GET", "/api/v1/audit", list_audit_log, "Who changed what", "admin", Page[AuditEntry], query=AuditQuery),
)
