"""Workers under load, each drained by the API in turn and replaced by a new one, and what the tasks wrote of it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from tests.support.chaos_load import every_second
from tests.support.chronos import judge
from tests.support.crash_run import Servers, a_house
from tests.support.processes import START_SECONDS
from tests.support.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.chaos_house import ChaosHouse
    from tests.support.chronos import Verdict

__all__ = ["Rolled", "roll", "worker_of"]

STEADY = 24
LEAST_RATE = 20.0
WARM = timedelta(seconds=2)
ON_TIME = timedelta(seconds=1)
DRAIN_SECONDS = 10.0
"""Longer than any task of the load takes: nothing has to be cut short."""

OUTCOMES = (
    "SELECT status, reason, attempt FROM executions WHERE tick_at IS NOT NULL AND reason IS DISTINCT FROM 'stopped'"
)
"""But for the last tick of a config, where the stop of it at the end came first."""


@dataclass(frozen=True)
class Rolled:
    """What became of it; `drains` are seconds from the order to the end of the process, `rate` runs a second before."""

    rate: float
    in_flight: tuple[int, ...]
    drains: tuple[float, ...]
    codes: tuple[int, ...]
    outcomes: Counter[tuple[str, str | None, int]]
    verdict: Verdict

    def __str__(self) -> str:
        drains = ", ".join(f"{seconds:.1f}" for seconds in self.drains)
        return (
            f"{len(self.drains)} drains in turn under {self.rate:.0f} runs a second, {sum(self.in_flight)} in flight, "
            f"over {drains} s later; {dict(self.outcomes)}; {self.verdict}"
        )

    @property
    def broken(self) -> list[str]:
        """Everything that is not as promised, or that keeps this from proving anything."""
        return [
            *(f"{fault.kind}: {fault.what}" for fault in self.verdict.faults),
            *(f"a drained process ended with code {code}" for code in self.codes if code != 0),
            *(f"{n} executions {end}" for end, n in self.outcomes.items() if end != ("success", None, 1)),
            *([] if all(self.in_flight) else ["nothing was in flight"]),
        ]


def roll(servers: Servers, *, workers: int, rounds: int, **settings: object) -> Rolled:
    """Drain each of so many workers in turn, so many times, each replaced by a new one as soon as it is told."""
    with a_house(servers, _steady, owed_seconds=1) as house:
        house.settings |= {"drain_seconds": DRAIN_SECONDS, **settings}
        names = [f"worker {number}" for number in range(workers)]
        for name in ("up", *names):
            house.start(name)
        house.ready("up", *names)
        rate = _under_load(house)
        drained = [_replaced(house, names, turn % workers) for turn in range(workers * rounds)]
        _goes_on(house)
        verdict = judge(house.evidence(house.settle()))
        rows = house.rows(OUTCOMES)
        outcomes = Counter((row["status"], row["reason"], row["attempt"]) for row in rows)
        in_flight, drains, codes = zip(*drained, strict=True)
        return Rolled(rate, in_flight, drains, codes, outcomes, verdict)


def worker_of(house: ChaosHouse, pid: int) -> dict[str, Any]:
    """The worker that is this process, as the API shows it; nothing while it is not there."""
    items = house.client.get("/system/workers", limit=200)["items"]
    return next((item for item in items if item["pid"] == pid), {})


def _steady(journal: Path, _now: datetime) -> Iterator[dict[str, Any]]:
    """Two dozen every second, of many lengths, so that something runs at any moment."""
    for number in range(STEADY):
        yield every_second(f"steady {number}", journal, 0.1 + 0.08 * number, catchup_window_seconds=3600)


def _under_load(house: ChaosHouse) -> float:
    """Runs begun in each second, once they are a load, and what was owed at the start has been caught up with."""
    until(lambda: _is_on_time(house), within=START_SECONDS)
    since = house.begun = datetime.now(UTC)

    def rate() -> float:
        lately = max(since, datetime.now(UTC) - WARM)
        begun = sum(run.began > lately for run in house.runs) / WARM.total_seconds()
        return begun if begun >= LEAST_RATE else 0.0

    return until(rate)


def _is_on_time(house: ChaosHouse) -> bool:
    """Whether the newest run is of a tick that has only just come."""
    newest = max(house.runs, key=lambda run: run.began, default=None)
    return newest is not None and newest.tick is not None and newest.began - newest.tick < ON_TIME


def _replaced(house: ChaosHouse, names: list[str], place: int) -> tuple[int, float, int]:
    """Drain the worker at this place and start another; in flight at that moment, seconds that it took, exit code."""
    old, new = names[place], f"{names[place]} again"
    process = house.started[old].process
    shown = until(lambda: worker_of(house, process.pid))
    in_flight, asked_at = house.in_flight, time.monotonic()
    house.client.post(f"/system/workers/{shown['id']}/drain")
    house.start(new)
    house.gone(old)
    took = time.monotonic() - asked_at
    house.ready(new)
    names[place] = new
    _goes_on(house)
    return in_flight, took, process.returncode


def _goes_on(house: ChaosHouse) -> None:
    """Wait until every config has fired since."""
    since = datetime.now(UTC)

    def fired() -> bool:
        return len({run.config for run in house.runs if run.began > since}) == STEADY

    until(fired)
