"""Making a carried trace the current one for code that is not ours: an app's middlewares, a plain function.

OpenTelemetry is asked only where somebody, we or the app, has loaded it: without it nobody could look.

A plain function runs in a process of its own (`tasks/sync_pool.py`). Its spans are sent from there, as the worker sends
its own; that process ends by being killed, and takes along what it had not sent yet, which is a few seconds' worth.
"""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from horarium.tracing.starting import WORKER_SERVICE, start_tracing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

__all__ = ["Within", "within"]


@contextmanager
def within(trace: Mapping[str, str] | None) -> Iterator[None]:
    """Be in this trace until the end of the block; nothing where there is none."""
    if trace is None or "opentelemetry.trace" not in sys.modules:
        yield
        return
    from opentelemetry import context, propagate  # noqa: PLC0415 - loaded already, by whoever uses it

    entered = context.attach(propagate.extract(trace))
    try:
        yield
    finally:
        context.detach(entered)


@dataclass(frozen=True, slots=True)
class Within:
    """A plain function, to be called in a process of its own, in the trace of its run."""

    function: Callable[..., Any]
    trace: Mapping[str, str] | None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call it."""
        _start_here()
        with within(self.trace):
            return self.function(*args, **kwargs)


_start_here = cache(lambda: start_tracing(WORKER_SERVICE))
