"""Figures for Prometheus: what the process has counted (`measures.py`), and what is read for the asking (`gauges.py`).

Open to this machine, which is where a scraper beside the process sits; from anywhere else it takes a token. A request
that came through a proxy is from elsewhere, though the proxy is here; but only the proxy can say so. Where it does not,
`metrics_need_token` has everybody show one.
"""

from __future__ import annotations

from functools import cache
from ipaddress import ip_address
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.registry import Collector

from horarium.http.gauges import read_gauges
from horarium.http.routing import Reply, Route

if TYPE_CHECKING:
    from collections.abc import Iterable

    from aiohttp import web
    from prometheus_client import Metric

    from horarium.http.routing import Call

__all__ = ["ROUTES", "is_of_this_machine"]

PROXIED = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Real-IP")
"""What proxies add to a request; each is enough."""


async def get_metrics(call: Call) -> Reply:
    """Everything, in the text format."""
    if call.services.metrics_need_token or not is_of_this_machine(call.request):
        await call.services.authenticator.authenticate(call.request.headers.get("Authorization"))
    read = _Read(await read_gauges(call.services))
    text = b"".join(map(generate_latest, (_process(), call.services.measures.registry, _only(read))))
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


class _Read(Collector):
    """Figures that were read before."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        """Each family of figures."""
        return self._families


ROUTES = (
    Route(
        "GET", "/metrics", get_metrics, "Figures for Prometheus: open on loopback, elsewhere with a token", None, str,
        media_type="text/plain", token_elsewhere=True,
    ),
)  # fmt: skip
