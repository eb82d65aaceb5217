"""One fault, from a house under load to the verdict: load, strike, wait it out, fire again, settle, judge.

Each house has servers of its own, since they are killed, and reaches them through proxies; the evidence is read past
those. Its load is steady and never all at rest: tasks of many lengths, two dozen of them due every second.
"""

from __future__ import annotations

import asyncio
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anyio.from_thread import start_blocking_portal

from horarium.embedded import DataDir, EmbeddedPostgres, EmbeddedRedis
from tests.support.chaos_house import ChaosHouse
from tests.support.chaos_load import Driver, every_second, prepare, seed, some_config
from tests.support.chronos import judge
from tests.support.faulty_proxy import FaultyProxy, PostgresAnswers, RedisAnswers
from tests.support.load_faults import FAULTS, Scene
from tests.support.private_servers import private_server
from tests.support.rabbitmq import a_rabbitmq, free_ports
from tests.support.rabbitmq_faults import RABBITMQ_FAULTS
from tests.support.servers import temporary_data_dir
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.chronos import Verdict
    from tests.support.load_faults import Fault

__all__ = ["Outcome", "struck_by"]

HEAL_SECONDS = 10.0
"""How long after a fault's end everything may take to fire again."""

LOOK_SECONDS = 30.0
"""How long it is looked for, so that the figure says how late it was."""

LEAST_RATE = 20.0
"""Executions a second that make a load."""

STEADY = 24
BUSY = 10
LENGTHY_SECONDS = 22
WARM_SECONDS = 4.0
FULL = Path("/dev/full")
WINDOW_SECONDS = 300


@dataclass(frozen=True)
class Outcome:
    """What became of a house that a fault has struck; `rate` is in runs a second, just before."""

    fault: str
    seconds: float
    rate: float
    in_flight: int
    healed: float
    counts: dict[str, int]
    ended_by_themselves: tuple[str, ...]
    refusals: tuple[str, ...]
    verdict: Verdict

    @property
    def broken(self) -> list[str]:
        """Everything that is not as promised, or that keeps this from proving anything."""
        return [
            *(f"{fault.kind}: {fault.what}" for fault in self.verdict.faults),
            *(f"{name} ended by itself" for name in self.ended_by_themselves),
            *self.refusals,
            *([f"fires again only {self.healed:.1f} s later"] if self.healed > HEAL_SECONDS else []),
            *([f"{self.rate:.1f} runs a second are no load"] if self.rate < LEAST_RATE else []),
            *([] if self.in_flight else ["nothing was in flight"]),
        ]

    def __str__(self) -> str:
        counts = "".join(f", {n} {what}" for what, n in sorted(self.counts.items()))
        return (
            f"{self.fault}: {self.seconds:.1f} s under {self.rate:.0f} runs a second, "
            f"{self.in_flight} in flight{counts}; all fires again {self.healed:.1f} s later; {self.verdict}"
        )


def struck_by(name: str) -> Outcome:
    """Let this fault befall a house and judge what is left."""
    fault = (FAULTS | RABBITMQ_FAULTS)[name]
    with _scene(fault) as scene:
        house = scene.house
        ids = {row["name"]: int(row["id"]) for row in house.rows("SELECT id, name FROM task_configs")}
        driver = Driver(house.url, house.token, ids, partial(some_config, house.journal))
        for process in ("up", *fault.workers):
            house.start(process)
        driver.start()
        try:
            rate = _under_load(house)
            in_flight = house.in_flight
            struck_at = datetime.now(UTC)
            with fault.strikes(scene):
                until(
                    lambda: datetime.now(UTC) > struck_at + timedelta(seconds=fault.seconds), within=fault.seconds + 1
                )
            over_at = datetime.now(UTC)
            healed = _fires_again(house, over_at, {i for n, i in ids.items() if n.startswith("steady")})
        finally:
            driver.stop()
        ended = tuple(n for n, started in house.started.items() if started.process.poll() is not None)
        evidence = replace(house.evidence(house.settle()), freezes=scene.freezes)
        seconds = (over_at - struck_at).total_seconds()
        return Outcome(
            name, seconds, rate, in_flight, healed, scene.counts, ended, tuple(driver.refusals), judge(evidence)
        )


@contextmanager
def _scene(fault: Fault) -> Iterator[Scene]:
    """Servers, proxies, and a house that has not started."""
    with ExitStack() as stack:
        root = stack.enter_context(temporary_data_dir())
        stack.enter_context(DataDir(root))
        portal = stack.enter_context(start_blocking_portal("asyncio", name="servers of a house"))
        postgres = stack.enter_context(private_server(portal, EmbeddedPostgres, root))
        redis = stack.enter_context(private_server(portal, EmbeddedRedis, root))
        to_postgres = stack.enter_context(FaultyProxy(postgres.socket, PostgresAnswers).running(portal))
        to_redis = stack.enter_context(FaultyProxy(redis.socket, RedisAnswers).running(portal))
        worker_to_redis = stack.enter_context(FaultyProxy(redis.socket, RedisAnswers).running(portal))
        rabbitmq = stack.enter_context(a_rabbitmq()) if fault.over_rabbitmq else None
        truth_url = postgres.server.url
        house = ChaosHouse(
            root.parent,
            f"postgresql://postgres@127.0.0.1:{to_postgres.port}/postgres?sslmode=disable",
            f"redis://127.0.0.1:{to_redis.port}/0",
            "chaos:",
            asyncio.run(prepare(truth_url)),
            truth_url,
            settings={"log_level": "debug"} if fault.silent_log else {"broker_url": rabbitmq.url} if rabbitmq else {},
            apart={"worker": {"redis_url": f"redis://127.0.0.1:{worker_to_redis.port}/0"}},
            output=FULL if fault.silent_log else None,
            port=free_ports(1)[0],
        )
        asyncio.run(seed(truth_url, _load(house.journal, lengthy=fault.lengthy), owed_since=datetime.now(UTC)))
        stack.enter_context(house)
        yield Scene(house, postgres, redis, to_postgres, to_redis, worker_to_redis, rabbitmq)


def _load(journal: Path, *, lengthy: bool) -> Iterator[dict[str, Any]]:
    """Two dozen that run whatever happens, a third of them again after a loss; and some of every other policy."""
    if lengthy:
        yield every_second("lengthy", journal, LENGTHY_SECONDS, max_retries=1, retry_backoff_seconds=0.2)
    lasting = {"catchup_window_seconds": WINDOW_SECONDS}
    for number in range(STEADY):
        again = {"max_retries": 2, "retry_backoff_seconds": 0.2} if number % 3 == 0 else {}
        yield every_second(f"steady {number}", journal, 0.2 + 0.03 * number, **lasting, **again)
    yield every_second("single", journal, 0.6, overlap="skip", max_retries=1, retry_backoff_seconds=0.2)
    yield every_second("latest", journal, 0.2, overlap="skip", catchup="latest")
    yield every_second("skipping", journal, 0.2, catchup="skip")
    yield every_second("waiting", journal, 1.3, overlap="buffer_one", catchup="latest")
    yield every_second("replacing", journal, 1.7, overlap="cancel_other", catchup="latest")
    yield every_second("endless", journal, 60, catchup="latest", timeout_seconds=0.7)
    faltering = {"task_type": "journal.falters", "max_retries": 1, "retry_backoff_seconds": 0.3}
    yield every_second("faltering", journal, 0.1, **lasting, **faltering)
    yield every_second("by hand", journal, 0.2, scheduler_type="manual", schedule_config={})
    yield every_second("edited", journal, 0.1, **lasting)
    yield every_second("paused", journal, 0.1, **lasting)


def _under_load(house: ChaosHouse) -> float:
    """Wait until the house has been busy for a while and is at this instant; answers runs a second."""
    until(lambda: len(house.runs) > STEADY, within=60)
    busy_at = datetime.now(UTC)
    until(lambda: datetime.now(UTC) > busy_at + timedelta(seconds=WARM_SECONDS) and house.in_flight >= BUSY, within=30)
    now = datetime.now(UTC)
    return sum(run.began > now - timedelta(seconds=WARM_SECONDS) for run in house.runs) / WARM_SECONDS


def _fires_again(house: ChaosHouse, over_at: datetime, configs: set[int]) -> float:
    """Seconds from `over_at` until each of these has begun a run for a later tick; waits for that."""

    def look() -> dict[int, datetime]:
        first: dict[int, datetime] = {}
        for run in house.runs:
            if run.config in configs and run.tick is not None and run.tick > over_at:
                first.setdefault(run.config, run.began)
        return first if set(first) == configs else {}

    return (max(until(look, within=LOOK_SECONDS).values()) - over_at).total_seconds()
