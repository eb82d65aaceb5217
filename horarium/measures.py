"""What one process counts for Prometheus: how late ticks are, how executions end, how late the event loop is.

Counted where it happens where that is in this process (`MeasuredPublisher`, the monitor of the event loop). What
happens in workers is counted by whoever leads, from the stream of events that all processes tell: so a worker needs no
port to be scraped at, and summed over all supervisors each figure is there once. Like the stream, these counters may
miss something and never invent anything; the ledger has the truth. Figures that can be read when they are asked for
are not counted at all (`http/metrics.py`).

A tick's lateness is counted from `tick_at`, so a config's own jitter is part of it, and so is an outage that was made
up for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import orjson
from prometheus_client import CollectorRegistry, Counter, Histogram

from horarium.leadership import ALONE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import datetime

    from horarium.keyspace.event_stream import Entry
    from horarium.leadership import Leads

__all__ = ["ENDED", "Measures"]

LATENESS_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 3600)
RUN_SECONDS = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 900, 3600, 14_400)
LAG_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5)

ENDED = ("success", "failed", "timeout", "cancelled", "lost")
"""Final states of what was to run."""

NOTIFIED = ("delivered", "retried", "failed", "suppressed")


class Measures:
    """The counters of a process, in a registry of their own; `leads` says whether the stream is this one's to count."""

    def __init__(self, leads: Leads = ALONE) -> None:
        self._leads = leads
        self.registry = CollectorRegistry()
        self._lateness = Histogram(
            "horarium_tick_lateness_seconds",
            "From a tick to its row being committed, its message being published, its first attempt being started",
            ["stage"],
            buckets=LATENESS_SECONDS,
            registry=self.registry,
        )
        self._ended = Counter(
            "horarium_executions", "Executions that ended, by their final state", ["status"], registry=self.registry
        )
        self._retried = Counter(
            "horarium_retries", "Attempts that failed and were to be tried again", registry=self.registry
        )
        self._skipped = Counter(
            "horarium_ticks_skipped", "Ticks that were not run, by reason", ["reason"], registry=self.registry
        )
        self._run = Histogram(
            "horarium_run_seconds",
            "How long last attempts ran, by the state they ended in",
            ["status"],
            buckets=RUN_SECONDS,
            registry=self.registry,
        )
        self._lag = Histogram(
            "horarium_event_loop_lag_seconds",
            "How much later than asked for the event loop ran, ten times a second",
            buckets=LAG_SECONDS,
            registry=self.registry,
        )
        self._notified = Counter(
            "horarium_notifications",
            "Tries of a notification: delivered, retried, failed for good; and notifications that were suppressed",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in NOTIFIED:
            self._notified.labels(outcome)
        for status in ENDED:  # a figure that is not there yet cannot be seen to rise
            self._ended.labels(status)
            self._run.labels(status)

    def notified(self, outcome: str, number: int = 1) -> None:
        """So many notifications were tried, and this came of it; or they were `suppressed`, and are not tried."""
        self._notified.labels(outcome).inc(number)

    def lag(self, seconds: float) -> None:
        """The event loop came back so much later than it was asked to."""
        self._lag.observe(seconds)

    def ticks(self, stage: Literal["committed", "published"], tick_ats: Iterable[datetime], at: datetime) -> None:
        """These ticks have come so far, at this instant."""
        lateness = self._lateness.labels(stage)
        for tick_at in tick_ats:
            lateness.observe(max((at - tick_at).total_seconds(), 0.0))

    def told(self, entries: Iterable[Entry]) -> None:
        """Count what the stream tells, in the process that leads; each entry is to be given once."""
        if self._leads.leads:
            for entry in entries:
                if entry.field.startswith("execution"):
                    self._execution(orjson.loads(entry.data))

    def _execution(self, told: Mapping[str, Any]) -> None:
        match told["status"]:
            case "running":
                if (late := told.get("lateness_seconds")) is not None:
                    self._lateness.labels("started").observe(late)
            case "skipped":
                self._skipped.labels(told.get("reason") or "").inc(told.get("tick_count") or 1)
            case "retrying":
                self._retried.inc()
            case status if status in ENDED:
                self._ended.labels(status).inc()
                if (seconds := told.get("duration_seconds")) is not None:
                    self._run.labels(status).observe(seconds)
