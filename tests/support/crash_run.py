"""One crash point, from a house under load to the verdict: provoke the place, let it kill, start again, settle, judge.

Most places are passed every second. The others are provoked, by whatever is known to lead there or else by everything
in turn; so a new place is usually reached without a word about it here. A place that only a start passes is armed in a
second start, when there is work in flight.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import uuid
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.chaos_house import ChaosHouse
from tests.support.chaos_load import OWED_SECONDS, Driver, everything, prepare, seed, some_config
from tests.support.chronos import judge
from tests.support.crash_leavings import LEAVINGS
from tests.support.processes import START_SECONDS
from tests.support.servers import fresh_database
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio.from_thread import BlockingPortal

    from tests.support.chronos import Verdict
    from tests.support.crash_names import Place

__all__ = ["Outcome", "Servers", "a_house", "killed_at"]

DOWN_SECONDS = 6.0
"""Long enough for ticks to count as missed, so that a catch-up follows."""


@dataclass(frozen=True)
class Servers:
    """The servers of the session, as a house needs them."""

    portal: BlockingPortal
    postgres_url: str
    template: str
    redis_url: str


@dataclass(frozen=True)
class Outcome:
    """What became of a house that was killed at a place; `left` are the rows that the place had to leave, if any."""

    place: Place
    provoked_by: str
    in_flight: int
    left: int | None
    healed: float
    verdict: Verdict
    broken_answers: tuple[str, ...]

    def __str__(self) -> str:
        left = "" if self.left is None else f"{self.left} left, "
        return (
            f"{self.place.name}: killed once after {self.provoked_by}, {self.in_flight} in flight, {left}"
            f"fires again {self.healed:.1f} s later; {self.verdict}"
        )


def killed_at(place: Place, servers: Servers) -> Outcome:
    """Kill a house at this place, start it again, and judge what is left; fails when the place is never passed."""
    with a_house(servers, everything) as house:
        ids = {row["name"]: row["id"] for row in house.rows("SELECT id, name FROM task_configs")}
        driver = Driver(house.url, house.token, ids, partial(some_config, house.journal))
        victim = "worker" if place.at_the_worker else "up"
        provocations = PROVOCATIONS.get(place.name or "", PROVOCATIONS.get(place.room, EVERYTHING))
        at_once = provocations[0] is not _restart_late
        house.start("up", place if at_once and victim == "up" else None, nth=_nth(place))
        house.start("worker", place if at_once and victim == "worker" else None, nth=_nth(place))
        driver.start()
        try:
            provoked_by = _provoke(house, place, victim, provocations)
            house.gone(victim)
            died_at, in_flight, left = datetime.now(UTC), house.in_flight, _left(house, place)
            house.start(victim)
            house.ready("up", "worker")
            healed = house.fires_after(died_at, config=ids["every"], within=START_SECONDS)
        finally:
            driver.stop()
        verdict = judge(house.evidence(house.settle()))
        return Outcome(place, provoked_by, in_flight, left, healed, verdict, _broken_answers(house, driver))


@contextmanager
def a_house(
    servers: Servers,
    configs: Callable[[Path, datetime], Iterator[dict[str, Any]]],
    *,
    owed_seconds: float = OWED_SECONDS,
) -> Iterator[ChaosHouse]:
    """A house over a database and keys of its own, with ticks of these configs that are due, not started."""
    folder = Path(tempfile.mkdtemp(prefix="horarium-chaos-"))
    prefix = f"chaos-{uuid.uuid4().hex}:"
    now = datetime.now(UTC).replace(microsecond=0)
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        url = stack.enter_context(fresh_database(servers.portal, servers.postgres_url, servers.template))
        house = ChaosHouse(folder, url, servers.redis_url, prefix, asyncio.run(prepare(url)))
        stack.callback(house.flush)
        owed_since = now - timedelta(seconds=owed_seconds)
        asyncio.run(seed(url, configs(house.journal, now), owed_since=owed_since))
        stack.enter_context(house)
        yield house


def _left(house: ChaosHouse, place: Place) -> int | None:
    statement = LEAVINGS.get(place.name or "")
    return None if statement is None else len(house.rows(statement))


def _broken_answers(house: ChaosHouse, driver: Driver) -> tuple[str, ...]:
    """What the API said was done and was not: a 2xx means that it is committed."""
    keys = {row["idempotency_key"] for row in house.rows("SELECT idempotency_key FROM executions")}
    configs = {row["id"]: row["deleted_at"] for row in house.rows("SELECT id, deleted_at FROM task_configs")}
    vanished = driver.made - driver.asked_to_delete - set(configs)
    return (
        *driver.refusals,
        *(f"no row for the run asked for with {key}" for key in driver.keys - keys),
        *(f"config {config} was made and is not there" for config in vanished),
        *(f"config {config} was deleted and is there" for config in driver.deleted if configs.get(config, ...) is None),
    )


# Provocations: each makes more of the source be passed, and takes longer, than the one before


def _wait(_house: ChaosHouse, _place: Place, _victim: str) -> float:
    return 8.0


SENT_IN_LATER_BATCHES = """
SELECT FROM executions WHERE status = 'queued'
AND queued_at > (SELECT min(queued_at) + interval '1 second' FROM executions WHERE queued_at > $1)
"""


def _flush(house: ChaosHouse, _place: Place, _victim: str) -> float:
    """Lose the index, and messages with it: the worker is held up until there are some that it has not been handed.

    What it had read, and the batch that its open read is answered with, are in its hands and outlive the flush.
    """
    with suppress(ProcessLookupError):
        house.started["worker"].process.send_signal(signal.SIGSTOP)
        stopped_at = datetime.now(UTC)
        with suppress(AssertionError):
            until(lambda: house.rows(SENT_IN_LATER_BATCHES, stopped_at) or house.marked, within=10.0)
        house.flush()
        house.started["worker"].process.send_signal(signal.SIGCONT)
    return 12.0


def _stop_the_worker(house: ChaosHouse, place: Place, victim: str) -> float:
    """Ask it to end while it runs something."""
    until(lambda: house.rows("SELECT FROM executions WHERE status = 'running'") or house.marked)
    house.end("worker", signal.SIGTERM)
    if not house.marked:
        house.start("worker", place if victim == "worker" else None)
    return 3.0


def _kill_the_worker(house: ChaosHouse, place: Place, victim: str) -> float:
    """Leave its runs to be found orphaned."""
    until(lambda: house.rows("SELECT FROM executions WHERE status = 'running'") or house.marked)
    house.end("worker")
    if not house.marked:
        house.start("worker", place if victim == "worker" else None)
    return 20.0


def _restart_late(house: ChaosHouse, place: Place, victim: str) -> float:
    """Kill it, and arm its next start, once ticks were missed."""
    house.ready("up", "worker")
    until(lambda: house.rows("SELECT FROM executions WHERE status = 'running'") or house.marked)
    house.end(victim)
    killed_at = datetime.now(UTC)
    until(lambda: datetime.now(UTC) > killed_at + timedelta(seconds=DOWN_SECONDS))
    house.start(victim, place)
    return 15.0


Provocation = Callable[[ChaosHouse, "Place", str], float]
EVERYTHING: tuple[Provocation, ...] = (_wait, _flush, _stop_the_worker, _kill_the_worker, _restart_late)
PROVOCATIONS: dict[str, tuple[Provocation, ...]] = {
    "cleanup": (_restart_late,),
    "dispatcher.catch_up_inserted": (_restart_late,),
    "dispatcher.catch_up_committed": (_restart_late,),
    "publisher.lost_requeued": (_flush,),
    "receiver.handed_back": (_stop_the_worker,),
    "schedule_loader.load_begun": (_flush,),
    "schedule_loader.page_loaded": (_flush,),
    "schedule_loader.pages_loaded": (_flush,),
    "timeout_sweeper.attempts_ended": (_kill_the_worker,),
}
"""What is known to lead to a place or a room; everything is tried for the others, in this order."""

NTH = {
    "dispatcher": 3,
    "history_writer": 3,
    "ledger": 3,
    "lifecycle": 3,
    "receiver": 3,
    "timeout_sweeper.index_kept": 3,
}
RARE = {"publisher.lost_requeued", "receiver.handed_back", "timeout_sweeper.attempts_ended"}
"""At which pass a process is killed, by name or room: not before work is in flight. The second, where not said."""


def _nth(place: Place) -> int:
    return 1 if place.name in RARE else NTH.get(place.name or "", NTH.get(place.room, 2))


def _provoke(house: ChaosHouse, place: Place, victim: str, provocations: tuple[Provocation, ...]) -> str:
    """Do one thing after the other until the place was passed; answers what did it."""
    if provocations[0] is not _wait:
        with suppress(AssertionError):
            until(lambda: house.marked or len(house.runs) > 20, within=20)
    for provocation in provocations:
        seconds = provocation(house, place, victim)
        with suppress(AssertionError):
            until(lambda: house.marked, within=seconds + (START_SECONDS if provocation is _wait else 0))
            return provocation.__name__.strip("_").replace("_", " ")
    raise AssertionError(f"{place.name} was never passed: does the load lead there? See crash_run.py")
