"""Holds what tasks wrote down against what was due and against the ledger, in the manner of Jepsen's Chronos checker.

Chronos asks for a distinct run for every target, and takes anything extra for a fault. So here: the ticks that were
owed come from an independent oracle (`coverage`) and from every version of every config; each is covered by one row;
each row is final; each attempt that a row tells of matches the one run that the journal has of it; and no run is left
over. A run that a kill cut off is accounted for by its attempt's being `lost`. Then the promises about time: one
attempt of an execution at a time, one execution of a config that does not allow them to overlap, and no tick passed
over for a reason that was not there.

    lost    a tick without a row, or an attempt that says it ran without a run
    twice   a tick with two rows, an attempt with two runs, two runs at once, a run that nothing accounts for
    stuck   a row that is not final, a run that is still going
    unfounded   a skip for a reason that the rest of the ledger does not bear out

https://github.com/jepsen-io/jepsen/blob/main/chronos/src/jepsen/chronos/checker.clj
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, NamedTuple

from tests.support.coverage import expected_ticks
from tests.support.coverage import faults as faults_of_coverage

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from tests.support.journal import Run

__all__ = ["Evidence", "Fault", "Verdict", "judge", "owed_ticks"]

Row = "Mapping[str, Any]"

FINAL = {"success", "failed", "timeout", "cancelled", "lost", "skipped"}
ENDS: dict[str, set[str | None]] = {
    "success": {"returned"},
    "failed": {"raised"},
    "timeout": {"cancelled", None},
    "cancelled": {"cancelled", None},
    "lost": {"returned", "raised", "cancelled", None},
}
"""How a run may have ended whose attempt the ledger gives this status; None: it was cut off."""

NEED_NO_RUN = {"cancelled", "lost"}
"""An attempt may have come to this between its claim and its first line, or without a claim."""

GRACE = timedelta(seconds=5)
"""How late a tick may be before it counts as missed (docs/decisions/0009)."""

DELETION = timedelta(seconds=3)
"""How long a deletion may have taken from its start, which the row tells, to the instant up to which it wrote ticks."""

GIVEN_UP = timedelta(seconds=10)
"""How long a process must be frozen at the least for its runs to be given up: its heartbeat runs out after 6 s, less up
to 2 s of its age, and is missed for 6 s."""

GIVEN_UP_AS = {"lost", "timeout", "cancelled"}
"""What the ledger may call an attempt that was ended without its worker, however its run goes on."""

CLAIMING = timedelta(seconds=1)
"""How long it may take from a claim in the database to the first line of its task, on a machine that is busy."""

LONG_AGO = datetime(1, 1, 1, tzinfo=UTC)

SLACK = timedelta(milliseconds=100)
"""How far two instants may be apart that different processes read for the same moment."""


class Fault(NamedTuple):
    """A broken promise."""

    kind: Literal["lost", "twice", "stuck", "unfounded"]
    what: str


@dataclass(frozen=True, slots=True)
class Evidence:
    """All there is to judge by: `deaths` says when processes were killed, `until` is the last tick that was owed.

    The lag is measured of ticks after `since`: what was due before anything ran is late by the test's own doing.
    `freezes` says from when to when a process was stopped.
    """

    versions: Sequence[Row]
    rows: Sequence[Row]
    runs: Sequence[Run]
    deaths: Mapping[int, datetime]
    until: datetime
    since: datetime = LONG_AGO
    freezes: Mapping[int, tuple[datetime, datetime]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came out: the faults, and how much there was to be at fault."""

    faults: tuple[Fault, ...]
    ticks: int
    rows: int
    runs: int
    cut_off: int
    lags: tuple[float, ...]

    def count(self, kind: str) -> int:
        """How many faults of a kind there are."""
        return sum(fault.kind == kind for fault in self.faults)

    def lag(self, share: float) -> float:
        """Seconds from tick to run that this share of the runs did not exceed."""
        return self.lags[min(int(share * len(self.lags)), len(self.lags) - 1)] if self.lags else 0.0

    def __str__(self) -> str:
        counts = ", ".join(f"{kind} {self.count(kind)}" for kind in ("lost", "twice", "stuck", "unfounded"))
        lag = f"p50 {self.lag(0.5):.3f}, p99 {self.lag(0.99):.3f}, max {self.lag(1):.3f} s"
        return f"{self.ticks} ticks, {self.rows} rows, {self.runs} runs ({self.cut_off} cut off): {counts}; lag {lag}"


def judge(evidence: Evidence) -> Verdict:
    """Find every broken promise."""
    owed = {config: owed_ticks(versions, evidence.until) for config, versions in _by_config(evidence.versions).items()}
    faults = [
        *_faults_of_ticks(evidence, owed),
        *_faults_of_rows(evidence),
        *_faults_of_runs(evidence),
        *_faults_of_overlap(evidence),
        *_faults_of_skips(evidence),
    ]
    scheduled = _runs_of(evidence, {"schedule"})
    first = [run for run in scheduled if run.tick is not None and run.tick > evidence.since and run.attempt == 1]
    return Verdict(
        faults=tuple(faults),
        ticks=sum(len(ticks) for ticks, _ in owed.values()),
        rows=len(evidence.rows),
        runs=len(evidence.runs),
        cut_off=sum(run.ended is None for run in evidence.runs),
        lags=tuple(sorted((run.began - run.tick).total_seconds() for run in first)),
    )


def owed_ticks(versions: Sequence[Row], until: datetime) -> tuple[list[datetime], set[datetime]]:
    """The ticks that a config owes by all its versions, oldest first; and those of them that may be missing.

    A version owes the ticks after its `scheduled_from` while it is active or paused, until another takes over.
    """
    ticks: set[datetime] = set()
    unsure: set[datetime] = set()
    for number, version in enumerate(versions):
        if version["status"] not in ("active", "paused") or version["deleted_at"] is not None:
            continue
        successor = _successor(version, versions[number + 1 :])
        deleted = None if successor is None else successor["deleted_at"]
        end = until if successor is None else deleted or successor["scheduled_from"]
        found = expected_ticks(version, version["scheduled_from"], min(until, end + DELETION if deleted else end))
        ticks.update(found)
        unsure.update(tick for tick in found if tick > end)
    return sorted(ticks), unsure


def _successor(version: Row, later: Sequence[Row]) -> Row | None:
    """The version that owes ticks in this one's place; one that owes from the same instant on goes on as this one."""
    for other in later:
        if other["deleted_at"] is not None or other["scheduled_from"] > version["scheduled_from"]:
            return other
    return None


def _faults_of_ticks(evidence: Evidence, owed: Mapping[int, tuple[list[datetime], set[datetime]]]) -> Iterator[Fault]:
    ticked = [row for row in evidence.rows if row["tick_at"] is not None and row["trigger"] == "schedule"]
    rows = _by_config(ticked, "config_id")
    for config, (ticks, unsure) in owed.items():
        found = faults_of_coverage(rows.get(config, ()), ticks)
        yield from (Fault("lost", f"config {config}: no row for {t}") for t in found.missing if t not in unsure)
        yield from (Fault("twice", f"config {config}: several rows for {tick}") for tick in found.doubled)
        yield from (Fault("twice", f"config {config}: a row for {tick}, no tick") for tick in found.extra)
        yield from (Fault("lost", f"config {config}: wrong count of ticks from {tick}") for tick in found.miscounted)


def _faults_of_rows(evidence: Evidence) -> Iterator[Fault]:
    """Every row is final, and tells of a run for each attempt that ran."""
    runs = {(run.execution, run.attempt): run for run in evidence.runs}
    for row in evidence.rows:
        if row["status"] not in FINAL:
            yield Fault("stuck", _named(row))
        for attempt, status in _attempts(row):
            run = runs.get((str(row["id"]), attempt))
            if run is None and status in ENDS and status not in NEED_NO_RUN and not _unbegun(row, evidence):
                yield Fault("lost", f"{_named(row)}: attempt {attempt} is {status} and never ran")
            if run is not None and status in GIVEN_UP_AS and _caught(run, evidence.freezes):
                continue
            if run is not None and run.how not in ENDS.get(status, {run.how}):
                yield Fault("lost", f"{_named(row)}: attempt {attempt} is {status}, its run {run.how or 'was cut off'}")


def _faults_of_runs(evidence: Evidence) -> Iterator[Fault]:
    """Every run is of an attempt that the ledger tells of, one run of each, and one at a time."""
    rows = {str(row["id"]): row for row in evidence.rows}
    times = Counter((run.execution, run.attempt) for run in evidence.runs)
    yield from (
        Fault("twice", f"{execution}: attempt {n} ran {t} times") for (execution, n), t in times.items() if t > 1
    )
    by_execution: defaultdict[str, list[Run]] = defaultdict(list)
    for run in evidence.runs:
        by_execution[run.execution].append(run)
        row = rows.get(run.execution)
        if row is None or run.attempt not in dict(_attempts(row)):
            yield Fault("twice", f"{run.execution}: attempt {run.attempt} ran, and no row tells of it")
        elif (row["tick_at"] or row["for_tick"]) != run.tick or row["config_id"] != run.config:
            yield Fault("twice", f"{_named(row)}: ran for config {run.config}, tick {run.tick}")
        if run.ended is None and run.pid not in evidence.deaths:
            yield Fault("stuck", f"{run.execution}: attempt {run.attempt} began at {run.began} and is still going")
    for execution, runs in by_execution.items():
        yield from (Fault("twice", f"{execution}: {what}") for what in _at_once(runs, evidence))


def _faults_of_overlap(evidence: Evidence) -> Iterator[Fault]:
    """No two runs for ticks of one config at a time, unless it allows all; by hand, any number may run, retries too."""
    single = {version["id"] for version in evidence.versions if version["overlap"] != "allow_all"}
    by_config: defaultdict[int, list[Run]] = defaultdict(list)
    for run in _runs_of(evidence, {"schedule", "backfill"}):
        if run.tick is not None and run.config in single:
            by_config[run.config].append(run)
    for config, runs in by_config.items():
        yield from (Fault("twice", f"config {config}: {what}") for what in _at_once(runs, evidence))


def _faults_of_skips(evidence: Evidence) -> Iterator[Fault]:
    """A tick was passed over as missed only when it was late, and as overlapping only when something was there."""
    policies = {version["id"]: version for version in evidence.versions}
    by_config = _by_config(evidence.rows, "config_id")
    for row in evidence.rows:
        if row["status"] == "skipped" and not _founded(row, policies[row["config_id"]], by_config[row["config_id"]]):
            yield Fault("unfounded", f"{_named(row)}: skipped at {row['created_at']} for {row['reason']}")


def _founded(row: Row, policy: Row, others: Sequence[Row]) -> bool:
    late = row["created_at"] - (row["tick_until"] or row["tick_at"])
    match row["reason"]:
        case "overlap":
            return any(_unfinished(other, row["created_at"]) for other in others if other["id"] != row["id"])
        case "missed" | "superseded":
            return policy["catchup"] != "all" and late >= GRACE
        case "missed_window":
            return late >= max(GRACE, timedelta(seconds=policy["catchup_window_seconds"]))
        case "max_catchup_runs":
            return policy["catchup"] == "all" and late >= GRACE
    return True


def _unfinished(row: Row, instant: datetime) -> bool:
    """Whether the row stood between a later tick and its run: created before, and not seen to be completed."""
    began = row["created_at"] <= instant
    return row["status"] != "skipped" and began and (row["completed_at"] or instant) >= instant - SLACK


def _attempts(row: Row) -> list[tuple[int, str]]:
    """Each attempt of an execution, and what became of it."""
    earlier = [(int(attempt["attempt"]), str(attempt["status"])) for attempt in row["earlier_attempts"]]
    ran = row["started_at"] is not None or row["status"] not in ("skipped", "cancelled")
    return [*earlier, (row["attempt"], row["status"])] if ran else earlier


def _at_once(runs: Sequence[Run], evidence: Evidence) -> Iterator[str]:
    """Say which of these runs began before the one before them had ended, or was given up."""
    for before, run in pairwise(sorted(runs, key=lambda run: run.began)):
        end = _end_of(before, evidence)
        if end is None or run.began < end:
            yield f"{run.execution}/{run.attempt} began at {run.began}, {before.execution}/{before.attempt} ended {end}"


def _end_of(run: Run, evidence: Evidence) -> datetime | None:
    """When others might begin: at its end, its process' death, or once its frozen process may have been given up."""
    if _caught(run, evidence.freezes):
        return evidence.freezes[run.pid][0] + GIVEN_UP
    return run.ended or evidence.deaths.get(run.pid)


def _caught(run: Run, freezes: Mapping[int, tuple[datetime, datetime]]) -> bool:
    """Whether the run was under way when its process was frozen, and for long enough to be given up."""
    since, until = freezes.get(run.pid, (LONG_AGO, LONG_AGO))
    return until - since >= GIVEN_UP and run.began <= since and (run.ended is None or run.ended >= until)


def _unbegun(row: Row, evidence: Evidence) -> bool:
    """Whether the row ended as a timeout while the process was frozen, or dead, that had only just claimed it."""
    if row["status"] != "timeout":
        return False
    freezes = [times for pid, times in evidence.freezes.items() if f":{pid}:" in row["worker"]]
    deaths = [died for pid, died in evidence.deaths.items() if f":{pid}:" in row["worker"]]
    caught = any(since - CLAIMING <= row["started_at"] <= since < row["completed_at"] for since, _ in freezes)
    return caught or any(died - CLAIMING <= row["started_at"] <= died for died in deaths)


def _runs_of(evidence: Evidence, triggers: set[str]) -> list[Run]:
    """The runs of executions that were started so."""
    ids = {str(row["id"]) for row in evidence.rows if row["trigger"] in triggers}
    return [run for run in evidence.runs if run.execution in ids]


def _by_config(rows: Sequence[Row], column: str = "id") -> dict[int, list[Row]]:
    found: defaultdict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found[row[column]].append(row)
    return found


def _named(row: Row) -> str:
    return f"config {row['config_id']}, tick {row['tick_at']}, {row['status']} {row['id']}"
