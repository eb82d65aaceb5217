"""The supervision tree, as data. Reading it is reading the architecture.

    horarium (rest_for_one)
    ├─ servers (one_for_one)     embedded mode only: postgres, redis
    ├─ bootstrap                 schema, first account; runs to its end
    ├─ core (one_for_one)
    │   ├─ history_writer        batches events into Redis history lists and the stream of events
    │   ├─ token_service         issues, rotates and revokes tokens
    │   ├─ schedule_loader       Postgres configs -> Redis due index; keeps the two equal
    │   ├─ leader                one supervisor among several dispatches
    │   ├─ dispatcher            due index -> execution rows -> broker
    │   ├─ publisher             re-publishes rows whose message never made it
    │   ├─ timeout_sweeper       past-deadline and orphaned executions -> final state
    │   ├─ cleanup               retention, orphan keys, stream trimming
    │   ├─ auditor               recomputes expected ticks and compares them with the ledger
    │   ├─ notifier              what ended badly, and what is well again -> webhooks and mail
    │   └─ event_reader          the stream of events -> the clients of this process' API
    ├─ label_schedules           schedules in the labels of taskiq tasks -> configs; runs to its end
    ├─ worker                    where tasks run inside this process
    └─ api

Children start top to bottom, each ready before the next, and stop bottom to top. An actor waits out a server that is
away by itself; a restart is for what it cannot go on from, and too many of them end the process, so that whoever runs
it (a container, systemd) starts it afresh.
"""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from horarium.actors.api import Api
from horarium.actors.auditor import Auditor
from horarium.actors.bootstrap import Bootstrap, SchemaGate
from horarium.actors.cleanup import Cleanup, Retention
from horarium.actors.dispatcher import Dispatcher
from horarium.actors.event_reader import EventReader
from horarium.actors.history_writer import HistoryWriter
from horarium.actors.label_schedules import LabelSchedules
from horarium.actors.leader import Leader
from horarium.actors.notifier import Notifier
from horarium.actors.publisher import Publisher
from horarium.actors.schedule_loader import ScheduleLoader
from horarium.actors.timeout_sweeper import TimeoutSweeper
from horarium.actors.token_service import TokenService
from horarium.actors.worker import Worker, WorkerConfig
from horarium.embedded import START_SECONDS, STOP_SECONDS
from horarium.http.app import make_app
from horarium.http.services import Services
from horarium.supervisor import ChildSpec, SupervisorSpec
from horarium.tasks.broker import tidy_of
from horarium.tasks.measured import MeasuredPublisher
from horarium.witness import Witness

if TYPE_CHECKING:
    from collections.abc import Callable

    from horarium.http.liveness import Liveness
    from horarium.resources import Resources
    from horarium.supervisor import ChildStart, Supervisor

__all__ = ["supervisor_tree", "worker_tree"]

BOOTSTRAP_SECONDS = 600.0
"""How long servers may take to appear: an operator may start them after us."""

WATCHDOG_SECONDS = 60.0
"""How long an actor may be silent in the middle of its work: twice what the slowest statement may take."""

SERVER_WATCHDOG_SECONDS = 60.0
"""How long an embedded server may leave questions unanswered."""


def supervisor_tree(
    r: Resources,
    *,
    supervisor: Callable[[], Supervisor],
    tell_password: Callable[[str], None],
    listening: Callable[[int], None],
    liveness: Liveness,
) -> SupervisorSpec:
    """The tree of `horarium up`; `liveness` is what its API says of the event loop."""
    bootstrap = Bootstrap(
        r.database, r.redis, r.sender, admin_password=r.settings.admin_password, tell_password=tell_password
    )
    services = partial(_services, r, supervisor, liveness)
    api = Api(
        lambda: make_app(services(), r.settings.cors_origins, r.tracing),
        r.settings.host,
        r.settings.port,
        listening,
        liveness,
    )
    return SupervisorSpec(
        "horarium",
        (
            *_servers(r),
            ChildSpec("bootstrap", bootstrap.run, restart="transient", start_timeout=BOOTSTRAP_SECONDS),
            _core(r, supervisor),
            *_label_schedules(r),
            *((_worker(r, inline=True),) if r.settings.runs_inline_worker else ()),
            _actor("api", api.run, drain=2.5, shutdown=3.0),
        ),
        strategy="rest_for_one",
    )


def worker_tree(r: Resources, *, supervisor: Callable[[], Supervisor]) -> SupervisorSpec:
    """The tree of `horarium worker`, which ends well when its worker has drained."""
    gate = SchemaGate(r.database, r.redis)
    return SupervisorSpec(
        "horarium",
        (
            ChildSpec("schema_gate", gate.run, restart="transient", start_timeout=BOOTSTRAP_SECONDS),
            _history_writer(r, supervisor),
            _worker(r, inline=False),
        ),
        strategy="rest_for_one",
        auto_shutdown="any_significant",
    )


def _servers(r: Resources) -> tuple[SupervisorSpec, ...]:
    postgres, redis = r.embedded_postgres, r.embedded_redis
    children = tuple(
        ChildSpec(
            name,
            server.run,
            shutdown=STOP_SECONDS,
            start_timeout=START_SECONDS,
            watchdog=SERVER_WATCHDOG_SECONDS,
        )
        for name, server in (("postgres", postgres), ("redis", redis))
        if server is not None
    )
    return (SupervisorSpec("servers", children),) if children else ()


def _core(r: Resources, supervisor: Callable[[], Supervisor]) -> SupervisorSpec:
    m = r.mailboxes
    tokens = TokenService(r.database, r.users, r.credentials, r.sessions)
    led = r.leadership
    loader = ScheduleLoader(r.database, r.due_index, m, leadership=led)
    # A Postgres of our own has no other user, and the lock on its directory says that whoever ran it before is dead.
    leader = Leader(r.database, r.leadership, m, inherits=r.embedded_postgres is not None)
    sender = MeasuredPublisher(r.publisher, r.measures, r.clock)
    dispatcher = Dispatcher(r.database, r.due_index, sender, m, r.clock, leadership=led)
    publisher = Publisher(r.database, r.publisher, leadership=led, tell=m.record)
    sweeper = TimeoutSweeper(
        r.database, r.timeouts, r.workers, m, clock=r.clock, end_pauses=r.task_configs.end_pauses, leadership=led
    )
    retention = Retention(
        timedelta(days=r.settings.retention_days), r.settings.retention_rows, timedelta(days=r.settings.audit_days)
    )
    cleanup = Cleanup(r.database, r.orphans, retention, tidy=tidy_of(r.sender), clock=r.clock, leadership=led)
    auditor = Auditor(r.database, r.workers, r.audit, clock=r.clock, leadership=led)
    notifier = Notifier(r.outbox, r.channels, r.measures, leadership=led)
    reader = EventReader(r.event_stream, r.event_feed, r.measures.told)
    return SupervisorSpec(
        "core",
        (
            _history_writer(r, supervisor),
            _actor("token_service", tokens.run, mailbox=m.tokens),
            _actor("schedule_loader", loader.run, mailbox=m.loader, start_timeout=BOOTSTRAP_SECONDS),
            _actor("leader", leader.run, start_timeout=BOOTSTRAP_SECONDS),
            _actor("dispatcher", dispatcher.run, mailbox=m.dispatcher),
            _actor("publisher", publisher.run, mailbox=m.publisher),
            _actor("timeout_sweeper", sweeper.run),
            _actor("cleanup", cleanup.run),
            _actor("auditor", auditor.run),
            _actor("notifier", notifier.run),
            _actor("event_reader", reader.run, start_timeout=BOOTSTRAP_SECONDS),
        ),
    )


def _actor(name: str, run: ChildStart, **options: Any) -> ChildSpec:
    """A child that works: unlike one that only starts something, it is watched."""
    return ChildSpec(name, run, watchdog=WATCHDOG_SECONDS, **options)


def _history_writer(r: Resources, supervisor: Callable[[], Supervisor]) -> ChildSpec:
    recorded = r.mailboxes.history
    writer = HistoryWriter(r.history, r.event_stream, Witness(recorded, supervisor, r.worker_id))
    return _actor("history_writer", writer.run, mailbox=recorded)


def _label_schedules(r: Resources) -> tuple[ChildSpec, ...]:
    """Only where tasks are somebody's: without them it would remove what those of another start have declared."""
    if r.settings.broker is None and not r.settings.task_modules:
        return ()
    schedules = LabelSchedules(r.tasks, r.task_types, r.applying, clock=r.clock)
    return (ChildSpec("label_schedules", schedules.run, restart="transient"),)


def _worker(r: Resources, *, inline: bool) -> ChildSpec:
    """A worker; one that is not `inline` is done when it has drained, and the process with it."""
    s = r.settings
    config = WorkerConfig(
        r.worker_id, r.queues, s.worker_concurrency, s.sync_processes, s.drain_seconds, inline, r.tracing
    )
    worker = Worker(config, r.receiver, r.database, r.timeouts, r.workers, r.mailboxes, clock=r.clock)
    ends: dict[str, Any] = {} if inline else {"restart": "transient", "significant": True}
    return _actor(
        "worker", worker.run, drain=s.drain_seconds + 1.0, shutdown=3.0, start_timeout=BOOTSTRAP_SECONDS, **ends
    )


def _services(r: Resources, supervisor: Callable[[], Supervisor], liveness: Liveness) -> Services:
    return Services(
        database=r.database,
        redis=r.redis,
        broker=r.sender,
        workers=r.workers,
        worker_control=r.worker_control,
        mailboxes=r.mailboxes,
        authenticator=r.authenticator,
        accounts=r.accounts,
        api_keys=r.api_keys,
        audit_log=r.audit_log,
        task_types=r.task_types,
        task_configs=r.task_configs,
        applying=r.applying,
        advisor=r.advisor,
        executions=r.executions,
        backfills=r.backfills,
        limits=r.limits,
        notifications=r.notifications,
        views=r.views,
        overview=r.overview,
        figures=r.figures,
        event_feed=r.event_feed,
        leadership=r.leadership,
        audit=r.audit,
        measures=r.measures,
        supervisor=supervisor,
        liveness=liveness,
        clock=r.clock,
        trusted_proxies=r.settings.trusted_proxies,
        metrics_need_token=r.settings.metrics_need_token,
    )
