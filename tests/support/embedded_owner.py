"""Owns a data directory and runs both servers until it is killed: `python embedded_owner.py DATA_DIR`."""

from __future__ import annotations

import sys
from pathlib import Path

import anyio

from horarium.embedded import DataDir, EmbeddedPostgres, EmbeddedRedis
from horarium.logs import configure_logging
from horarium.supervisor import ChildContext


async def own(path: Path) -> None:
    async with anyio.create_task_group() as servers:
        await servers.start(EmbeddedPostgres(path).run, ChildContext("a server", 1))
        await servers.start(EmbeddedRedis(path).run, ChildContext("a server", 1))
        sys.stdout.write("up\n")
        sys.stdout.flush()


if __name__ == "__main__":
    configure_logging("json", "error")
    with DataDir(Path(sys.argv[1])) as directory:
        anyio.run(own, directory.path)
