"""A small load that exercises everything: what is due before a house starts, and what people do to it while it runs.

Ticks have been owed for half a minute when the first process starts, so it begins with a catch-up. Versions of configs
are kept by a trigger of the tests, because only the database knows for certain which change a kill let through.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from itertools import count
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

from uuid_utils.compat import uuid7

from horarium.keyspace.due_index import to_ms
from horarium.model import TaskConfigCreate
from horarium.schedule import normalise_config
from horarium.sql.database import Database
from horarium.sql.migrator import migrate
from horarium.sql.queries import QUERIES
from tests.support.processes import Client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from horarium.sql.queries import Connection

__all__ = ["OWED_SECONDS", "Driver", "every_second", "prepare", "seed", "some_config"]

OWED_SECONDS = 30
EXPIRED_ROWS = 50
EXPIRED = timedelta(days=40)
PAUSE_SECONDS = 0.05
AWAY_SECONDS = 0.1
OVERTAKEN = "must be in the future"
"""What a short pause is answered that was over before it arrived."""

VERSIONS = """
CREATE TABLE config_versions (LIKE task_configs, number bigint GENERATED ALWAYS AS IDENTITY);
CREATE FUNCTION keep_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO config_versions SELECT NEW.*;
    RETURN NULL;
END $$;
CREATE TRIGGER keep_version AFTER INSERT OR UPDATE ON task_configs FOR EACH ROW EXECUTE FUNCTION keep_version();
"""
ADMIN = "INSERT INTO users (username, role, password_hash) VALUES ('driver', 'admin', 'none') RETURNING id"
EXPIRED_ROW = """
INSERT INTO executions (
    id, config_id, task_type, trigger, status, queue, priority, timeout_seconds, max_retries, retry_backoff_seconds,
    scheduler_type, created_at, completed_at
)
VALUES ($1, $2, 'journal.works', 'manual', 'success', 'default', 5, 60, 0, 0, 'manual', $3, $3)
"""
ONE_AT_ONCE = (
    "INSERT INTO limits (kind, name, max_running, updated_by) VALUES ('task_type', 'journal.limited', 1, 'the load')"
)
EVERYTHING_IS_TOLD = (
    "INSERT INTO notification_rules (name, events, repeat, errors, webhook_url, secret, enabled) VALUES"
    " ('the load', '{failed,timeout,lost,missed}', 'every', 'kind', 'http://127.0.0.1:9/', 'whsec_', true)"
)
"""To nobody: what is sent there is refused, and tried again."""

EVERY_SECOND = {"cron_expression": "* * * * * *", "timezone": "UTC"}
EVERY_OTHER = {"cron_expression": "*/2 * * * * *", "timezone": "UTC"}


def every_second(name: str, journal: Path, seconds: float, **fields: Any) -> dict[str, Any]:
    """A config whose task takes so long, every second."""
    known = {"name": name, "task_type": "journal.works", "parameters": {"journal": str(journal), "seconds": seconds}}
    known |= {"scheduler_type": "cron", "schedule_config": EVERY_SECOND, "queue": "default"}
    return known | {"overlap": "allow_all", "catchup": "all", "catchup_window_seconds": 20} | fields


def everything(journal: Path, now: datetime) -> Iterator[dict[str, Any]]:
    """Configs of every kind and policy."""
    every_other = {"scheduler_type": "interval", "schedule_config": {"seconds": 2}}
    once = {"run_date": (now + timedelta(seconds=5)).isoformat(), "timezone": "UTC"}
    yield every_second("every", journal, 0.3)
    yield every_second("single", journal, 0.6, overlap="skip", max_retries=1, retry_backoff_seconds=0.2)
    yield every_second("latest", journal, 0.2, overlap="skip", catchup="latest")
    yield every_second("skipping", journal, 0.2, catchup="skip")
    yield every_second("slow", journal, 1.5, overlap="skip", catchup="latest")
    yield every_second("waiting", journal, 1.3, overlap="buffer_one", catchup="latest")
    yield every_second("replacing", journal, 1.7, overlap="cancel_other", catchup="latest")
    yield every_second("long", journal, 2.5, catchup="latest", **every_other)
    yield every_second("endless", journal, 60, catchup="latest", timeout_seconds=0.7, **every_other)
    faltering = {"task_type": "journal.falters", "max_retries": 1, "retry_backoff_seconds": 0.3}
    yield every_second("faltering", journal, 0.1, **faltering)
    limited = {"task_type": "journal.limited", "overlap": "skip", "catchup": "latest"}
    yield every_second("limited", journal, 0.3, **limited)
    yield every_second("limited, too", journal, 0.3, **limited)
    yield every_second("once", journal, 0.1, scheduler_type="date", schedule_config=once)
    yield every_second("ending", journal, 0.1, end_at=now + timedelta(seconds=6))
    yield every_second("by hand", journal, 0.2, scheduler_type="manual", schedule_config={})
    yield every_second("edited", journal, 0.1)
    yield every_second("paused", journal, 0.1)


def some_config(journal: Path, number: int) -> dict[str, Any]:
    """A new config, every other one for a single date to come."""
    name = f"new {uuid4().hex}"
    soon = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=2)
    once = {"run_date": soon.isoformat(), "timezone": "UTC"}
    if number % 2:
        return every_second(name, journal, 0.1)
    return every_second(name, journal, 0.1, scheduler_type="date", schedule_config=once)


async def prepare(database_url: str) -> int:
    """Bring a new database to the schema, keep the versions of its configs, and make an admin; answers its id."""
    async with Database(database_url) as database:
        await migrate(database)
        async with database.connection() as connection:
            await connection.execute(VERSIONS)
            return int(await connection.fetchval(ADMIN))


async def seed(database_url: str, configs: Iterator[dict[str, Any]], *, owed_since: datetime) -> None:
    """Make these configs, which have owed ticks for a while, and some executions past their retention."""
    async with Database(database_url) as database, database.transaction() as connection:
        await connection.execute(ONE_AT_ONCE)
        await connection.execute(EVERYTHING_IS_TOLD)
        for config in configs:
            config_id = await _insert(connection, config, owed_since)
            if config["scheduler_type"] == "manual":
                await _insert_expired(connection, config_id, owed_since - EXPIRED)


async def _insert(connection: Connection, config: dict[str, Any], owed_since: datetime) -> int:
    wanted = TaskConfigCreate.model_validate(config).model_dump()
    wanted["schedule_config"] = normalise_config(wanted["scheduler_type"], wanted["schedule_config"], now=owed_since)
    row = await QUERIES.task_config_insert.row(connection, **wanted, scheduled_from=owed_since, created_by=None)
    assert row is not None
    return int(row["id"])


async def _insert_expired(connection: Connection, config_id: int, instant: datetime) -> None:
    random_bits = uuid7().int & (2**80 - 1)
    ids = [UUID(int=(to_ms(instant) << 80) + random_bits + n) for n in range(EXPIRED_ROWS)]
    await connection.executemany(EXPIRED_ROW, [(id_, config_id, instant) for id_ in ids])


@dataclass
class Driver:
    """People who run, edit, pause, make and delete configs, one thing after the other, whether or not it works.

    `url` answers where the API is now. What was answered with success is remembered: it must be true afterwards. Of a
    deletion that was not answered either may be true.
    """

    url: Callable[[], str]
    token: str
    ids: dict[str, int]
    fresh: Callable[[int], dict[str, Any]]
    keys: set[str] = field(default_factory=set)
    made: set[int] = field(default_factory=set)
    asked_to_delete: set[int] = field(default_factory=set)
    deleted: set[int] = field(default_factory=set)
    refusals: list[str] = field(default_factory=list)
    _stopping: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread = threading.Thread(target=self._drive, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Come to an end; what is being done is done."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _drive(self) -> None:
        for number in count():
            for act in (self._run, self._edit, self._pause, self._retry, self._backfill, self._make, self._delete):
                if self._stopping.wait(PAUSE_SECONDS):
                    return
                act(number)

    def _call(
        self, method: str, path: str, body: object = None, query: Mapping[str, object] | None = None, **headers: str
    ) -> Any:
        """What the API answered, or None while there is none, or it has no database or the like."""
        try:
            answer = Client(self.url(), self.token).call(method, path, body, headers=headers, **(query or {}))
        except OSError:
            self._stopping.wait(AWAY_SECONDS)
            return None
        if answer.status >= HTTPStatus.BAD_REQUEST:
            expected = (HTTPStatus.CONFLICT, HTTPStatus.NOT_FOUND, HTTPStatus.SERVICE_UNAVAILABLE)
            fair = answer.status in expected or OVERTAKEN in str(answer.body)
            self.refusals += [] if fair else [f"{method} {path}: {answer}"]
            return None
        return answer.body or {}

    def _run(self, _number: int) -> None:
        """Run by hand, and ask with the same key until it is answered."""
        key = uuid4().hex
        deadline = time.monotonic() + 30
        path = f"/task-configs/{self.ids['by hand']}/run"
        while self._call("POST", path, {}, **{"Idempotency-Key": key}) is None:
            if self._stopping.is_set() or time.monotonic() > deadline:
                return
        self.keys.add(key)

    def _retry(self, _number: int) -> None:
        """Repeat what has failed last, if anything has."""
        failed = self._call("GET", "/executions", query={"limit": 1, "status": "timeout"})
        key = uuid4().hex
        for each in (failed or {}).get("items", ()):
            if self._call("POST", f"/executions/{each['task_id']}/retry", **{"Idempotency-Key": key}) is not None:
                self.keys.add(key)

    def _backfill(self, number: int) -> None:
        """Run what was skipped lately; and now and then a tick from before a config was there, another each time.

        Seldom, since a backfill gives way to ticks: with a config that always has a run waiting it would pile up.
        """
        if number % 4:
            now = datetime.now(UTC)
            self._run_again(("skipping", "single")[number % 2], now - timedelta(seconds=4), now)
        else:
            before = datetime(2020, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
            name = ("waiting", "skipping", "single")[number // 4 % 3]
            self._run_again(name, before, before + timedelta(seconds=1))

    def _run_again(self, name: str, start: datetime, end: datetime) -> None:
        span = {"start": start.isoformat(), "end": end.isoformat()}
        self._call("POST", f"/task-configs/{self.ids[name]}/backfill", span)

    def _edit(self, number: int) -> None:
        schedule = EVERY_OTHER if number % 2 else EVERY_SECOND
        self._call("PATCH", f"/task-configs/{self.ids['edited']}", {"schedule_config": schedule})

    def _pause(self, number: int) -> None:
        """Pause and resume in turn; every other pause ends by itself, and is left the time to."""
        path = f"/task-configs/{self.ids['paused']}"
        soon = (datetime.now(UTC) + timedelta(seconds=0.3)).isoformat()
        if number % 4 == 0:
            self._call("POST", f"{path}/pause", {"until": soon})
        elif number % 4 == 2:
            self._call("POST", f"{path}/pause", {})
        elif number % 4 == 3:
            self._call("POST", f"{path}/resume")

    def _make(self, number: int) -> None:
        made = self._call("POST", "/task-configs", self.fresh(number))
        if made:
            self.made.add(int(made["id"]))

    def _delete(self, _number: int) -> None:
        """Delete the oldest of the new ones, while there are several."""
        left = sorted(self.made - self.deleted)
        if len(left) > 4:
            self.asked_to_delete.add(left[0])
            if self._call("DELETE", f"/task-configs/{left[0]}") is not None:
                self.deleted.add(left[0])
