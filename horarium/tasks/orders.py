"""What a worker has been told by an operator: to take messages, to pause, to drain. Postgres owns it.

A worker asks once a second. While Postgres is away, and where it has no row, the worker goes on with what it heard
last: nobody resumes a worker by losing a row, and Redis, which may be flushed at any moment, has no say. What it was
told outlives the actor, for the truth is by the process, and is read before the first message is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import anyio
import structlog

from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from horarium.sql.database import Database

__all__ = ["ORDERS_SECONDS", "Order", "Orders"]

log = structlog.get_logger(__name__)

ORDERS_SECONDS = 1.0
"""How often a worker asks what it has been told."""

Order = Literal["running", "paused", "draining"]


class Orders:
    """What the worker of one process has heard; `order` is None until it could ask."""

    def __init__(self, database: Database, worker: str) -> None:
        self._database = database
        self._worker = worker
        self._news = anyio.Event()
        self.order: Order | None = None

    async def heed(self) -> None:
        """Ask; raises Unavailable."""
        async with self._database.connection() as connection:
            row = await QUERIES.worker_order_heed.row(connection, worker=self._worker)
        told: Order = row["state"] if row is not None else self.order or "running"
        if told == self.order:
            return
        if row is not None:
            log.info("worker.told", worker=self._worker, order=told, by=row["given_by"])
        self.order = told
        news, self._news = self._news, anyio.Event()
        news.set()

    async def change(self, known: Order | None) -> Order:
        """The order, as soon as it is another than this one."""
        while self.order is None or self.order == known:
            await self._news.wait()
        return self.order
