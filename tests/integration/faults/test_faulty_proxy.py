"""The proxy of the chaos suites does to real connections what it says, and a server is frozen and killed for real."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg
import pytest
from anyio.from_thread import start_blocking_portal
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError
from redis.retry import Retry

from horarium.embedded import DataDir, EmbeddedRedis
from tests.support.faulty_proxy import FaultyProxy, Mode, PostgresAnswers, RedisAnswers
from tests.support.private_servers import PrivateServer, private_server
from tests.support.servers import temporary_data_dir

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio.from_thread import BlockingPortal

SOON_SECONDS = 2.0


def a_client(url: str) -> Redis:
    """One that asks once, and not for long."""
    return Redis.from_url(url, socket_timeout=SOON_SECONDS, retry=Retry(NoBackoff(), 0))


# Redis


@pytest.fixture
def proxy(server_portal: BlockingPortal, redis_url: str) -> Iterator[FaultyProxy]:
    with FaultyProxy(Path(unquote(urlsplit(redis_url).path)), RedisAnswers).running(server_portal) as made:
        yield made


@pytest.fixture
def client(proxy: FaultyProxy) -> Iterator[Redis]:
    with a_client(f"redis://127.0.0.1:{proxy.port}/0") as made:
        yield made


def test_a_cut_answer_is_of_a_command_that_is_done(proxy: FaultyProxy, client: Redis, redis_prefix: str) -> None:
    client.ping()

    with proxy.faring(Mode(cuts_every=1)), pytest.raises(RedisConnectionError):
        client.incr(f"{redis_prefix}cut")

    assert client.get(f"{redis_prefix}cut") == b"1"
    assert proxy.cut["reply"] == 1


def test_a_silent_proxy_passes_on_afterwards_what_came_meanwhile(
    proxy: FaultyProxy, client: Redis, redis_prefix: str
) -> None:
    client.ping()

    with proxy.faring(Mode(silent=True)), pytest.raises(RedisTimeoutError):
        client.incr(f"{redis_prefix}silent")

    assert client.incr(f"{redis_prefix}silent") == 2


def test_a_forgotten_connection_stays_silent_and_a_new_one_does_not(proxy: FaultyProxy, client: Redis) -> None:
    client.ping()
    with proxy.faring(Mode(silent=True, forgets=True)):
        pass

    with pytest.raises(RedisTimeoutError):
        client.ping()

    assert client.ping()


def test_a_proxy_that_refuses_ends_connections_and_takes_no_more(proxy: FaultyProxy, client: Redis) -> None:
    client.ping()

    with proxy.faring(Mode(refuses=True)):
        for _ in range(2):
            with pytest.raises(RedisConnectionError):
                client.ping()

    assert client.ping()


def test_latency_and_trickle_take_their_time(proxy: FaultyProxy, client: Redis, redis_prefix: str) -> None:
    client.set(f"{redis_prefix}long", b"x" * 1000)

    with proxy.faring(Mode(latency=0.05)):
        began = time.monotonic()
        client.ping()
        assert time.monotonic() - began >= 0.1
    with proxy.faring(Mode(bytes_per_second=5_000)):
        began = time.monotonic()
        assert client.get(f"{redis_prefix}long") == b"x" * 1000
        assert time.monotonic() - began >= 0.15


# Postgres


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["asyncio"])
async def test_a_cut_answer_is_of_a_transaction_that_is_committed(
    server_portal: BlockingPortal, database_url: str
) -> None:
    url = urlsplit(database_url)
    (folder,) = parse_qs(url.query)["host"]
    with FaultyProxy(Path(folder) / ".s.PGSQL.5432", PostgresAnswers).running(server_portal) as proxy:
        cut = await asyncpg.connect(f"postgresql://postgres@127.0.0.1:{proxy.port}{url.path}?sslmode=disable")
        await cut.execute("CREATE TABLE t (n integer)")
        proxy.switch(Mode(cuts_every=1))
        transaction = cut.transaction()
        await transaction.start()
        await cut.execute("INSERT INTO t VALUES (1)")
        assert not proxy.cut, "the insert alone is not committed"

        with pytest.raises(asyncpg.ConnectionDoesNotExistError):
            await transaction.commit()

    past = await asyncpg.connect(database_url)
    assert await past.fetchval("SELECT count(*) FROM t") == 1
    assert proxy.cut == {"COMMIT": 1}
    await past.close()


# Servers


@pytest.fixture
def private() -> Iterator[PrivateServer]:
    with (
        temporary_data_dir() as root,
        DataDir(root),
        start_blocking_portal("asyncio") as portal,
        private_server(portal, EmbeddedRedis, root) as server,
    ):
        yield server


def test_a_frozen_server_answers_nothing_until_it_goes_on(private: PrivateServer) -> None:
    with a_client(private.server.url) as client:
        with private.frozen(), pytest.raises(RedisTimeoutError):
            client.ping()

        assert client.ping()


def test_a_killed_server_starts_again_on_its_data(private: PrivateServer) -> None:
    with a_client(private.server.url) as client:
        client.set("kept", "yes")
        private.kill()
        with pytest.raises(RedisConnectionError):
            client.ping()

        private.start()

        assert client.get("kept") == b"yes"
