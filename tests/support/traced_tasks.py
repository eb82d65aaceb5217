"""Tasks that trace something by themselves: an import of `horarium.tasks`' users, with OpenTelemetry's API alone."""

from __future__ import annotations

import os
from typing import Annotated

from opentelemetry import trace
from taskiq import Context, TaskiqDepends

from horarium import task

__all__ = ["plain", "second_time"]

tracer = trace.get_tracer("tests")


@task("traced.second_time")
async def second_time(password: str, context: Annotated[Context, TaskiqDepends()]) -> str:
    """Fail the first time, with something secret in the error."""
    with tracer.start_as_current_span("own", record_exception=False, set_status_on_exception=False):
        if context.message.labels["attempt"] == 1:
            raise ValueError(f"{password} is wrong")
    return password


@task("traced.plain")
def plain() -> int:
    """Answer the process in which this runs."""
    with tracer.start_as_current_span("plain") as span:
        span.set_attribute("pid", os.getpid())
    return os.getpid()
