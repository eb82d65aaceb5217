"""Follows the API's stream of events, over as many connections as it takes.

A connection that breaks or falls silent is made anew, with the id of the last event, so that nothing is missed and
nothing comes twice. What the server cannot take up again it says itself, by the event `reset`: lists that were read
before are old then. Only a refusal ends it: credentials that are not accepted, a role that does not allow it.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio

from horarium.client.errors import ApiAway, NotLoggedIn, stranger

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable

    from horarium.client.credentials import Credentials
    from horarium.client.transport import Transport

__all__ = ["Event", "follow"]

FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 15.0
"""Before connecting again; doubled while nobody answers."""


@dataclass(frozen=True, slots=True)
class Event:
    """One event: `event` is its kind, `id` where to go on from; `data` as the API documents it."""

    id: str | None
    event: str
    data: dict[str, Any]


@dataclass(slots=True)
class _Lines:
    """Reads lines into events; keeps the id of the last."""

    last_id: str | None
    fields: dict[str, str] = field(default_factory=dict)

    def read(self, line: str) -> tuple[str, str] | None:
        """Kind and data of the event that an empty line has completed."""
        if line:
            name, _, value = line.partition(":")
            self.fields[name] = value.removeprefix(" ")
            return None
        fields, self.fields = self.fields, {}
        self.last_id = fields.get("id", self.last_id)
        return (fields.get("event", "message"), fields["data"]) if "data" in fields else None


async def follow(
    transport: Transport,
    credentials: Credentials,
    *,
    types: Iterable[str] = (),
    config_id: int | None = None,
    after: str | None = None,
) -> AsyncGenerator[Event, None]:
    """Events for ever, from the one after `after`, or from now on.

    Raises NotLoggedIn, NotAllowed and ApiError; ApiAway only where nobody has ever answered.
    """
    query = ({"types": ",".join(types)} if types else {}) | ({} if config_id is None else {"config_id": str(config_id)})
    lines, pause, opened, refused = _Lines(after), FIRST_PAUSE_SECONDS, False, None
    while True:
        lines.fields.clear()
        headers = {} if lines.last_id is None else {"Last-Event-ID": lines.last_id}
        try:
            token = await credentials.token() if refused is None else await credentials.renewed(refused)
            try:
                async with transport.stream("/events", token=token, query=query, headers=headers) as received:
                    pause, opened, refused = FIRST_PAUSE_SECONDS, True, None
                    async for event in _events(received, lines, transport.url):
                        yield event
            except NotLoggedIn:
                if refused is not None:
                    raise
                refused = token
                continue
        except ApiAway:
            if not opened:
                raise
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)
        await anyio.sleep(pause)


async def _events(received: AsyncIterable[bytes], lines: _Lines, url: str) -> AsyncGenerator[Event, None]:
    async for line in received:
        complete = lines.read(line.decode(errors="replace").rstrip("\r\n"))
        if complete is not None:
            kind, text = complete
            yield Event(lines.last_id, kind, _data(text, url))


def _data(text: str, url: str) -> dict[str, Any]:
    try:
        return dict(json.loads(text))
    except (TypeError, ValueError) as error:
        raise stranger(url) from error
