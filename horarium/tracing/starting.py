"""Switching tracing on, in a process whose settings say so; the only way to what imports OpenTelemetry."""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.errors import ConfigurationError

if TYPE_CHECKING:
    from horarium.tracing.spans import Tracing

__all__ = ["INSTALL", "SERVICE", "WORKER_SERVICE", "start_tracing"]

SERVICE, WORKER_SERVICE = "horarium", "horarium-worker"

INSTALL = "pip install 'horarium[opentelemetry]'"


def start_tracing(service: str) -> Tracing:
    """Trace from now on, as a service of this name unless a variable gives another; raises ConfigurationError."""
    try:
        from horarium.tracing.provider import tracer_provider  # noqa: PLC0415 - an optional extra
        from horarium.tracing.spans import Tracing  # noqa: PLC0415 - as above
    except ImportError as error:
        raise ConfigurationError(f"HORARIUM_TRACING: OpenTelemetry is not there ({error}); {INSTALL}") from error
    provider, ours = tracer_provider(service)
    return Tracing(provider, ours=ours)
