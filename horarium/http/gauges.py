"""Figures for Prometheus that are read when they are asked for, as they stand.

Servers are asked at once, each within a deadline: one that is away costs its own figures and shows in `server_up`, for
figures are never needed more than then. What is the same in every process, only the leader tells: summed over all
supervisors each figure is there once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from horarium.errors import Unavailable
from horarium.keyspace.pool import pool_use
from horarium.sql.queries import QUERIES

if TYPE_CHECKING:
    from collections.abc import Awaitable, Iterator, Mapping, Sequence

    from prometheus_client import Metric

    from horarium.audit import Audit, FindingKind
    from horarium.http.services import Services
    from horarium.supervisor import TreeNode

__all__ = ["AUDITED", "read_gauges"]

PROBE_SECONDS = 2.0
IN_FLIGHT = ("pending", "queued", "running", "retrying")
AUDITED: dict[FindingKind, str] = {
    "missing": "Past ticks that have no row in the ledger",
    "extra": "Rows of the ledger that are no tick, or one too many",
    "late": "Rows of recent ticks that were written long after their instant",
    "stuck": "Executions that ought to have gone on long ago",
}


async def read_gauges(services: Services) -> list[Metric]:
    """Each family of figures; never raises for a server that is away."""
    probed: list[Metric] = []
    up: dict[str, float] = {}
    async with anyio.create_task_group() as group:
        for server, probe in (("postgres", _of_postgres), ("redis", _of_redis), ("broker", _of_broker)):
            group.start_soon(_probe, server, probe(services), probed, up)
    leadership = services.leadership
    return [
        _gauges("server_up", "1 where the server answers this process, 0 where it does not", "server", up),
        _gauge("leader", "1 where this process leads, 0 where it stands by", float(leadership.leads)),
        _gauge("leader_epoch", "How many take-overs this process knows of", leadership.epoch),
        *(probed if leadership.leads else ()),
        *(_of_the_audit(services.audit) if leadership.leads else ()),
        *_of_the_tree(services.supervisor().snapshot()),
        *_of_the_pools(services),
    ]


async def _probe(server: str, asked: Awaitable[Sequence[Metric]], probed: list[Metric], up: dict[str, float]) -> None:
    up[server] = 0.0
    try:
        with anyio.fail_after(PROBE_SECONDS):
            probed += await asked
    except (Unavailable, TimeoutError):
        return  # which is the figure
    up[server] = 1.0


async def _of_postgres(services: Services) -> Sequence[Metric]:
    async with services.database.connection() as connection:
        rows = await QUERIES.execution_in_flight.rows(connection)
        notices = await QUERIES.notification_waiting.row(connection)
    states = dict.fromkeys(IN_FLIGHT, 0) | {row["status"]: row["number"] for row in rows}
    assert notices is not None, "an aggregate always answers a row"  # noqa: S101 - SQL's own promise
    oldest = notices["oldest"]
    age = 0.0 if oldest is None else max((services.clock() - oldest).total_seconds(), 0.0)
    return [
        _gauges("executions_in_flight", "Executions that have not ended, by state", "status", states),
        _gauge("notifications_waiting", "Notifications that have not arrived yet", notices["waiting"]),
        _gauge("notifications_oldest_seconds", "How long the oldest of them has waited, seconds", age),
    ]


async def _of_redis(services: Services) -> Sequence[Metric]:
    workers = await services.workers.living()
    return [
        _gauge("scheduled_configs", "Configs in the due index", await services.views.index.size()),
        _gauge("workers", "Workers whose heartbeat has not run out", len(workers)),
        _gauge("worker_slots", "Executions that they may run at once", sum(each.concurrency for each in workers)),
        _gauge("worker_active", "Executions that they run", sum(each.active for each in workers)),
    ]


async def _of_broker(services: Services) -> Sequence[Metric]:
    depths = await services.broker.depths()
    return [_gauges("queue_depth", "Messages of a queue that are not acknowledged yet", "queue", depths)]


def _of_the_audit(audit: Audit) -> Iterator[Metric]:
    passes = CounterMetricFamily("horarium_audit_passes", "Audits of the whole ledger")
    passes.add_metric([], audit.passes)
    yield passes
    yield _counters("audit_findings", "Findings of all audits, by their kind", "kind", audit.found)
    if audit.last is None:
        return
    for kind, text in AUDITED.items():
        name = "audit_stuck_executions" if kind == "stuck" else f"audit_{kind}_ticks"
        yield _gauge(name, text, audit.count(kind))
    yield _gauge("audit_configs", "Configs that the last audit went through", audit.last.configs)
    yield _gauge("audit_ticks", "Ticks that the last audit went through", audit.last.ticks)
    yield _gauge("audit_seconds", "How long the last audit took, seconds", audit.last.seconds)
    yield _gauge("audit_timestamp_seconds", "When the last audit began, Unix time", audit.last.began_at.timestamp())


def _of_the_tree(root: TreeNode) -> Iterator[Metric]:
    nodes = [node for node in _descendants(root) if node.state != "stopped"]
    runs = {node.id: float(node.state == "running") for node in nodes}
    yield _gauges("child_running", "1 where a child of the tree runs, 0 while it is to start", "child", runs)
    restarts = {node.id: node.restarts for node in nodes}
    yield _counters("child_restarts", "Restarts of a child of the tree", "child", restarts)
    boxes = [node.mailbox for node in nodes if node.mailbox is not None]
    depth = {box.name: box.depth for box in boxes}
    yield _gauges("mailbox_depth", "Messages that wait in a mailbox", "mailbox", depth)
    capacity = {box.name: box.capacity for box in boxes}
    yield _gauges("mailbox_capacity", "Messages that a mailbox holds at most", "mailbox", capacity)
    accepted = {box.name: box.accepted for box in boxes}
    yield _counters("mailbox_accepted", "Messages that a mailbox has accepted", "mailbox", accepted)
    dropped = {box.name: box.dropped for box in boxes}
    yield _counters("mailbox_dropped", "Messages that a full mailbox has dropped", "mailbox", dropped)


def _descendants(node: TreeNode) -> Iterator[TreeNode]:
    for child in node.children:
        yield child
        yield from _descendants(child)


def _of_the_pools(services: Services) -> Iterator[Metric]:
    pools = {"postgres": services.database.pool_use, "redis": pool_use(services.redis)}
    in_use = {name: pool.in_use for name, pool in pools.items()}
    yield _gauges("pool_connections_in_use", "Connections of a pool that are in use", "pool", in_use)
    size = {name: pool.size for name, pool in pools.items()}
    yield _gauges("pool_connections", "Connections of a pool that there are", "pool", size)
    most = {name: pool.most for name, pool in pools.items()}
    yield _gauges("pool_connections_limit", "Connections that a pool may have", "pool", most)


def _gauge(name: str, text: str, value: float) -> Metric:
    family = GaugeMetricFamily(f"horarium_{name}", text)
    family.add_metric([], value)
    return family


def _gauges(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    return _labelled(GaugeMetricFamily(f"horarium_{name}", text, labels=[label]), values)


def _counters(name: str, text: str, label: str, values: Mapping[str, float]) -> Metric:
    return _labelled(CounterMetricFamily(f"horarium_{name}", text, labels=[label]), values)


def _labelled(family: GaugeMetricFamily | CounterMetricFamily, values: Mapping[str, float]) -> Metric:
    for value, figure in values.items():
        family.add_metric([value], figure)
    return family
