"""Typed access to what attempts say of themselves; each statement's meaning stands in queries/execution_reports.sql."""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from horarium.outcome import Attempt
    from horarium.sql.queries import Connection
    from horarium.tasks.report import Snapshot

__all__ = ["write_reports"]


async def write_reports(connection: Connection, reports: Sequence[tuple[Attempt, Snapshot]]) -> None:
    """Store what these attempts have said until now, each of them once."""
    await QUERIES.execution_report_write.rows(
        connection,
        ids=[attempt.execution_id for attempt, _ in reports],
        attempts=[attempt.attempt for attempt, _ in reports],
        versions=[said.marks.changes for _, said in reports],
        progresses=[said.progress for _, said in reports],
        messages=[said.message for _, said in reports],
        lines=[said.lines for _, said in reports],
        dropped=[said.dropped for _, said in reports],
    )
