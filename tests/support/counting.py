"""What one request of the API costs: the statements it sends to Postgres, the commands or pipelines to Redis.

Counted where they leave, by the connections themselves. A request is known by its id, which its task carries; what the
actors do meanwhile is not its own.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import structlog
from redis.asyncio.connection import AbstractConnection

from horarium.http.headers import REQUEST_ID
from horarium.sql.database import Database

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import pytest

    from horarium.sql.queries import Connection
    from tests.support.tree import Answer, House

__all__ = ["Cost", "Costs"]


@dataclass(slots=True)
class Cost:
    """What was sent, in order."""

    statements: list[str] = field(default_factory=list)
    commands: list[bytes] = field(default_factory=list)

    @property
    def calls(self) -> tuple[int, int]:
        """How many of either."""
        return len(self.statements), len(self.commands)


class Costs:
    """What each request costs from now on."""

    def __init__(self, house: House, monkeypatch: pytest.MonkeyPatch) -> None:
        self._house = house
        self._by_request: dict[str, Cost] = {}
        monkeypatch.setattr(Database, "connection", self._listening_in(Database.connection))
        monkeypatch.setattr(AbstractConnection, "send_packed_command", self._noting(AbstractConnection))

    async def get(self, path: str, **query: Any) -> tuple[Answer, Cost]:
        """What a call that must succeed answers, and its cost."""
        answer = await self._house.call("GET", f"/api/v1{path}", **query)
        assert answer.status == 200, answer
        return answer, self._by_request[answer.headers[REQUEST_ID]]

    def _listening_in(self, connect: Any) -> Any:
        @asynccontextmanager
        async def connection(database: Database) -> AsyncIterator[Connection]:
            async with connect(database) as connected:
                cost = self._cost()
                with connected.query_logger(lambda record: cost.statements.append(record.query)):
                    yield connected

        return connection

    def _noting(self, kind: Any) -> Any:
        send = kind.send_packed_command

        async def noted(connection: Any, command: Any, *given: Any, **options: Any) -> None:
            self._cost().commands.append(bytes(command) if isinstance(command, bytes) else b"".join(command))
            await send(connection, command, *given, **options)

        return noted

    def _cost(self) -> Cost:
        """The cost of whatever runs in this task; what is no request shares one."""
        return self._by_request.setdefault(structlog.contextvars.get_contextvars().get("request_id", ""), Cost())
