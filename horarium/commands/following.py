"""Executions as they change: the stream of events says when to look, the ledger says what there is to see.

An event is derived and may be lost, and it is not the whole row; so it is taken for a sign that a look is worth it, and
without a sign one looks now and then all the same. While the stream cannot be had, one looks twice a second.

An id grows with time, so what is new stands before the newest that was seen. What was not final when it was seen is
asked for by its id, unless the pages have it anyway.
"""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

from horarium.client import ApiAway
from horarium.client.errors import OUTCOME_CODES

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from horarium.client import ApiClient, Event

__all__ = ["Follower", "changes"]

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
"""Between two looks without a sign; the first follow soon, since the stream opens only after the first look."""

GATHER_SECONDS = 0.1
"""After a sign, before the look: where one execution changes others do."""

PAGE = 100
MOST_OPEN = 50
"""So many that are not final are asked for at once; the others come later."""


async def changes(
    client: ApiClient, *, newest: int, trouble: Callable[[ApiAway], None], **query: str
) -> AsyncIterator[dict[str, Any]]:
    """The `newest` executions, then each that is made or changes, as the API shows it; `trouble` hears of outages."""
    follower = Follower(client, query, newest)
    away, pause = False, FIRST_PAUSE_SECONDS
    async with _signs(client, query.get("config_id")) as signs:
        while True:
            try:
                found = await follower.look()
            except ApiAway as error:
                if not away:
                    trouble(error)
                away, pause = True, FIRST_PAUSE_SECONDS
            else:
                away = False
                for execution in found:
                    yield execution
            seen = await signs.within(pause)
            pause = LONGEST_PAUSE_SECONDS if seen else min(2 * pause, signs.longest_pause)


@asynccontextmanager
async def _signs(client: ApiClient, config_id: str | None) -> AsyncIterator[Signs]:
    signs = Signs(client, None if config_id is None else int(config_id))
    try:
        yield signs
    finally:
        await signs.close()


class Signs:
    """The stream of events, waited for beside other things."""

    def __init__(self, client: ApiClient, config_id: int | None) -> None:
        self._client = client
        self._config_id = config_id
        self._events: AsyncGenerator[Event, None] | None = None
        self._next: asyncio.Future[Event] | None = None
        self.longest_pause = FIRST_PAUSE_SECONDS

    async def within(self, seconds: float) -> bool:
        """Whether an event came within so many seconds. Raises ApiError where the API refuses the stream."""
        if self._events is None:
            self._events = self._client.events(types=["executions"], config_id=self._config_id)
        if self._next is None:
            self._next = asyncio.ensure_future(anext(self._events))
            self.longest_pause = LONGEST_PAUSE_SECONDS
        await asyncio.wait([self._next], timeout=seconds)
        if not self._next.done():
            return False
        ended, self._next = self._next, None
        try:
            ended.result()
        except ApiAway:  # nobody has answered yet: it is opened anew, and meanwhile the looks come often
            self._events, self.longest_pause = None, FIRST_PAUSE_SECONDS
            await anyio.sleep(FIRST_PAUSE_SECONDS)
            return False
        await anyio.sleep(GATHER_SECONDS)
        return True

    async def close(self) -> None:
        """Close the connection."""
        if self._next is not None:
            self._next.cancel()
            await asyncio.wait([self._next])
        if self._events is not None:
            await self._events.aclose()


class Follower:
    """What was seen last: the newest id, and the states of those that were not final."""

    def __init__(self, client: ApiClient, query: dict[str, str], newest: int) -> None:
        self._client = client
        self._query = query
        self._first = newest
        self._newest: str | None = None
        self._open: dict[str, tuple[str, int]] = {}

    async def look(self) -> list[dict[str, Any]]:
        """What is new or has changed since the look before, oldest first. A look that fails is made again whole."""
        new = await self._begin() if self._newest is None else await self._since(self._newest)
        turned = [each for each in await self._still_open(new) if self._open[each["task_id"]] != _state(each)]
        told = sorted([*new, *turned], key=lambda execution: str(execution["task_id"]))
        self._remember(told)
        return told

    async def _begin(self) -> list[dict[str, Any]]:
        """The newest, and whether there are any."""
        page = (await self._client.get("/executions", limit=str(max(1, self._first)), **self._query))["items"]
        self._newest = page[0]["task_id"] if page else ""
        return list(page[: self._first])

    async def _since(self, newest: str) -> list[dict[str, Any]]:
        """All that are newer, page by page."""
        new: list[dict[str, Any]] = []
        cursor: dict[str, str] = {}
        while True:
            page = await self._client.get("/executions", limit=str(PAGE), **self._query, **cursor)
            fresh = [each for each in page["items"] if each["task_id"] > newest]
            new += fresh
            if len(fresh) < len(page["items"]) or page["next_cursor"] is None:
                return new
            cursor = {"cursor": page["next_cursor"]}

    async def _still_open(self, new: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Those that were not final, as they are now."""
        known = {each["task_id"] for each in new}
        asked = [task_id for task_id in self._open if task_id not in known][:MOST_OPEN]
        return [await self._client.get(f"/executions/{task_id}") for task_id in asked]

    def _remember(self, told: list[dict[str, Any]]) -> None:
        for execution in told:
            task_id = execution["task_id"]
            self._newest = max(self._newest or "", task_id)
            self._open.pop(task_id, None)  # put back at the end: the next look asks for the others first
            if execution["status"] not in OUTCOME_CODES:
                self._open[task_id] = _state(execution)


def _state(execution: dict[str, Any]) -> tuple[str, int]:
    return execution["status"], execution["attempt"]
