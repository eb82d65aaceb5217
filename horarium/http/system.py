"""The system: is it alive, is it ready, what does it do.

What blocks readiness is named; the probes have a deadline, so neither question hangs with the server it asks about.
Anybody may ask, so all who ask together are told of one look: no crowd keeps the servers too busy to be found well.
While the event loop itself is blocked none of this can be served: `stand_in.py` answers then.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import anyio
import structlog
from aiohttp import web
from pydantic import BaseModel, ConfigDict

from horarium.errors import Unavailable
from horarium.http.routing import Reply, Route
from horarium.http.supervision import EventAnswer, event_answer
from horarium.kept import Kept
from horarium.keyspace.pool import redis_errors
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator

    from horarium.http.routing import Call
    from horarium.http.services import Services
    from horarium.supervisor import TreeNode

__all__ = ["READINESS", "ROUTES", "readiness"]

log = structlog.get_logger(__name__)

PROBE_SECONDS = 2.0
LEDGER_BLOCKS = timedelta(minutes=15)
"""How long missing ticks keep a leader from being ready, from when there was one more of them."""


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = "alive"


class Ready(BaseModel):
    """Whether work can be done; `blocked_by` names what is away."""

    status: Literal["ready", "not_ready"]
    blocked_by: list[str]


class SchedulerState(BaseModel):
    """The due index and who reads it: whether this process does (`leader`), or who else, by which take-over.

    All but `leader` is the same whichever process is asked; `leader_since` is when the lease was taken.
    """

    initialized: bool
    scheduled_tasks: int
    redis_connected: bool
    leader: bool
    leader_id: str | None
    leader_since: datetime | None
    epoch: int


class WorkerAnswer(BaseModel):
    """What a worker says of itself: the queues it reads, how many executions it takes at once, how many it runs."""

    model_config = ConfigDict(from_attributes=True)

    id: str
    queues: list[str]
    concurrency: int
    active: int
    started_at: datetime


class WorkerState(BaseModel):
    """The workers whose heartbeat has not run out."""

    broker_connected: bool
    active_tasks: int
    workers: list[WorkerAnswer]


class QueueState(BaseModel):
    """Messages of a queue that are not acknowledged yet."""

    status: Literal["ok"]
    depth: int


class SystemStatus(BaseModel):
    """Everything at a glance."""

    broker_connected: bool
    scheduler_running: bool
    total_configs: int
    active_configs: int
    total_scheduled_jobs: int
    total_active_tasks: int
    timestamp: datetime
    scheduler: SchedulerState
    worker: WorkerState
    queues: dict[str, QueueState]
    recent_events: list[EventAnswer]


async def get_liveness(call: Call) -> Reply:
    """The process answers; 503 when its loop was blocked until this very moment."""
    call.services.liveness.check()
    return Reply(Alive())


async def get_readiness(call: Call) -> Reply:
    """200, or 503 with what blocks."""
    ready = await call.request.app[READINESS].get(None)
    return Reply(ready, status=503 if ready.blocked_by else None)


def readiness(services: Services) -> Kept[None, Ready]:
    """Looks at what work depends on: one at a time for all who ask, begun after they did."""
    return Kept(lambda _: _look(services), good_for=lambda _ready, _took: 0.0)


READINESS: web.AppKey[Kept[None, Ready]] = web.AppKey("readiness", Kept)


async def _look(services: Services) -> Ready:
    """All servers are asked at once."""
    probes = {"postgres": _ping_postgres(services), "redis": _ping_redis(services), "broker": services.broker.depths()}
    away: list[str] = []
    async with anyio.create_task_group() as group:
        for name, probe in probes.items():
            group.start_soon(_probe, name, probe, away)
    down = [node.id for node in _actors(services.supervisor().snapshot()) if node.state != "running"]
    blocked_by = sorted(away) + down
    blocked_by += ["ledger"] if _ledger_suffers(services) else []
    return Ready(status="not_ready" if blocked_by else "ready", blocked_by=blocked_by)


async def get_status(call: Call) -> Reply:
    """Everything at a glance."""
    services = call.services
    async with services.database.connection() as connection:
        totals = await QUERIES.task_config_totals.row(connection)
        in_flight = await QUERIES.execution_count_active.value(connection)
    assert totals is not None, "an aggregate without GROUP BY always answers a row"  # noqa: S101 - SQL's own promise
    scheduled = await services.views.index.size()
    workers = await services.workers.living()
    depths, broker_connected = await _depths(services)
    dispatcher = services.supervisor().snapshot().find("dispatcher")
    leadership = services.leadership
    leads = leadership.leads and dispatcher is not None and dispatcher.state == "running"
    return Reply(
        SystemStatus(
            broker_connected=broker_connected,
            scheduler_running=leads or (leadership.is_led and not leadership.leads),
            total_configs=totals["total"],
            active_configs=totals["active"],
            total_scheduled_jobs=scheduled,
            total_active_tasks=in_flight,
            timestamp=services.clock(),
            scheduler=SchedulerState(
                initialized=await services.views.index.is_loaded(),
                scheduled_tasks=scheduled,
                redis_connected=True,
                leader=leads,
                leader_id=leadership.leader if leadership.is_led else None,
                leader_since=leadership.since if leadership.is_led else None,
                epoch=leadership.epoch,
            ),
            worker=WorkerState(
                broker_connected=broker_connected,
                active_tasks=sum(worker.active for worker in workers),
                workers=[WorkerAnswer.model_validate(worker) for worker in workers],
            ),
            queues={name: QueueState(status="ok", depth=depth) for name, depth in depths.items()},
            recent_events=[event_answer(recorded) for recorded in services.supervisor().events.recent()[-5:]],
        )
    )


async def _depths(services: Services) -> tuple[dict[str, int], bool]:
    """The queues' depths, and whether the broker could be asked."""
    try:
        return await services.broker.depths(), True
    except Unavailable:
        return {}, False


async def _ping_postgres(services: Services) -> None:
    async with services.database.connection() as connection:
        await connection.execute("SELECT 1")


async def _ping_redis(services: Services) -> None:
    with redis_errors():
        await services.redis.ping()


async def _probe(name: str, probe: Coroutine[Any, Any, object], away: list[str]) -> None:
    try:
        with anyio.fail_after(PROBE_SECONDS):
            await probe
    except (Unavailable, TimeoutError):
        away.append(name)
    except Exception:  # whatever keeps a server from answering, it is not ready, and the log says why
        log.exception("probe.failed", server=name)
        away.append(name)


def _ledger_suffers(services: Services) -> bool:
    """Whether ticks go missing, or executions are stuck, under this process' lead.

    A hole from this morning keeps nobody out: it is in the audit and the figures, and a leader that has gone on without
    fault since is as good as any. Who stands by answers for no ledger.
    """
    return services.leadership.leads and services.audit.blocks(services.clock(), LEDGER_BLOCKS)


def _actors(node: TreeNode) -> Iterator[TreeNode]:
    """The tree's actors that are meant to run; one that ran to its end (`bootstrap`) is not awaited."""
    for child in node.children:
        if child.kind == "supervisor":
            yield from _actors(child)
        elif child.state != "stopped":
            yield child


ROUTES = (
    Route("GET", "/livez", get_liveness, "Whether the process answers", None, Alive),
    Route("GET", "/readyz", get_readiness, "Whether work can be done, or what blocks it", None, Ready),
    Route("GET", "/api/v1/system/status", get_status, "Everything at a glance", "viewer", SystemStatus),
)
