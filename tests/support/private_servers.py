"""A Postgres or a Redis of one's own, to be killed, frozen and started again on the same data and the same socket.

They are the product's embedded servers. What is done to them is done from outside: to every process that works in
their data directory, since each backend of a Postgres is one.
"""

from __future__ import annotations

from concurrent.futures import Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import psutil  # type: ignore[import-untyped]  # ships no types

from horarium.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServerDied
from horarium.supervisor import ChildContext
from tests.support.processes import servers_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Never, Self

    from anyio.from_thread import BlockingPortal

__all__ = ["PrivateServer", "private_server"]

END_SECONDS = 60.0


@dataclass
class PrivateServer:
    """A server that runs in the portal's loop as a supervised child would, but for the supervisor."""

    portal: BlockingPortal
    server: EmbeddedPostgres | EmbeddedRedis
    pidfile: Path
    _running: Future[Never] = field(default_factory=Future)

    @property
    def socket(self) -> Path:
        """Where it listens."""
        url = urlsplit(self.server.url)
        if url.scheme == "unix":
            return Path(unquote(url.path))
        query = parse_qs(url.query)
        return Path(query["host"][0]) / f".s.PGSQL.{query['port'][0]}"

    def start(self) -> None:
        """Start it, and wait until it answers: after a kill it recovers first."""
        self._running, _ = self.portal.start_task(self.server.run, ChildContext("a server", 1))

    def stop(self) -> None:
        """Stop it in order, if it runs."""
        self._running.cancel()
        wait([self._running], END_SECONDS)

    def kill(self) -> None:
        """End it as `kill -9` does: the main process, and with it the others find their end."""
        psutil.Process(self._main).kill()
        died = self._running.exception(END_SECONDS)
        assert isinstance(died, EmbeddedServerDied), died

    @contextmanager
    def frozen(self) -> Iterator[Self]:
        """Stopped by SIGSTOP while the block lasts: the kernel accepts connections for it, and nothing is answered."""
        main = psutil.Process(self._main)
        main.suspend()  # first: it makes no more of them
        others = [process for process in servers_of(self.server.data_dir) if self._is_part(process)]
        for process in others:
            process.suspend()
        try:
            yield self
        finally:
            for process in [*others, main]:
                process.resume()

    @property
    def _main(self) -> int:
        return int(self.pidfile.read_text().split("\n", 1)[0])

    def _is_part(self, process: psutil.Process) -> bool:
        return bool(process.pid != self._main and process.info["cwd"] == str(self.pidfile.parent.resolve()))


@contextmanager
def private_server(
    portal: BlockingPortal, kind: type[EmbeddedPostgres | EmbeddedRedis], root: Path
) -> Iterator[PrivateServer]:
    """One, started; stopped when the block ends. Whoever calls it owns the data directory `root`."""
    server = kind(root)
    pidfile = root / ("postgres/postmaster.pid" if kind is EmbeddedPostgres else "redis/redis.pid")
    private = PrivateServer(portal, server, pidfile)
    private.start()
    try:
        yield private
    finally:
        private.stop()
