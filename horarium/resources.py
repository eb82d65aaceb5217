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
from typing import TYPE_CHECKING, Literal

import structlog
from taskiq import async_shared_broker

from horarium.adopting.broker import AdoptedBroker
from horarium.adopting.imported import PICKLE_REMEDY, become_default, import_broker, known_task_types, pickles_of
from horarium.advice import Advisor
from horarium.applying import Applying
from horarium.audit import Audit
from horarium.audit_log import AuditLog
from horarium.backfill import Backfills
from horarium.clock import utc_now
from horarium.embedded import EmbeddedPostgres, EmbeddedRedis, signing_key
from horarium.event_feed import EventFeed
from horarium.executions import Executions
from horarium.figures import Figures
from horarium.identity.access_tokens import AccessTokens
from horarium.identity.accounts import Accounts
from horarium.identity.api_keys import ApiKeys
from horarium.identity.authenticator import Authenticator
from horarium.identity.credentials import Credentials
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
from horarium.lifecycle import TaskConfigs
from horarium.limits import Limits
from horarium.measures import Measures
from horarium.messages import Mailboxes
from horarium.notifying.channels import Channels
from horarium.notifying.mail import Mailer
from horarium.notifying.mail_server import MailServer
from horarium.notifying.outbox import Outbox
from horarium.notifying.rules import Notifications
from horarium.notifying.webhook import Webhooks
from horarium.overview import Overview
from horarium.sql.database import Database
from horarium.tasks.broker import make_broker, taskiq_broker
from horarium.tasks.egress import Egress
from horarium.tasks.registry import import_task_modules
from horarium.tasks.results import Results
from horarium.tasks.shell import Shell
from horarium.tasks.traced import KickedHere, TracedPublisher
from horarium.tracing.starting import SERVICE, WORKER_SERVICE, start_tracing
from horarium.views import Views
from horarium.worker_control import WorkerControl

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from datetime import datetime

    from pydantic import SecretStr
    from redis.asyncio import Redis
    from taskiq import AsyncBroker

    from horarium.settings import Settings
    from horarium.tasks.broker import Broker, Publisher
    from horarium.tasks.registry import Tasks, TaskTypes
    from horarium.tracing.spans import Tracing

__all__ = ["Resources", "open_resources"]

log = structlog.get_logger(__name__)

Role = Literal["up", "worker"]


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
    tracing: Tracing | None = None
    mailboxes: Mailboxes = field(default_factory=Mailboxes)
    clock: Callable[[], datetime] = utc_now

    @property
    def tasks(self) -> Tasks:
        """Every taskiq task of this process, by name: the app's own, and those that are shared."""
        return taskiq_broker(self.sender).get_all_tasks()

    @property
    def queues(self) -> tuple[str, ...]:
        """The queues that a worker of this process reads."""
        return self.receiver.queues if isinstance(self.receiver, AdoptedBroker) else self.settings.queues

    @cached_property
    def publisher(self) -> Publisher:
        """What messages are sent through."""
        return self.sender if self.tracing is None else TracedPublisher(self.sender, self.tracing)

    @cached_property
    def leadership(self) -> Leadership:
        """Whether this process leads; its leader actor sees to that."""
        return Leadership(self.worker_id)

    @cached_property
    def audit(self) -> Audit:
        """What the auditor of this process has found."""
        return Audit()

    @cached_property
    def measures(self) -> Measures:
        """What this process counts."""
        return Measures(self.leadership)

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
    def worker_control(self) -> WorkerControl:
        """What can be told to workers."""
        return WorkerControl(self.database, self.workers)

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
    def throttle(self) -> LoginThrottle:
        """How often a password may be guessed."""
        return LoginThrottle(self.redis, self.keys)

    @cached_property
    def credentials(self) -> Credentials:
        """Checks names and passwords."""
        return Credentials(self.database, self.throttle)

    @cached_property
    def authenticator(self) -> Authenticator:
        """Knows callers by their token."""
        return Authenticator(self.access_tokens, self.users, self.api_keys)

    @cached_property
    def accounts(self) -> Accounts:
        """The life of users."""
        return Accounts(self.database, self.users, self.throttle, self.refresh_tokens)

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
    def limits(self) -> Limits:
        """How many executions of a kind run at once, and how often one starts."""
        return Limits(self.database, self.mailboxes)

    @cached_property
    def channels(self) -> Channels:
        """The ways out for notifications."""
        s = self.settings
        mailer = Mailer(MailServer.parse(_secret(s.smtp_url)), s.smtp_from) if s.smtp_url and s.smtp_from else None
        return Channels(Webhooks(Egress(s.http_allow)), mailer)

    @cached_property
    def notifications(self) -> Notifications:
        """Who is told of what, and what was told."""
        return Notifications(self.database, self.channels, clock=self.clock, public_url=self.settings.public_url)

    @cached_property
    def outbox(self) -> Outbox:
        """What there is to tell."""
        return Outbox(self.database, clock=self.clock, public_url=self.settings.public_url)

    @cached_property
    def views(self) -> Views:
        """The read side."""
        return Views(self.database, self.due_index, self.history)

    @cached_property
    def figures(self) -> Figures:
        """What the page of a config shows of its past."""
        return Figures(self.database, clock=self.clock)

    @cached_property
    def overview(self) -> Overview:
        """What the first page of the dashboard shows."""
        return Overview(self.database, self.due_index, clock=self.clock)


@asynccontextmanager
async def open_resources(
    settings: Settings, *, role: Role = "up", hosted_by: AsyncBroker | None = None
) -> AsyncIterator[Resources]:
    """The resources that `settings` describe, closed at the end; raises ConfigurationError.

    `role` is the command that uses them: an adopted broker is told whether its process works, sends, or does both. In
    taskiq's own worker its broker is received from (`hosted_by`), and is taskiq's to start and to shut down.
    """
    adopted = (
        _adopted(settings, role) if hosted_by is None else AdoptedBroker.hosted(hosted_by)
    )  # first: its tasks are told from the start whether they are in a worker
    import_task_modules(settings.task_modules)
    works_alone = role == "worker" or hosted_by is not None
    tracing = start_tracing(WORKER_SERVICE if works_alone else SERVICE) if settings.tracing else None
    postgres = EmbeddedPostgres(settings.data_dir) if settings.database_url is None else None
    redis = EmbeddedRedis(settings.data_dir) if settings.redis_url is None else None
    redis_url = redis.url if redis is not None else _secret(settings.redis_url)
    keys = Keys(settings.key_prefix)
    worker_id = f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(3)}"
    sender, receiver = (adopted, adopted) if adopted is not None else _own_brokers(settings, redis_url, keys, worker_id)
    if adopted is None and tracing is not None:
        taskiq_broker(sender).add_middlewares(KickedHere(tracing))
    taskiq_broker(receiver).add_dependency_context(
        {Egress: Egress(settings.http_allow), Shell: Shell(settings.allow_shell)}
    )
    client = connect(redis_url)
    task_types = known_task_types(adopted, allow_shell=settings.allow_shell)
    try:
        async with Database(postgres.url if postgres is not None else _secret(settings.database_url)) as database:
            yield Resources(
                settings, database, client, keys, sender, receiver, worker_id, task_types, postgres, redis, tracing
            )
    finally:
        await (sender.shutdown() if adopted is None else adopted.close())
        await client.aclose()
        await client.connection_pool.disconnect()
        if tracing is not None:
            await tracing.stop()


def _adopted(settings: Settings, role: Role) -> AdoptedBroker | None:
    """The app's broker, where there is one; raises ConfigurationError."""
    if settings.broker is None:
        return None
    app = import_broker(settings.broker)
    for pickle in pickles_of(app):
        log.warning("broker.pickles", broker=settings.broker, what=pickle, remedy=PICKLE_REMEDY)
    works = role == "worker" or settings.runs_inline_worker
    become_default(app)
    return AdoptedBroker(app, works=works, sends=role == "up")


def _own_brokers(settings: Settings, redis_url: str, keys: Keys, worker_id: str) -> tuple[Broker, Broker]:
    """Horarium's own, one to send through and one to receive from."""
    url = _secret(settings.broker_url) or redis_url
    made = partial(make_broker, url, keys, queues=settings.queues, amqp_queues=settings.amqp_queues)
    sender = made(consumer=f"{worker_id}:sender")
    receiver = made(consumer=worker_id, concurrency=settings.worker_concurrency)
    for broker in (sender, receiver):
        taskiq_broker(broker).with_result_backend(Results(redis_url, keys))
    taskiq_broker(receiver).is_worker_process = True
    async_shared_broker.default_broker(taskiq_broker(sender))  # so that a task may kick another
    return sender, receiver


def _secret(value: SecretStr | None) -> str:
    return "" if value is None else value.get_secret_value()
