"""Limits: how many executions of a queue or of a task type run at once, and how often one starts."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - pydantic reads the annotations when the models are made
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from horarium.model.fields import Answer, Request

__all__ = ["Limit", "LimitPut"]

MaxRunning = Annotated[int, Field(ge=1, le=1_000_000)]
Rate = Annotated[int, Field(ge=1, le=1_000_000)]
PeriodSeconds = Annotated[float, Field(ge=0.1, le=2_678_400)]


class LimitPut(Request):
    """A limit, whole: what is left out is not limited. `rate` starts in any `period_seconds`, evenly spaced."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"max_running": 3, "rate": 10, "period_seconds": 60}]})

    max_running: MaxRunning | None = None
    rate: Rate | None = None
    period_seconds: PeriodSeconds | None = None


class Limit(Answer):
    """A limit, with how many executions run under it now, and how many wait for room."""

    kind: Literal["queue", "task_type"]
    name: str
    max_running: int | None
    rate: int | None
    period_seconds: float | None
    running: int
    waiting: int
    version: int
    updated_by: str
    updated_at: datetime
