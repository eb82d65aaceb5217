"""A house whose processes are killed: supervisor and workers over servers that somebody else runs, and their evidence.

It is driven from outside and never asked whether all is well: what happened is read from the journal that the tasks
wrote, from the ledger, and from when which process died.
"""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

import asyncpg
import redis

from horarium.identity.access_tokens import AccessTokens
from horarium.keyspace.keys import Keys
from tests.support.chronos import Evidence
from tests.support.identity import KEY
from tests.support.journal import Run, read_journal
from tests.support.processes import END_SECONDS, Client, Running, running
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.crash_names import Place

__all__ = ["ChaosHouse"]

SQL_SECONDS = 30.0
UNFINISHED = "SELECT count(*) FROM executions WHERE completed_at IS NULL"
VERSIONS = "SELECT * FROM config_versions ORDER BY number"
EXECUTIONS = "SELECT * FROM executions ORDER BY id"
TO_STOP = "SELECT id FROM task_configs WHERE deleted_at IS NULL AND status IN ('active', 'paused')"
SETTLE_SECONDS = 90.0
TOKEN_SECONDS = 3600


@dataclass
class ChaosHouse:
    """Use it as a context manager: what still runs at its end is killed.

    `database_url` and `redis_url` are what its processes are given, `truth_url` is where the evidence is read;
    `settings` are for all of them, and `apart` for the one of that name. Where
    `output` takes what they print, instead of files of their own, nothing can be read there, and the API is at `port`.
    """

    folder: Path
    database_url: str
    redis_url: str
    prefix: str
    admin: int
    truth_url: str = ""
    started: dict[str, Running] = field(default_factory=dict)
    deaths: dict[int, datetime] = field(default_factory=dict)
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    settings: dict[str, object] = field(default_factory=dict)
    apart: dict[str, dict[str, object]] = field(default_factory=dict)
    output: Path | None = None
    port: int = 0
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # Processes

    def start(self, name: str, place: Place | None = None, nth: int = 1) -> Running:
        """Start `up` or a worker (any other name), killed at a place if one is given; it may not be ready yet."""
        command = ("up", "--port", str(self.port)) if name == "up" else ("worker",)
        armed = ("-m", "tests.support.crashing", str(place.name), str(nth), str(self.mark), "--") if place else None
        settings = {
            "database_url": self.database_url,
            "redis_url": self.redis_url,
            "key_prefix": self.prefix,
            "data_dir": self.folder / "data",
            "secret_key": KEY,
            "task_modules": "tests.support.journal",
            "access_token_seconds": TOKEN_SECONDS,
            "drain_seconds": 0,
            "inline_worker": 0,
        }
        process = running(
            self.folder / "data",
            *command,
            program=armed or ("-m", "horarium"),
            output=self.output,
            **(settings | self.settings | self.apart.get(name, {})),
        )
        self.started[name] = self._stack.enter_context(process)
        return self.started[name]

    def ready(self, *names: str) -> None:
        """Wait until each of these has said that it is up."""
        for name in names:
            self.started[name].printed(r"(API|reads)")

    def end(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal that ends a process, and wait for that."""
        self.started[name].process.send_signal(number)
        self.gone(name)

    def gone(self, name: str, within: float = END_SECONDS) -> None:
        """Wait for the end of a process and write down when it was."""
        process = self.started[name].process
        process.wait(within)
        self.deaths[process.pid] = datetime.now(UTC)

    @contextmanager
    def frozen(self, name: str) -> Iterator[int]:
        """A process stopped by SIGSTOP while the block lasts; gives its pid."""
        process = self.started[name].process
        process.send_signal(signal.SIGSTOP)
        try:
            yield process.pid
        finally:
            process.send_signal(signal.SIGCONT)

    @property
    def mark(self) -> Path:
        """The file that a process writes to before it kills itself."""
        return self.folder / "mark"

    @property
    def marked(self) -> bool:
        """Whether one has."""
        return self.mark.exists() and self.mark.read_text().endswith("\n")

    # What can be asked of it

    @cached_property
    def token(self) -> str:
        """The admin's."""
        return AccessTokens(KEY, TOKEN_SECONDS).issue(self.admin, 1, now=datetime.now(UTC))[0]

    def url(self) -> str:
        """Where the API is; raises OSError while it is not up."""
        if self.port:
            return f"http://127.0.0.1:{self.port}"
        up = self.started["up"]
        if "API" not in up.out:
            raise ConnectionRefusedError
        return up.url

    @property
    def client(self) -> Client:
        """The admin, at the API as it is now."""
        return Client(self.url() if self.port else self.started["up"].url, self.token)

    def flush(self) -> int:
        """Delete all that this house has in Redis; answers how many keys that were."""
        with redis.Redis.from_url(self.redis_url) as connection:
            names = list(connection.scan_iter(f"{Keys(self.prefix).prefix}*", count=1000))
            return int(connection.delete(*names)) if names else 0

    def rows(self, statement: str, *values: object) -> list[Any]:
        """What the database answers."""
        return asyncio.run(_fetch(self.truth_url or self.database_url, statement, *values))

    @property
    def in_flight(self) -> int:
        """How many executions are not final."""
        return int(self.rows(UNFINISHED)[0][0])

    @property
    def journal(self) -> Path:
        """The file that the tasks write to."""
        return self.folder / "journal"

    @property
    def runs(self) -> list[Run]:
        """What it says so far."""
        return read_journal(self.journal)

    def fires_after(self, instant: datetime, *, config: int, within: float) -> float:
        """Seconds from `instant` to the end of the first run whose tick is later; waits for it."""

        def look() -> Run | None:
            done = (r for r in self.runs if r.config == config and r.tick and r.tick > instant and r.how == "returned")
            return next(done, None)

        run = until(look, within=within)
        assert run.ended is not None
        return (run.ended - instant).total_seconds()

    # The end

    def settle(self, within: float = SETTLE_SECONDS) -> datetime:
        """Stop every config and wait until each row is final; answers up to when ticks were owed.

        Rows that stay unfinished are for the checker to tell of.
        """
        for row in self.rows(TO_STOP):
            answer = self.client.call("POST", f"/task-configs/{row['id']}/stop")
            assert answer.status in (200, 409), answer  # one may have come to its end by itself meanwhile
        stopped_at = datetime.now(UTC)
        with suppress(AssertionError):  # it is late, and the checker says what for
            until(lambda: self.in_flight == 0, within=within)
        return stopped_at

    def evidence(self, stopped_at: datetime) -> Evidence:
        """All there is to judge by."""
        return Evidence(self.rows(VERSIONS), self.rows(EXECUTIONS), self.runs, self.deaths, stopped_at, self.begun)


async def _fetch(url: str, statement: str, *values: object) -> list[Any]:
    connection = await asyncpg.connect(url, timeout=SQL_SECONDS, command_timeout=SQL_SECONDS)
    try:
        for kind in ("json", "jsonb"):
            await connection.set_type_codec(kind, schema="pg_catalog", encoder=json.dumps, decoder=json.loads)
        return list(await connection.fetch(statement, *values))
    finally:
        await connection.close(timeout=SQL_SECONDS)
