"""A client of the event stream that is as plain as can be: what it is sent, told apart by empty lines, and no more."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import anyio

from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from multidict import CIMultiDictProxy

    from tests.support.tree import House

__all__ = ["Heard", "Listener", "listening"]


@dataclass(frozen=True)
class Heard:
    """One event."""

    id: str | None
    event: str
    data: Any


@dataclass
class Listener:
    """What has been heard so far; `last_id` is what a browser would come back with."""

    headers: CIMultiDictProxy[str]
    events: list[Heard] = field(default_factory=list)
    last_id: str | None = None
    signs: int = 0
    ended: anyio.Event = field(default_factory=anyio.Event)
    _moved: anyio.Event = field(default_factory=anyio.Event)

    async def until(self, so: Callable[[], object], *, within: float = WAIT_SECONDS) -> None:
        """Wait until something is so."""
        with anyio.move_on_after(within):
            while not so():
                await self._moved.wait()
        assert so(), f"not so after {within:g} s; the last events are {self.events[-3:]}"

    async def hears(self, event: str, /, *, within: float = WAIT_SECONDS, **data: object) -> Heard:
        """The first event of this kind with this data, once it has come."""
        await self.until(lambda: self.of(event, **data), within=within)
        return self.of(event, **data)[0]

    def of(self, event: str, /, **data: object) -> list[Heard]:
        """The events of this kind with this data."""
        wanted = data.items()
        return [each for each in self.events if each.event == event and wanted <= each.data.items()]

    async def read(self, content: aiohttp.StreamReader) -> None:
        """Read to the end."""
        fields: dict[str, str] = {}
        try:
            async for line in content:
                text = line.decode().rstrip("\n")
                if text:
                    name, _, value = text.partition(": ")
                    fields[name] = value
                    continue
                self._take(fields)
                fields = {}
        except aiohttp.ClientError:  # the server is gone, as in some tests it is
            pass
        self.ended.set()
        self._move()

    def _take(self, fields: dict[str, str]) -> None:
        self.last_id = fields.get("id", self.last_id)
        if "data" in fields:
            self.events.append(Heard(fields.get("id"), fields["event"], json.loads(fields["data"])))
        else:
            self.signs += 1
        self._move()

    def _move(self) -> None:
        self._moved.set()
        self._moved = anyio.Event()


@asynccontextmanager
async def listening(
    house: House, *, token: str | None = None, last_id: str | None = None, **query: str
) -> AsyncIterator[Listener]:
    """A client that has been let in and told where it is, and listens while the block lasts; by default an admin."""
    headers = {"Authorization": f"Bearer {token or await house.token('admin')}"}
    if last_id is not None:
        headers["Last-Event-ID"] = last_id
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"{house.url}/api/v1/events", headers=headers, params=query, timeout=aiohttp.ClientTimeout(total=None)
        ) as response,
        anyio.create_task_group() as group,
    ):
        assert response.status == 200, await response.text()
        listener = Listener(response.headers)
        group.start_soon(listener.read, response.content)
        await listener.until(lambda: listener.last_id)
        yield listener
        group.cancel_scope.cancel()
