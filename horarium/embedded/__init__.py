"""The servers Horarium brings along: a private Postgres and a private Redis, each a supervised child process.

With no URL in the settings, `horarium up` runs its own. Each server is an ordinary child of the tree: its `run`
starts the server in the foreground, says it is ready once a client got an answer, and lives as long as the server
does. So a server that dies is restarted by the same rules as any actor, and is stopped in order by cancelling it.

One process owns a data directory at a time (`DataDir`), which is what makes it safe to stop whatever servers an
earlier owner left behind when it was killed. Nothing listens on a network: both are reached through unix sockets
in directories that only their owner may enter.
"""

from __future__ import annotations

from horarium.embedded.alone import beside_postgres
from horarium.embedded.datadir import DataDir, signing_key
from horarium.embedded.postgres import EmbeddedPostgres
from horarium.embedded.process import START_SECONDS, STOP_SECONDS, EmbeddedServerDied
from horarium.embedded.redis import EmbeddedRedis

__all__ = [
    "START_SECONDS",
    "STOP_SECONDS",
    "DataDir",
    "EmbeddedPostgres",
    "EmbeddedRedis",
    "EmbeddedServerDied",
    "beside_postgres",
    "signing_key",
]
