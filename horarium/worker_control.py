"""What can be told to a worker: to pause, to resume, to drain; and which workers there are.

Who lives is what heartbeats say, in Redis; what a worker was told is a row of its process in Postgres, which is
committed before it is answered and stays whatever becomes of Redis. The worker reads it once a second
(`tasks/orders.py`), so what is shown of its state is what it says, unless it was told otherwise since.

An order that changes nothing is refused, and so is one to a worker on its way out: nobody calls a drain back, for the
process may have ended meanwhile. A worker inside `horarium up` does not end with its drain, and is resumed like a
paused one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

from horarium.audit_log import Target, note
from horarium.errors import Conflict, NotFound
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from horarium.audit_log import Author
    from horarium.keyspace.workers import WorkerBeat, Workers
    from horarium.model.workers import WorkerStatus
    from horarium.sql.database import Database
    from horarium.sql.queries import Row
    from horarium.tasks.orders import Order

__all__ = ["Action", "SeenWorker", "WorkerControl", "may_follow"]

Action = Literal["pause", "resume", "drain"]

ORDERS: dict[Action, Order] = {"pause": "paused", "resume": "running", "drain": "draining"}
DONE: dict[Action, str] = {"pause": "worker.paused", "resume": "worker.resumed", "drain": "worker.drained"}
"""What the audit log calls them."""


@dataclass(frozen=True, slots=True)
class SeenWorker:
    """A worker that lives, and what it was told last, by whom and when; None where it was told nothing."""

    beat: WorkerBeat
    order: Order | None = None
    told_by: str | None = None
    told_at: datetime | None = None

    @property
    def state(self) -> WorkerStatus:
        """What it says of itself, or what it is about to hear."""
        said = cast("WorkerStatus", self.beat.state)
        match self.order:
            case "running":
                return "running"
            case "paused":
                return said if said in ("pausing", "paused") else "pausing"
            case "draining":
                return said if self.beat.inline and said == "paused" else "draining"
        return said


def may_follow(action: Action, *, inline: bool) -> tuple[Order, ...]:
    """The orders in whose place this one may come."""
    match action:
        case "pause":
            return ("running",)
        case "drain":
            return ("running", "paused")
        case "resume":
            return ("paused", "draining") if inline else ("paused",)


class WorkerControl:
    """Reads and orders; raises NotFound, Conflict and Unavailable."""

    def __init__(self, database: Database, workers: Workers) -> None:
        self._database = database
        self._workers = workers

    async def all(self) -> list[SeenWorker]:
        """Every worker that lives, in the order of their ids."""
        return await self._seen(sorted(await self._workers.living(), key=lambda beat: beat.id))

    async def one(self, worker_id: str) -> SeenWorker:
        """The worker of this id."""
        (seen,) = await self._seen([await self._beat(worker_id)])
        return seen

    async def tell(self, worker_id: str, action: Action, *, by: Author) -> SeenWorker:
        """Order a worker; answers it as it is now."""
        beat = await self._beat(worker_id)
        if not beat.process:
            raise Conflict("release", f"a worker of release {beat.version or 'unknown'} takes no orders")
        instead_of = may_follow(action, inline=beat.inline)
        async with self._database.transaction() as connection:
            told = await QUERIES.worker_orders_of.row(connection, workers=[beat.process])
            now = _seen(beat, told)
            if (now.order or _as_ordered(now.state)) not in instead_of:
                raise Conflict("state", f"the worker is {now.state} already; {action} would change nothing")
            row = await QUERIES.worker_order_give.row(
                connection, worker=beat.process, state=ORDERS[action], given_by=by.name, instead_of=list(instead_of)
            )
            if row is None:
                raise Conflict("state", "the worker was told something else in this very moment")
            await note(connection, by, DONE[action], Target("worker", worker_id, beat.host))
        return _seen(beat, row)

    async def _beat(self, worker_id: str) -> WorkerBeat:
        beat = await self._workers.find(worker_id)
        if beat is None:
            raise NotFound("worker", "of that id")
        return beat

    async def _seen(self, beats: Sequence[WorkerBeat]) -> list[SeenWorker]:
        async with self._database.connection() as connection:
            rows = await QUERIES.worker_orders_of.rows(connection, workers=[beat.process for beat in beats])
        told = {row["worker"]: row for row in rows}
        return [_seen(beat, told.get(beat.process)) for beat in beats]


def _seen(beat: WorkerBeat, told: Row | None) -> SeenWorker:
    if told is None:
        return SeenWorker(beat)
    return SeenWorker(beat, told["state"], told["given_by"], told["given_at"])


def _as_ordered(state: WorkerStatus) -> Order:
    """What a worker must have been told that is in this state, though the row is lost."""
    return "paused" if state == "pausing" else state
