"""The first page of the dashboard, in one call: the last hour, the next one, what runs and what failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from horarium.http.routing import Reply, Route
from horarium.model import OverviewAnswer

if TYPE_CHECKING:
    from horarium.http.routing import Call

__all__ = ["ROUTES"]


async def get_overview(call: Call) -> Reply:
    """Everything at a glance, at most a moment old: the same answer for all who ask within it."""
    return Reply(await call.services.overview.read())


ROUTES = (Route("GET", "/api/v1/overview", get_overview, "The last hour and the next one", "viewer", OverviewAnswer),)
