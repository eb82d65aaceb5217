"""Figures for Prometheus, read from what the process knows at the moment it is asked; nothing is counted on the side.

Open to this machine, which is where a scraper beside the process sits; from anywhere else it takes a token. A request
that came through a proxy is from elsewhere, though the proxy is here.

What only the leader knows, only the leader tells: summed over all processes, each figure is there once.
"""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from horarium.http.routing import Reply, Route

if TYPE_CHECKING:
    from collections.abc import Iterator

    from aiohttp import web
    from prometheus_client import Metric

    from horarium.audit import Audit, FindingKind
    from horarium.http.routing import Call
    from horarium.leadership import Leadership

__all__ = ["AUDITED", "ROUTES", "is_of_this_machine"]

PROXIED = ("Forwarded", "X-Forwarded-For", "X-Real-IP")
AUDITED: dict[FindingKind, str] = {
    "missing": "Past ticks that have no row in the ledger",
    "extra": "Rows of the ledger that are no tick, or one too many",
    "late": "Rows of recent ticks that were written long after their instant",
    "stuck": "Executions that ought to have gone on long ago",
}


async def get_metrics(call: Call) -> Reply:
    """Everything, in the text format."""
    if not is_of_this_machine(call.request):
        await call.services.authenticator.authenticate(call.request.headers.get("Authorization"))
    own = _Own(call.services.leadership, call.services.audit)
    text = generate_latest(_process()) + generate_latest(_only(own))
    return Reply(text, content_type=CONTENT_TYPE_PLAIN_0_0_4)


def is_of_this_machine(request: web.Request) -> bool:
    """Whether whoever asks sits on this machine, with no proxy between."""
    if any(header in request.headers for header in PROXIED) or request.remote is None:
        return False
    try:
        address = ip_address(request.remote)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


@cache
def _process() -> CollectorRegistry:
    """The process' own figures: memory, processor, files, garbage. Its registry is not the library's global one."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry


def _only(collector: Collector) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(collector)
    return registry


class _Own(Collector):
    """Horarium's figures, as they stand."""

    def __init__(self, leadership: Leadership, audit: Audit) -> None:
        self._leadership = leadership
        self._audit = audit

    def collect(self) -> Iterator[Metric]:
        """Each family of figures."""
        leads = self._leadership.leads
        yield _gauge("leader", "1 where this process leads, 0 where it stands by", float(leads))
        yield _gauge("leader_epoch", "How many take-overs this process knows of", self._leadership.epoch)
        yield from _of_the_audit(self._audit) if leads else ()


def _of_the_audit(audit: Audit) -> Iterator[Metric]:
    passes = CounterMetricFamily("horarium_audit_passes", "Audits of the whole ledger")
    passes.add_metric([], audit.passes)
    yield passes
    found = CounterMetricFamily("horarium_audit_findings", "Findings of all audits, by their kind", labels=["kind"])
    for kind in AUDITED:
        found.add_metric([kind], audit.found[kind])
    yield found
    if audit.last is None:
        return
    for kind, text in AUDITED.items():
        name = "audit_stuck_executions" if kind == "stuck" else f"audit_{kind}_ticks"
        yield _gauge(name, text, audit.count(kind))
    yield _gauge("audit_configs", "Configs that the last audit went through", audit.last.configs)
    yield _gauge("audit_ticks", "Ticks that the last audit went through", audit.last.ticks)
    yield _gauge("audit_seconds", "How long the last audit took, seconds", audit.last.seconds)
    yield _gauge("audit_timestamp_seconds", "When the last audit began, Unix time", audit.last.began_at.timestamp())


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"horarium_{name}", text)
    family.add_metric([], value)
    return family


ROUTES = (
    Route(
        "GET", "/metrics", get_metrics, "Figures for Prometheus: open on loopback, elsewhere with a token", None, str,
        media_type="text/plain", token_elsewhere=True,
    ),
)  # fmt: skip
