"""What befalls a house under load: each fault begins when its block is entered and is over when the block is left.

So a server that is killed is back at the end, a process that is killed has been started again, and whatever a proxy
did it does no more. From there the ten seconds count in which everything must fire again.
"""

from __future__ import annotations

import math
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import cycle
from typing import TYPE_CHECKING, Any

import orjson
import redis

from horarium.keyspace.keys import Keys
from tests.support.faulty_proxy import Mode
from tests.support.poison import POISON, message
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.chaos_house import ChaosHouse
    from tests.support.faulty_proxy import FaultyProxy
    from tests.support.private_servers import PrivateServer
    from tests.support.rabbitmq import RabbitMQ

__all__ = ["FAULTS", "FIVE", "TWO", "Fault", "Scene", "Strike", "killed_in_turn"]

COPIES = 10
LATE_SECONDS = 1.5
"""Longer than most tasks take."""

LOST_MESSAGES = 5
BLOCK_MS = 200
POISON_PAUSE_SECONDS = 0.05


@dataclass
class Scene:
    """A house, its servers, and the proxies through which it reaches them; one of its workers has its own to Redis.

    RabbitMQ is there for the faults that are about it, and then it carries the messages.

    `freezes` says when a process was frozen and when it went on; `counts` what a fault has really done.
    """

    house: ChaosHouse
    postgres: PrivateServer
    redis: PrivateServer
    to_postgres: FaultyProxy
    to_redis: FaultyProxy
    worker_to_redis: FaultyProxy
    rabbitmq: RabbitMQ | None = None
    freezes: dict[int, tuple[datetime, datetime]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def queue(self) -> str:
        """The stream of the only queue."""
        return Keys(self.house.prefix).queue("default")

    def count(self, what: str, times: int) -> None:
        """Note what was really done."""
        self.counts[what] = self.counts.get(what, 0) + times

    def redis_client(self) -> redis.Redis:
        """Past the proxy."""
        return redis.Redis.from_url(self.redis.server.url)


Strike = Callable[["Scene"], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """One fault and how many seconds it lasts.

    `silent_log`: whatever the house prints meets a full disk. `lengthy`: some tasks outlast the fault. `over_rabbitmq`:
    it carries the messages, instead of Redis.
    """

    strikes: Strike
    seconds: float
    workers: tuple[str, ...] = ("worker",)
    silent_log: bool = False
    lengthy: bool = False
    over_rabbitmq: bool = False


# Processes


def _killed(name: str) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        scene.house.end(name)
        yield
        scene.house.start(name)

    return strike


def killed_in_turn(*names: str, every: float) -> Strike:
    """One of them after the other, again and again, each started again at once."""

    @contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        def kill(stopping: threading.Event) -> None:
            for name in cycle(names):
                scene.house.end(name)
                scene.house.start(name)
                scene.count("workers killed", 1)
                if stopping.wait(every):
                    break

        with _meanwhile(kill):
            yield

    return strike


def _frozen(name: str) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        since = datetime.now(UTC)
        with scene.house.frozen(name) as pid:
            yield
            scene.freezes[pid] = (since, datetime.now(UTC))

    return strike


@contextmanager
def _log_full(scene: Scene) -> Iterator[None]:
    """Nothing that is said gets anywhere, from the start on; and now there is much to say."""
    with _flushed(scene), _network(Mode(refuses=True), *REDIS)(scene):
        yield


# Servers


def _server_killed(name: str) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        server: PrivateServer = getattr(scene, name)
        server.kill()
        yield
        server.start()

    return strike


def _server_frozen(name: str) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        server: PrivateServer = getattr(scene, name)
        with server.frozen():
            yield

    return strike


@contextmanager
def _flushed(scene: Scene) -> Iterator[None]:
    """At the beginning, and once more at the end, in the middle of healing."""
    _flush(scene)
    yield
    _flush(scene)


def _flush(scene: Scene) -> None:
    """Flush while messages lie there that nobody has read: the worker is held up for a moment."""
    with scene.redis_client() as connection, scene.house.frozen("worker"):
        until(lambda: _unread(scene, connection) >= LOST_MESSAGES)
        lost, keys = _unread(scene, connection), int(connection.dbsize())
        connection.flushall()
    scene.count("keys flushed", keys)
    scene.count("unread messages among them", lost)


def _unread(scene: Scene, connection: redis.Redis) -> int:
    """How many messages no worker has been given."""
    if not connection.exists(scene.queue):
        return 0
    groups: Any = connection.xinfo_groups(scene.queue)
    given = groups[0]["last-delivered-id"].decode() if groups else "0"
    unread: Any = connection.xrange(scene.queue, f"({given}")
    return len(unread)


# The network between

REDIS = ("to_redis", "worker_to_redis")


def _network(mode: Mode, *names: str) -> Strike:
    @contextmanager
    def strike(scene: Scene) -> Iterator[None]:
        proxies: list[FaultyProxy] = [getattr(scene, name) for name in names]
        with ExitStack() as stack:
            for proxy in proxies:
                stack.enter_context(proxy.faring(mode))
            yield
        if mode.cuts_every:
            cut = sum((proxy.cut for proxy in proxies), Counter[str]())
            scene.counts |= {f"{kind} cut": times for kind, times in cut.items()}
            assert cut, "nothing was cut"

    return strike


# What comes by the queue


@contextmanager
def _meanwhile(work: Callable[[threading.Event], None]) -> Iterator[None]:
    """Do `work` in a thread until the block ends; it is told to stop by the event."""
    stopping, failures = threading.Event(), list[BaseException]()

    def run() -> None:
        try:
            work(stopping)
        except BaseException as error:  # noqa: BLE001 - raised where the block ends
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()
    if failures:
        raise failures[0]


@contextmanager
def _delivered_again(scene: Scene) -> Iterator[None]:
    """Every message that is sent is in the queue ten times more: half of them at once, half when its run is over."""

    def copy(stopping: threading.Event) -> None:
        last, seen = b"$", dict[bytes, float]()
        with scene.redis_client() as connection:
            while not stopping.is_set():
                pages: Any = connection.xread({scene.queue: last}, block=BLOCK_MS)
                for entry_id, entry in pages[0][1] if pages else ():
                    last = entry_id
                    if entry[b"data"] not in seen:
                        seen[entry[b"data"]] = time.monotonic() + LATE_SECONDS
                        _add(connection, scene.queue, [entry] * (COPIES // 2))
                late = [data for data, due in seen.items() if due <= time.monotonic()]
                _add(connection, scene.queue, [{b"data": data} for data in late] * (COPIES // 2))
                seen |= dict.fromkeys(late, math.inf)
        scene.count("messages sent again at once", len(seen))
        scene.count("and again later", sum(due == math.inf for due in seen.values()))

    with _meanwhile(copy):
        yield
    assert scene.counts["and again later"] > 0


@contextmanager
def _poisoned(scene: Scene) -> Iterator[None]:
    """What cannot be read, what names no row, and what names a row that is there, for an attempt that is not."""

    def poison(stopping: threading.Event) -> None:
        sent = 0
        small = {name: entry for name, entry in POISON.items() if "megabytes" not in name}
        with scene.redis_client() as connection:
            _add(connection, scene.queue, list(POISON.values()))
            for entry in cycle([*small.values(), message()]):
                _add(connection, scene.queue, [entry, *_forged(scene, connection)])
                sent += 1
                if stopping.wait(POISON_PAUSE_SECONDS):
                    break
        scene.counts["poisoned messages"] = sent

    with _meanwhile(poison):
        yield
    assert scene.counts["poisoned messages"] > len(POISON)


def _forged(scene: Scene, connection: redis.Redis) -> list[dict[bytes, bytes]]:
    """The newest message in the queue, for an attempt before and one after its own."""
    newest: Any = connection.xrevrange(scene.queue, count=1)
    try:
        sent = orjson.loads(newest[0][1][b"data"])
        attempt = sent["labels"]["attempt"]
    except (IndexError, LookupError, TypeError, ValueError):
        return []  # nothing waits, or it is poison itself
    if type(attempt) is not int:
        return []
    forged = [sent | {"labels": sent["labels"] | {"attempt": n}} for n in (attempt - 1, attempt + 1)]
    return [{b"data": orjson.dumps(one)} for one in forged]


def _add(connection: redis.Redis, queue: str, entries: list[Any]) -> None:
    with connection.pipeline(transaction=False) as pipe:
        for entry in entries:
            pipe.xadd(queue, entry)
        pipe.execute()


TWO = ("worker", "other")
FIVE = ("worker", "second", "third", "fourth", "fifth")
FAULTS: dict[str, Fault] = {
    "two of five workers killed in turn": Fault(killed_in_turn("fourth", "fifth", every=3), 60, workers=FIVE),
    "redis away for 60 s": Fault(_server_killed("redis"), 60, workers=TWO),
    "worker frozen for 20 s": Fault(_frozen("worker"), 20, workers=TWO, lengthy=True),
    "worker frozen for 3 s": Fault(_frozen("worker"), 3),
    "two of three workers killed in turn": Fault(killed_in_turn("second", "third", every=2), 5, workers=FIVE[:3]),
    "worker killed": Fault(_killed("worker"), 1, workers=TWO),
    "supervisor killed": Fault(_killed("up"), 1),
    "one worker cut off from redis": Fault(
        _network(Mode(silent=True), "worker_to_redis"), 20, workers=TWO, lengthy=True
    ),
    "supervisor frozen": Fault(_frozen("up"), 10),
    "redis killed": Fault(_server_killed("redis"), 3),
    "redis frozen": Fault(_server_frozen("redis"), 10),
    "redis flushed": Fault(_flushed, 1),
    "redis in a black hole": Fault(_network(Mode(silent=True), *REDIS), 8),
    "redis answers cut": Fault(_network(Mode(cuts_every=10), *REDIS), 8),
    "postgres killed": Fault(_server_killed("postgres"), 3),
    "postgres frozen": Fault(_server_frozen("postgres"), 10),
    "postgres in a black hole": Fault(_network(Mode(silent=True), "to_postgres"), 8),
    "postgres loses its connections in silence": Fault(_network(Mode(silent=True, forgets=True), "to_postgres"), 3),
    "redis loses its connections in silence": Fault(_network(Mode(silent=True, forgets=True), *REDIS), 3),
    "postgres answers cut after the commit": Fault(_network(Mode(cuts_every=8), "to_postgres"), 8),
    "both refuse connections": Fault(_network(Mode(refuses=True), *REDIS, "to_postgres"), 4),
    "both far away": Fault(_network(Mode(latency=0.1), *REDIS, "to_postgres"), 8),
    "both trickle": Fault(_network(Mode(bytes_per_second=5_000), *REDIS, "to_postgres"), 8),
    "messages delivered ten times over": Fault(_delivered_again, 6, workers=TWO),
    "messages poisoned": Fault(_poisoned, 5),
    "log full": Fault(_log_full, 3, silent_log=True),
}
"""By name, the longest first, so that they fill the lanes."""
