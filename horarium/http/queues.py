"""Queues: what waits in each, for how long, and who takes it.

A queue is there because the broker has it, because a worker listens to it, or because an execution waits for it; one
that nobody takes from is worth more attention than any other. Depths are the broker's own count. Where it does not
answer they are null, and the rest is told all the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from horarium.errors import Unavailable
from horarium.http.paging import Page
from horarium.http.routing import Reply, Route
from horarium.model.workers import QueueView
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from horarium.http.routing import Call
    from horarium.sql.queries import Row
    from horarium.worker_control import SeenWorker

__all__ = ["ROUTES", "queue_views"]


async def list_queues(call: Call) -> Reply:
    """Every queue, by name."""
    services = call.services
    async with services.database.connection() as connection:
        rows = await QUERIES.execution_queues_waiting.rows(connection)
    waiting = {row["queue"]: row for row in rows}
    views = queue_views(await _depths(call), waiting, await services.worker_control.all())
    return Reply(Page[QueueView](items=views, next_cursor=None, total=len(views)))


async def _depths(call: Call) -> Mapping[str, int]:
    try:
        return await call.services.broker.depths()
    except Unavailable:
        return {}


def queue_views(
    depths: Mapping[str, int], waiting: Mapping[str, Row | dict[str, Any]], workers: Sequence[SeenWorker]
) -> list[QueueView]:
    """The queues that these three know of."""
    read = [name for each in workers for name in each.beat.queues]
    taken = [name for each in workers if each.state == "running" for name in each.beat.queues]
    nothing: dict[str, Any] = {"waiting": 0, "oldest": None}
    return [
        QueueView(
            name=name,
            depth=depths.get(name),
            consumers=taken.count(name),
            waiting=waiting.get(name, nothing)["waiting"],
            oldest_waiting_at=waiting.get(name, nothing)["oldest"],
        )
        for name in sorted({*depths, *waiting, *read})
    ]


ROUTES = (
    Route("GET", "/api/v1/system/queues", list_queues, "What waits, and who takes it", "viewer", Page[QueueView]),
)
