"""What is left in a data directory: servers of an owner that was killed, numbers of other processes, half an initdb."""

from __future__ import annotations

import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from horarium.embedded import DataDir, EmbeddedPostgres, EmbeddedRedis
from tests.support import embedded_owner
from tests.support.own_servers import anyio_backend, client, data_dir, processes, sql, up
from tests.support.servers import temporary_data_dir

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["anyio_backend", "data_dir"]

pytestmark = pytest.mark.anyio


@pytest.fixture
def leftovers() -> Iterator[Path]:
    """A data directory whose owner was killed while both its servers were up."""
    with temporary_data_dir() as path:
        command = [sys.executable, embedded_owner.__file__, str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as owner:  # noqa: S603  # our own script
            assert owner.stdout
            assert owner.stdout.readline() == b"up\n"
            owner.kill()
        with DataDir(path):
            yield path
            assert processes(path) == []


async def test_the_servers_of_a_killed_owner_are_stopped_in_order_and_started_anew(leftovers: Path) -> None:
    postgres, cache = EmbeddedPostgres(leftovers), EmbeddedRedis(leftovers)
    left = processes(leftovers)
    assert {process.info["name"] for process in left} == {"postgres", cache.programs().name}

    async with up(postgres, cache):
        assert await sql(postgres, "SELECT 1") == 1
        async with client(cache) as connection:
            assert await connection.ping()
        assert not any(process.is_running() for process in left)

    assert "database system was shut down" in (leftovers / "postgres.log").read_text()
    assert "interrupted" not in (leftovers / "postgres.log").read_text()


@pytest.fixture
def stranger(data_dir: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process in Redis's directory that a stale pid file names."""
    home = data_dir / "redis"
    home.mkdir(mode=0o700)
    with subprocess.Popen(["/bin/sleep", "60"], cwd=home) as process:
        (home / "redis.pid").write_text(str(process.pid))
        yield process
        process.kill()


async def test_a_stranger_working_in_the_data_directory_is_left_alone(
    data_dir: Path, stranger: subprocess.Popen[bytes]
) -> None:
    async with up(EmbeddedRedis(data_dir)):
        assert stranger.poll() is None


@contextmanager
def process_of_the_owner(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process of Postgres' own account that has nothing to do with it."""
    owner = home.stat()
    with subprocess.Popen(["/bin/sleep", "60"], cwd="/", user=owner.st_uid, group=owner.st_gid) as process:
        yield process
        process.kill()


async def test_a_number_from_before_a_power_cut_does_not_keep_postgres_from_starting(data_dir: Path) -> None:
    """Postgres itself would take the process of that number for the Postgres before it."""
    home = data_dir / "postgres"
    files = (home / "postmaster.pid", home / ".s.PGSQL.5432.lock")
    async with up(postgres := EmbeddedPostgres(data_dir)):
        left = [file.read_text().partition("\n")[2] for file in files]

    with process_of_the_owner(home) as namesake:
        for file, rest in zip(files, left, strict=True):
            file.write_text(f"{namesake.pid}\n{rest}")
        async with up(postgres):
            assert await sql(postgres, "SELECT 1") == 1
        assert namesake.poll() is None


async def test_an_initdb_that_was_cut_off_is_done_again(data_dir: Path) -> None:
    (data_dir / "postgres.new").mkdir()
    (data_dir / "postgres.new" / "PG_VERSION").write_text("18")

    async with up(postgres := EmbeddedPostgres(data_dir)):
        assert await sql(postgres, "SELECT 1") == 1
