"""Typed access to task configs; the meaning of each statement stands beside it in queries/task_configs.sql."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from datetime import datetime

    import asyncpg

    from horarium.sql.queries import Connection

__all__ = ["EDITABLE", "ConfigFilter", "ConfigPage", "count", "page"]

EDITABLE = (
    "name", "description", "task_type", "parameters", "scheduler_type", "schedule_config", "queue", "priority",
    "timeout_seconds", "max_retries", "retry_backoff_seconds", "overlap", "catchup", "catchup_window_seconds",
    "max_catchup_runs", "jitter_seconds", "start_at", "end_at", "tags",
)  # fmt: skip
"""The columns that an edit may change."""


@dataclass(frozen=True, slots=True)
class ConfigFilter:
    """What a list of configs is narrowed to; None leaves a filter out."""

    status: str | None = None
    scheduler_type: str | None = None
    task_type: str | None = None
    tag: str | None = None
    q: str | None = None

    def values(self) -> dict[str, Any]:
        """As the statements take them."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class ConfigPage:
    """Which page of the list: the order, the last row of the page before, and how many rows."""

    sort: str
    limit: int
    after_id: int | None = None
    after_name: str | None = None
    after_created_at: datetime | None = None


async def page(connection: Connection, wanted: ConfigFilter, at: ConfigPage) -> list[asyncpg.Record]:
    """A page of configs, each with its `last_execution`."""
    return await QUERIES.task_config_list.rows(
        connection,
        **wanted.values(),
        sort=at.sort,
        after_name=at.after_name,
        after_created_at=at.after_created_at,
        after_id=at.after_id,
        max_rows=at.limit,
    )


async def count(connection: Connection, wanted: ConfigFilter) -> int:
    """How many configs the filter matches."""
    return int(await QUERIES.task_config_count.value(connection, **wanted.values()))
