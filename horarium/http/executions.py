"""Executions: the ledger, a page at a time, newest first; and what can be done to one of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from horarium.errors import FieldError, InvalidInput
from horarium.http.paging import LARGEST, ConfigIds, Page, PageQuery, read_cursor, write_cursor
from horarium.http.routing import IDEMPOTENCY_KEY, Empty, Reply, Route
from horarium.model import (
    ConfigOutcomes,
    Execution,
    ExecutionDetail,
    ExecutionLog,
    ExecutionStatus,
    Instant,
    RelatedExecution,
    Trigger,
)
from horarium.views import ExecutionFilter

if TYPE_CHECKING:
    from horarium.http.routing import Call
    from horarium.views import ExecutionPage

__all__ = ["ROUTES", "ExecutionQuery", "list_page"]

BASE = "/api/v1/executions"
LARGEST_ID = 2**63 - 1
MOST_RELATED = 50
MAX_ATTEMPT = 2**15 - 1
"""What a smallint holds."""


class ExecutionQuery(PageQuery):
    """Filters over one config's executions; `since` and `until` are about the tick, or when there is none the row."""

    status: ExecutionStatus | None = None
    trigger: Trigger | None = None
    since: Instant | None = None
    until: Instant | None = None
    worker: str | None = None


class ExecutionsQuery(ExecutionQuery):
    """The same over all configs, or one."""

    config_id: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None


class LogQuery(BaseModel):
    """Whose lines, and from which on: behind the line numbered `after`. Without an attempt, the newest that spoke."""

    model_config = ConfigDict(extra="forbid")

    attempt: Annotated[int, Field(ge=1, le=MAX_ATTEMPT)] | None = None
    after: Annotated[int, Field(ge=0, le=LARGEST)] = 0


class OutcomesQuery(BaseModel):
    """Of which configs, their ids separated by commas, and how many of each."""

    model_config = ConfigDict(extra="forbid")

    config_ids: ConfigIds
    each: Annotated[int, Field(ge=1, le=50)] = 20

    @property
    def ids(self) -> list[int]:
        """The same as numbers."""
        return [int(each) for each in self.config_ids.split(",")]


async def list_executions(call: Call) -> Reply:
    """A page of executions."""
    return await list_page(call, config_id=call.query.config_id)


async def list_page(call: Call, *, config_id: int | None) -> Reply:
    """The page that an ExecutionQuery asks for."""
    query: ExecutionQuery = call.query
    wanted = ExecutionFilter(query.status, config_id, query.trigger, query.since, query.until, query.worker)
    return _page(await call.services.views.executions(wanted, before=_before(query), limit=query.limit))


async def list_active(call: Call) -> Reply:
    """A page of what is in flight."""
    query: PageQuery = call.query
    return _page(await call.services.views.active(before=_before(query), limit=query.limit))


async def list_outcomes(call: Call) -> Reply:
    """The newest executions of up to 200 configs, newest first, in short; a config without any has no item."""
    query: OutcomesQuery = call.query
    outcomes = await call.services.views.outcomes(query.ids, query.each)
    return Reply(Page[ConfigOutcomes](items=outcomes, next_cursor=None, total=len(outcomes)))


async def get_execution(call: Call) -> Reply:
    """One execution."""
    return Reply(await call.services.views.execution(call.task_id))


async def list_related(call: Call) -> Reply:
    """The 50 newest executions that repeat this one, or are about the same tick."""
    related = await call.services.views.related(call.task_id, limit=MOST_RELATED)
    return Reply(Page[RelatedExecution](items=related, next_cursor=None, total=len(related)))


async def get_execution_log(call: Call) -> Reply:
    """What an attempt has logged."""
    query: LogQuery = call.query
    return Reply(await call.services.views.log(call.task_id, query.attempt, query.after))


async def cancel_execution(call: Call) -> Reply:
    """Cancel what is not final; what runs is stopped by its worker, and shown as running until it is."""
    row = await call.services.executions.cancel(call.task_id, by=call.author)
    return Reply(Execution.of(row, row["said"]))


async def retry_execution(call: Call) -> Reply:
    """Do what has not succeeded once more, as a new execution."""
    executions = call.services.executions
    row = await executions.retry(call.task_id, idempotency_key=call.idempotency_key, by=call.author)
    return Reply(Execution.of(row), {"Location": f"{BASE}/{row['id']}"})


def _before(query: PageQuery) -> UUID | None:
    parts = read_cursor(query.cursor, str)
    if parts is None:
        return None
    try:
        return UUID(parts[0])
    except ValueError:
        raise InvalidInput(FieldError(("cursor",), "is not the next_cursor of this list")) from None


def _page(page: ExecutionPage) -> Reply:
    cursor = None if page.before is None else write_cursor(str(page.before))
    return Reply(Page[Execution](items=page.items, next_cursor=cursor, total=page.total))


ROUTES = (
    Route("GET", BASE, list_executions, "A page of executions", "viewer", Page[Execution], query=ExecutionsQuery),
    Route("GET", f"{BASE}/active", list_active, "What is in flight", "viewer", Page[Execution], query=PageQuery),
    Route(
        "GET", f"{BASE}/outcomes", list_outcomes, "The newest executions of many configs, in short", "viewer",
        Page[ConfigOutcomes], query=OutcomesQuery,
    ),
    Route("GET", f"{BASE}/{{task_id}}", get_execution, "One execution", "viewer", ExecutionDetail),
    Route(
        "GET", f"{BASE}/{{task_id}}/related", list_related, "Those that repeat it, or are about the same tick",
        "viewer", Page[RelatedExecution],
    ),
    Route(
        "GET", f"{BASE}/{{task_id}}/logs", get_execution_log, "What an attempt of it has logged",
        "viewer", ExecutionLog, query=LogQuery,
    ),
    Route(
        "POST", f"{BASE}/{{task_id}}/cancel", cancel_execution, "Stop it, or keep it from starting",
        "operator", Execution, body=Empty, body_required=False, conflict="The execution is over",
    ),
    Route(
        "POST", f"{BASE}/{{task_id}}/retry", retry_execution, "Do it once more, as a new execution",
        "operator", Execution, status=202, body=Empty, body_required=False,
        reads=(IDEMPOTENCY_KEY,), gives=("Location",),
    ),
)  # fmt: skip
