"""Redis: there, new enough, runs our scripts, evicts nothing, and what a restart of it would cost."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from horarium.clock import utc_now
from horarium.doctor.clocks import clock, offset
from horarium.doctor.diagnosis import failed, ok, warning
from horarium.keyspace.keys import Keys
from horarium.keyspace.pool import connect, redis_errors

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from redis.asyncio import Redis

    from horarium.doctor.diagnosis import Diagnosis
    from horarium.doctor.patient import Patient

__all__ = ["RedisFacts", "ask_broker_redis", "ask_redis", "judge_broker_redis", "judge_redis"]

OLDEST = (6, 2)
PROBE = "redis.call('SET', KEYS[1], ARGV[1], 'PX', 5000) return redis.call('GET', KEYS[1])"
"""What every script of ours needs to be allowed: to run, to write and to read."""

FULL = 0.9


@dataclass(frozen=True, slots=True)
class RedisFacts:
    """As the server says of itself; memory in bytes, `limit` 0 for none."""

    version: str = "7.0.0"
    offset_seconds: float = 0.0
    policy: str = "noeviction"
    used: int = 0
    limit: int = 0
    appends: bool = True
    """Whether every write goes to the append-only file."""
    saves_failed: bool = False
    role: str = "master"
    clustered: bool = False


async def ask_redis(patient: Patient) -> RedisFacts:
    """The facts of the Redis that holds the due index; raises what it refuses a script with."""
    return await _facts(patient.redis.url, Keys(patient.settings.key_prefix))


async def ask_broker_redis(patient: Patient) -> RedisFacts:
    """The facts of the one that carries messages."""
    return await _facts(patient.broker.url, Keys(patient.settings.key_prefix))


async def _facts(url: str, keys: Keys) -> RedisFacts:
    redis = connect(url)
    try:
        with redis_errors():
            before = utc_now()
            seconds, micros = await redis.time()
            after = utc_now()
            info = await redis.info()  # all of it: several sections can be asked for from Redis 7 on
            if info["role"] == "master":
                await _write(redis, keys)
    finally:
        await redis.aclose()
        await redis.connection_pool.disconnect()
    theirs = datetime.fromtimestamp(seconds, UTC) + timedelta(microseconds=micros)
    return _read(info, offset(theirs, before, after))


async def _write(redis: Redis, keys: Keys) -> None:
    await redis.eval(PROBE, 1, keys.probe(secrets.token_hex(4)), "1")


def _read(info: dict[str, Any], offset_seconds: float) -> RedisFacts:
    return RedisFacts(
        version=str(info["redis_version"]),
        offset_seconds=offset_seconds,
        policy=str(info.get("maxmemory_policy", "noeviction")),
        used=int(info.get("used_memory", 0)),
        limit=int(info.get("maxmemory", 0)),
        appends=bool(info.get("aof_enabled")),
        saves_failed="err" in (info.get("rdb_last_bgsave_status"), info.get("aof_last_write_status")),
        role=str(info["role"]),
        clustered=bool(info.get("cluster_enabled")),
    )


def judge_redis(facts: RedisFacts) -> Iterator[Diagnosis]:
    """What to make of them."""
    return _judged("redis", facts, "logins end, and the due index is loaded anew; no tick is lost")


def judge_broker_redis(facts: RedisFacts) -> Iterator[Diagnosis]:
    """The same of the one that carries messages."""
    return _judged("broker redis", facts, "messages in flight are sent again from their rows")


def _judged(name: str, facts: RedisFacts, cost: str) -> Iterator[Diagnosis]:
    yield _version(name, facts)
    yield clock(f"{name} clock", facts.offset_seconds)
    yield _role(name, facts)
    yield _memory(name, facts)
    yield _persistence(name, facts, cost)


def _version(name: str, facts: RedisFacts) -> Diagnosis:
    if tuple(int(part) for part in facts.version.split(".")[:2]) < OLDEST:
        return failed(f"{name} version", facts.version, "upgrade it to 6.2 or newer")
    return ok(f"{name} version", facts.version)


def _role(name: str, facts: RedisFacts) -> Diagnosis:
    check = f"{name} rights"
    if facts.role != "master":
        return failed(check, "it is a replica and takes no writes", "give the address of the primary")
    if facts.clustered:
        return failed(check, "it is a cluster, which our scripts cannot span", "use a Redis that is no cluster")
    return ok(check, "scripts run, and may write")


def _memory(name: str, facts: RedisFacts) -> Diagnosis:
    check = f"{name} memory"
    if facts.policy != "noeviction":
        summary = f"maxmemory-policy is {facts.policy}: under pressure it throws away what we keep there"
        remedy = "CONFIG SET maxmemory-policy noeviction, and in its configuration"
        return failed(check, summary, remedy) if facts.limit else warning(check, summary, remedy)
    if facts.limit and facts.used > FULL * facts.limit:
        remedy = "raise maxmemory; once it is full nothing is scheduled"
        return warning(check, f"{facts.used / facts.limit:.0%} of maxmemory is used", remedy)
    return ok(check, "noeviction")


def _persistence(name: str, facts: RedisFacts, cost: str) -> Diagnosis:
    check = f"{name} persistence"
    if facts.saves_failed:
        return failed(check, "its last write to disk failed", "look at its log and at the space on its disk")
    if not facts.appends:
        return warning(check, f"appendonly is off; when it restarts {cost}", "set appendonly yes to keep them")
    return ok(check, "every write is appended to a file")
