"""How a config has gone: its calendar of a year, and what its newest runs have taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from horarium.http.routing import Reply, Route
from horarium.model import ConfigCalendar, ConfigDurations

if TYPE_CHECKING:
    from horarium.http.routing import Call

__all__ = ["ROUTES"]

ONE = r"/api/v1/task-configs/{config_id:[0-9]{1,18}}"


class DurationsQuery(BaseModel):
    """How many runs, the newest ones."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=500)] = 200


async def get_calendar(call: Call) -> Reply:
    """How each day of the last 53 weeks went; at most a moment old, the same answer for all who ask within it."""
    return Reply(await call.services.figures.calendar(call.config_id))


async def get_durations(call: Call) -> Reply:
    """How long the newest runs have taken, and how late they began."""
    return Reply(await call.services.figures.durations(call.config_id, call.query.limit))


ROUTES = (
    Route("GET", f"{ONE}/calendar", get_calendar, "How each day of a year went", "viewer", ConfigCalendar),
    Route(
        "GET", f"{ONE}/durations", get_durations, "What the newest runs have taken", "viewer", ConfigDurations,
        query=DurationsQuery,
    ),
)  # fmt: skip
