"""What happens, as it happens: server-sent events of executions, configs and the supervision trees of all processes.

Every process serves the same stream, from its own feed (`event_feed.py`), and an event has the same id everywhere; so
whoever is cut off comes back with `Last-Event-ID`, wherever it lands. Events are derived from what Postgres has, and a
few may be missing: `reset` says so, and then the lists are to be read anew.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from horarium.event_feed import Wanted
from horarium.http.paging import LARGEST
from horarium.http.routing import LAST_EVENT_ID, Route
from horarium.http.streams import STREAMS

if TYPE_CHECKING:
    from aiohttp import web

    from horarium.event_feed import Subscription
    from horarium.http.routing import Call

__all__ = ["ROUTES"]

PATH = "/api/v1/events"
KINDS = {
    "executions": "execution",
    "progress": "progress",
    "logs": "log",
    "configs": "config",
    "supervision": "supervision",
}
TYPES = "|".join(KINDS)


class EventsQuery(BaseModel):
    """Which events: of these types, and of one config, to which no event of supervision belongs.

    `brief`: where more than some twenty events about executions come at once, `many` is told in their stead.
    """

    model_config = ConfigDict(extra="forbid")

    types: Annotated[str, Field(pattern=rf"^({TYPES})(,({TYPES}))*$", max_length=200)] = ",".join(KINDS)
    config_id: Annotated[int, Field(ge=1, le=LARGEST)] | None = None
    brief: bool = False

    @property
    def wanted(self) -> Wanted:
        """The same for the feed."""
        kinds = frozenset(KINDS[name] for name in self.types.split(","))
        return Wanted(kinds, "" if self.config_id is None else str(self.config_id), self.brief)


async def events(call: Call) -> web.StreamResponse:
    """A stream of events, from the one after `Last-Event-ID`, or from now on."""
    query: EventsQuery = call.query
    services, headers = call.services, call.request.headers

    async def subscribe() -> Subscription:
        return await services.event_feed.subscribe(query.wanted, headers.get("Last-Event-ID"))

    async def allowed() -> float:
        caller = await services.authenticator.authenticate(headers.get("Authorization"))
        return math.inf if caller.expires_at is None else (caller.expires_at - services.clock()).total_seconds()

    return await call.request.app[STREAMS].serve(call.request, subscribe, allowed)


ROUTES = (
    Route(
        "GET", PATH, events, "What happens, as it happens", "viewer", str, query=EventsQuery,
        reads=(LAST_EVENT_ID,), media_type="text/event-stream",
    ),
)  # fmt: skip
