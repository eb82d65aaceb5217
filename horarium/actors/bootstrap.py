"""Makes the database ready, once, before any other actor touches it: schema, first account, connection to the broker.

A transient child: it runs to its end and is not missed afterwards. A server that is not there yet is waited for; one
that refuses us ends the process. The worker process has none of this to do; there `SchemaGate` waits until somebody
else has done it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import structlog

from horarium.actors.patience import first_contact
from horarium.identity.bootstrap import ensure_admin
from horarium.keyspace.pool import redis_errors
from horarium.sql.migrator import migrate, pending

if TYPE_CHECKING:
    from collections.abc import Callable

    from anyio.abc import TaskStatus
    from pydantic import SecretStr
    from redis.asyncio import Redis

    from horarium.sql.database import Database
    from horarium.sql.migrator import Migration
    from horarium.supervisor import ChildContext

__all__ = ["Bootstrap", "SchemaGate"]

log = structlog.get_logger(__name__)

GATE_SECONDS = 1.0


class Startable(Protocol):
    """A broker, as far as starting it goes."""

    async def startup(self) -> None:
        """Connect and declare."""


class Bootstrap:
    """The actor; `tell_password` gets the first account's password when one had to be made up: the last one is good."""

    def __init__(
        self,
        database: Database,
        redis: Redis,
        broker: Startable,
        *,
        admin_password: SecretStr | None,
        tell_password: Callable[[str], None],
    ) -> None:
        self._database = database
        self._redis = redis
        self._broker = broker
        self._admin_password = admin_password
        self._tell_password = tell_password

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Make ready, and end."""
        await first_contact(context, self.step, "schema and first account")
        task_status.started()

    async def step(self) -> None:
        """Migrate, start the broker, make the first account."""
        for migration in await migrate(self._database):
            log.info("migration.applied", version=migration.version, name=migration.name)
        await _greet(self._redis)
        await self._broker.startup()
        await ensure_admin(self._database, self._admin_password, self._tell_password)


class SchemaGate:
    """The actor that lets a worker start only once the schema is the one it knows."""

    def __init__(self, database: Database, redis: Redis) -> None:
        self._database = database
        self._redis = redis

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None]) -> None:
        """Wait for the schema, and end."""
        while missing := await first_contact(context, self._missing, "schema"):
            log.info("schema.awaited", migrations=len(missing))
            await context.sleep(GATE_SECONDS)
        task_status.started()

    async def _missing(self) -> list[Migration]:
        await _greet(self._redis)
        return await pending(self._database)


async def _greet(redis: Redis) -> None:
    """Raise Unavailable unless Redis lets us in."""
    with redis_errors():
        await redis.ping()
