"""What is carried along of the trace in which we are: the W3C headers (`traceparent`, `tracestate`) of our span here.

A request sets it, and what it makes writes it down with its rows; a run sets it, and hands it to whom it asks for
something. None wherever nothing is traced. Who sets it knows OpenTelemetry; who reads it need not.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING

from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from horarium.sql.queries import Connection

__all__ = ["carried", "note_trace"]

carried: ContextVar[dict[str, str] | None] = ContextVar("carried", default=None)


async def note_trace(connection: Connection, execution_ids: Sequence[UUID], *, apart: bool = False) -> None:
    """Write down in which trace these executions were asked for, in the transaction that makes them.

    `apart`: they are many, and each has a trace of its own that names this one.
    """
    trace = carried.get()
    if trace and execution_ids:
        context = {"link" if apart else "parent": trace}
        await QUERIES.execution_note_trace.rows(connection, ids=list(execution_ids), trace_context=context)
