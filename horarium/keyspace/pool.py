"""The one Redis pool of a process, with a deadline on everything and retries that redis-py leaves off.

`from_url` retries nothing and never checks an idle connection unless told to; both are set here, so a restarted
Redis costs a retry and not an error. What still fails is Unavailable to callers, by `redis_errors()`.

Retries multiply: a command is tried again, and so is, within each try, the connection. With a Redis that accepts
connections and answers nothing (it is stopped, or its disk is), that comes to more than a minute, though every single
wait has its timeout. So `redis_errors()` is also the deadline of the whole call.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
from redis.asyncio import BlockingConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialWithJitterBackoff
from redis.exceptions import (
    BusyLoadingError,
    ExecAbortError,
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from horarium.errors import Unavailable
from horarium.keyspace.packing import pack_quickly
from horarium.pools import PoolUse

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["ACQUIRE_SECONDS", "connect", "connection_options", "pool_use", "redis_errors"]

AWAY = (
    RedisConnectionError,
    RedisTimeoutError,
    BusyLoadingError,
    ExecAbortError,  # it did not take one of the commands, all of which it knows
    MasterDownError,
    OutOfMemoryError,
    ReadOnlyError,
)
REFUSED = re.compile(r"(?:^|: -|\(['\"])(?:BUSY|MASTERDOWN|MISCONF|NOREPLICAS|OOM|READONLY|UNBLOCKED force) ")
"""What redis-py has no error of its own for, of a server that takes no writes: its disk or its memory is full, it is or
becomes a replica. It stands at the beginning, or within the words for a pipeline, or a script before Redis 7, that was
refused."""

MAX_CONNECTIONS = 32
CONNECT_SECONDS = 3.0
COMMAND_SECONDS = 3.0
"""Every connection of a pool may have been cut off in silence, and each is found out only when it is used."""
ACQUIRE_SECONDS = 5.0
CALL_SECONDS = 8.0
"""How long a call may take in all: one command's timeout and time for a retry."""


def connection_options() -> dict[str, object]:
    """What every connection to Redis is made with, the broker's included."""
    return {
        "socket_connect_timeout": CONNECT_SECONDS,
        "socket_timeout": COMMAND_SECONDS,
        "health_check_interval": 15,
        "retry": Retry(ExponentialWithJitterBackoff(base=0.05, cap=0.5), retries=3),
        "retry_on_error": [RedisConnectionError, RedisTimeoutError, BusyLoadingError],
    }


def connect(url: str) -> Redis:
    """A client over a pool of its own; nothing is sent before the first command. Close it with `aclose()`."""
    pool = BlockingConnectionPool.from_url(
        url, max_connections=MAX_CONNECTIONS, timeout=ACQUIRE_SECONDS, **connection_options()
    )
    pack_quickly(pool)
    return Redis.from_pool(pool)


def pool_use(client: Redis) -> PoolUse:
    """How much of the pool of a client is in use now."""
    (idle, _), (in_use, _) = client.connection_pool.get_connection_count()
    return PoolUse(idle + in_use, in_use, MAX_CONNECTIONS)


@contextmanager
def redis_errors(what: str = "Redis") -> Iterator[None]:
    """Turn "Redis is away", silent for too long, or taking no writes into Unavailable; other errors pass through."""
    try:
        with anyio.fail_after(CALL_SECONDS):
            yield
    except (TimeoutError, *AWAY) as error:
        raise Unavailable(what) from error
    except ResponseError as error:
        if REFUSED.search(str(error)):
            raise Unavailable(what) from error
        raise
