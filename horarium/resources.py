"""What the actors of one process share: the pools, the Redis data model, the task types, the mailboxes.

Made before the tree starts and closed after it has stopped. Nothing in here connects by itself, so the servers may be
children of the very tree that uses them.
"""

from __future__ import annotations

import os
import secrets
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING

from taskiq import async_shared_broker

from horarium.advice import Advisor
from horarium.applying import Applying
from horarium.audit import Audit
from horarium.audit_log import AuditLog
from horarium.backfill import Backfills
from horarium.embedded import EmbeddedPostgres, EmbeddedRedis, signing_key
from horarium.event_feed import EventFeed
from horarium.executions import Executions
from horarium.identity.access_tokens import AccessTokens
from horarium.identity.accounts import Accounts
from horarium.identity.api_keys import ApiKeys
from horarium.identity.authenticator import Authenticator
from horarium.identity.credentials import Credentials
from horarium.identity.passwords import Passwords
from horarium.identity.sessions import SessionPolicy, Sessions
from horarium.identity.throttle import LoginThrottle
from horarium.identity.users import Users
from horarium.keyspace.due_index import DueIndex
from horarium.keyspace.event_stream import EventStream
from horarium.keyspace.history import History
from horarium.keyspace.keys import Keys
from horarium.keyspace.orphans import Orphans
from horarium.keyspace.pool import connect
from horarium.keyspace.timeouts import TimeoutIndex
from horarium.keyspace.tokens import RefreshTokens
from horarium.keyspace.workers import Workers
from horarium.leadership import Leadership
from horarium.lifecycle import TaskConfigs, utc_now
from horarium.messages import Mailboxes
from horarium.sql.database import Database
from horarium.tasks.broker import make_broker
from horarium.tasks.egress import Egress
from horarium.tasks.registry import TaskTypes, import_task_modules
from horarium.tasks.shell import Shell
from horarium.views import Views

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from pydantic import SecretStr
    from redis.asyncio import Redis

    from horarium.settings import Settings
    from horarium.tasks.broker import Broker

__all__ = ["Resources", "open_resources"]


@dataclass(frozen=True)
class Resources:
    """Everything that several actors use, by name."""

    settings: Settings
    database: Database
    redis: Redis
    keys: Keys
    sender: Broker
    receiver: Broker
    worker_id: str
    task_types: TaskTypes
    embedded_postgres: EmbeddedPostgres | None = None
    embedded_redis: EmbeddedRedis | None = None
    mailboxes: Mailboxes = field(default_factory=Mailboxes)
    clock: Callable[[], datetime] = utc_now

    @cached_property
    def leadership(self) -> Leadership:
        """Whether this process leads; its leader actor sees to that."""
        return Leadership(self.worker_id)

    @cached_property
    def audit(self) -> Audit:
        """What the auditor of this process has found."""
        return Audit()

    @cached_property
    def due_index(self) -> DueIndex:
        """Which config is due next."""
        return DueIndex(self.redis, self.keys)

    @cached_property
    def history(self) -> History:
        """Recent events of each config."""
        return History(self.redis, self.keys)

    @cached_property
    def event_stream(self) -> EventStream:
        """What all processes tell."""
        return EventStream(self.redis, self.keys)

    @cached_property
    def event_feed(self) -> EventFeed:
        """The newest of it, for the clients of this process."""
        return EventFeed()

    @cached_property
    def timeouts(self) -> TimeoutIndex:
        """Running executions by deadline."""
        return TimeoutIndex(self.redis, self.keys)

    @cached_property
    def workers(self) -> Workers:
        """Heartbeats."""
        return Workers(self.redis, self.keys)

    @cached_property
    def orphans(self) -> Orphans:
        """Keys that nobody will ask for again."""
        return Orphans(self.redis, self.keys)

    @cached_property
    def refresh_tokens(self) -> RefreshTokens:
        """The logins."""
        return RefreshTokens(self.redis, self.keys)

    @cached_property
    def users(self) -> Users:
        """Users, through their cache."""
        return Users(self.database, self.redis, self.keys)

    @cached_property
    def access_tokens(self) -> AccessTokens:
        """Signs and verifies access tokens; the key is made on first use where none is configured."""
        key = self.settings.secret_key
        text = key.get_secret_value() if key is not None else signing_key(self.settings.data_dir)
        accepted = [each.get_secret_value() for each in self.settings.accepted_secret_keys]
        return AccessTokens(text, self.settings.access_token_seconds, accepted=accepted)

    @cached_property
    def sessions(self) -> Sessions:
        """Logins and what is renewed from them."""
        return Sessions(self.access_tokens, self.refresh_tokens, SessionPolicy.of(self.settings), clock=self.clock)

    @cached_property
    def credentials(self) -> Credentials:
        """Checks names and passwords."""
        return Credentials(self.database, LoginThrottle(self.redis, self.keys))

    @cached_property
    def authenticator(self) -> Authenticator:
        """Knows callers by their token."""
        return Authenticator(self.access_tokens, self.users, self.api_keys)

    @cached_property
    def accounts(self) -> Accounts:
        """The life of users."""
        return Accounts(self.database, self.users, Passwords(), self.refresh_tokens)

    @cached_property
    def api_keys(self) -> ApiKeys:
        """Keys of machines."""
        return ApiKeys(self.database, self.redis, self.keys, clock=self.clock)

    @cached_property
    def audit_log(self) -> AuditLog:
        """Who changed what."""
        return AuditLog(self.database)

    @cached_property
    def task_configs(self) -> TaskConfigs:
        """The life of task configs."""
        return TaskConfigs(self.database, self.task_types, self.mailboxes, clock=self.clock)

    @cached_property
    def applying(self) -> Applying:
        """Makes configs as they are declared."""
        return Applying(self.database, self.task_types, self.mailboxes, clock=self.clock)

    @cached_property
    def advisor(self) -> Advisor:
        """Warns of what may surprise about configs."""
        return Advisor(
            self.database, self.workers, redelivers_after=lambda: self.sender.redelivers_after, clock=self.clock
        )

    @cached_property
    def backfills(self) -> Backfills:
        """Runs of ticks that did not run."""
        return Backfills(self.database, self.task_types, self.mailboxes, clock=self.clock)

    @cached_property
    def executions(self) -> Executions:
        """What can be done to executions."""
        return Executions(self.database, self.task_types, self.mailboxes)

    @cached_property
    def views(self) -> Views:
        """The read side."""
        return Views(self.database, self.due_index, self.history)


@asynccontextmanager
async def open_resources(settings: Settings) -> AsyncIterator[Resources]:
    """The resources that `settings` describe, closed at the end; raises ConfigurationError."""
    import_task_modules(settings.task_modules)
    postgres = EmbeddedPostgres(settings.data_dir) if settings.database_url is None else None
    redis = EmbeddedRedis(settings.data_dir) if settings.redis_url is None else None
    redis_url = redis.url if redis is not None else _secret(settings.redis_url)
    broker_url = _secret(settings.broker_url) or redis_url
    keys = Keys(settings.key_prefix)
    worker_id = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
    broker = partial(make_broker, broker_url, keys, queues=settings.queues, amqp_queues=settings.amqp_queues)
    sender = broker(consumer=f"{worker_id}:sender")
    receiver = broker(consumer=worker_id, concurrency=settings.worker_concurrency)
    receiver.is_worker_process = True
    receiver.add_dependency_context({Egress: Egress(settings.http_allow), Shell: Shell(settings.allow_shell)})
    async_shared_broker.default_broker(sender)  # so that a task may kick another
    client = connect(redis_url)
    task_types = TaskTypes(allow_shell=settings.allow_shell)
    try:
        async with Database(postgres.url if postgres is not None else _secret(settings.database_url)) as database:
            yield Resources(settings, database, client, keys, sender, receiver, worker_id, task_types, postgres, redis)
    finally:
        await sender.shutdown()
        await client.aclose()
        await client.connection_pool.disconnect()


def _secret(value: SecretStr | None) -> str:
    return "" if value is None else value.get_secret_value()
