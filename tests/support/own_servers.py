"""The embedded servers in a data directory of a test's own, run as a supervisor runs its children.

anyio_backend  function   each test over asyncio's own loop and over uvloop
data_dir       function   locked as its owner has it; nothing may work in it any more when the test is over
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg
import psutil  # type: ignore[import-untyped]  # ships no types
import pytest
import redis.asyncio

from horarium.embedded import DataDir, EmbeddedPostgres, EmbeddedRedis
from horarium.supervisor import ChildContext
from tests.support.servers import temporary_data_dir
from tests.support.waiting import WAIT_SECONDS

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from anyio.abc import TaskGroup

__all__ = ["A_CHILD", "anyio_backend", "client", "data_dir", "main_process", "processes", "sql", "up"]

A_CHILD = ChildContext("a server", 1)


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {"use_uvloop": request.param}


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with temporary_data_dir() as path, DataDir(path):
        yield path
        assert processes(path) == []


@asynccontextmanager
async def up(*servers: EmbeddedPostgres | EmbeddedRedis) -> AsyncIterator[TaskGroup]:
    async with anyio.create_task_group() as group:
        for server in servers:
            await group.start(server.run, A_CHILD)
        yield group
        group.cancel_scope.cancel()


def processes(path: Path) -> list[psutil.Process]:
    found = psutil.process_iter(["cwd", "ppid", "name"])
    return [process for process in found if (process.info["cwd"] or "").startswith(f"{path}/")]


def main_process(path: Path) -> psutil.Process:
    (main,) = [process for process in processes(path) if process.info["ppid"] == psutil.Process().pid]
    return main


async def sql(server: EmbeddedPostgres, statement: str) -> Any:
    connection = await asyncpg.connect(server.url, timeout=WAIT_SECONDS)
    try:
        return await connection.fetchval(statement)
    finally:
        await connection.close()


def client(server: EmbeddedRedis) -> redis.asyncio.Redis:
    return redis.asyncio.Redis.from_url(server.url)
