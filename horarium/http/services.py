"""What handlers may reach, handed to the application once."""

from __future__ import annotations

from collections.abc import Callable, Sequence  # noqa: TC003 - a dataclass' fields
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    from datetime import datetime
    from ipaddress import IPv4Network, IPv6Network

    from redis.asyncio import Redis

    from horarium.advice import Advisor
    from horarium.applying import Applying
    from horarium.audit import Audit
    from horarium.audit_log import AuditLog
    from horarium.backfill import Backfills
    from horarium.event_feed import EventFeed
    from horarium.executions import Executions
    from horarium.figures import Figures
    from horarium.http.liveness import Liveness
    from horarium.identity.accounts import Accounts
    from horarium.identity.api_keys import ApiKeys
    from horarium.identity.authenticator import Authenticator
    from horarium.keyspace.workers import Workers
    from horarium.leadership import Leadership
    from horarium.lifecycle import TaskConfigs
    from horarium.limits import Limits
    from horarium.measures import Measures
    from horarium.messages import Mailboxes
    from horarium.notifying.rules import Notifications
    from horarium.overview import Overview
    from horarium.sql.database import Database
    from horarium.supervisor import Supervisor
    from horarium.tasks.broker import Publisher
    from horarium.tasks.registry import TaskTypes
    from horarium.views import Views
    from horarium.worker_control import WorkerControl

__all__ = ["SERVICES", "Services"]


@dataclass(frozen=True, slots=True)
class Services:
    """The shared objects of a process, as the API sees them."""

    database: Database
    redis: Redis
    broker: Publisher
    workers: Workers
    worker_control: WorkerControl
    mailboxes: Mailboxes
    authenticator: Authenticator
    accounts: Accounts
    api_keys: ApiKeys
    audit_log: AuditLog
    task_types: TaskTypes
    task_configs: TaskConfigs
    applying: Applying
    advisor: Advisor
    executions: Executions
    backfills: Backfills
    limits: Limits
    notifications: Notifications
    views: Views
    overview: Overview
    figures: Figures
    event_feed: EventFeed
    leadership: Leadership
    audit: Audit
    measures: Measures
    supervisor: Callable[[], Supervisor]
    liveness: Liveness
    clock: Callable[[], datetime]
    trusted_proxies: Sequence[IPv4Network | IPv6Network] = ()
    metrics_need_token: bool = False


SERVICES: web.AppKey[Services] = web.AppKey("services", Services)
