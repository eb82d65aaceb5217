"""What becomes of the ticks between the cursor and now: run, or missed, never neither and never both.

A tick that is at most `grace_seconds` old is merely late and always runs. Older ones were missed, and the config's
`CatchUp` decides. What does not run is reported as ranges, each of which becomes one `skipped` row: a per-second
schedule that was down for a week is one `Missed` with a count of 604,800, found by arithmetic.

Time is cut at four points, oldest first, and every rule is about one of the pieces:

    cursor ........ window start ........ on time (now - grace) ........ now
       missed_window        the policy decides            always run

How old a tick is counts from when it was to fire, which jitter may have put off (`horarium.schedule.jitter`): a piece
begins with the first tick that fires at or after its point. The config's own limits are about the ticks themselves.

Ticks are instants of the wall clock, and where a config stands is what its rows say, so that a clock that is set is
nothing special, for crons and intervals alike:

* set back, nothing fires until the clock is past what is decided: a decided tick comes up no second time, whether it
  ran or not. A minute set back is a minute without ticks, a day a day;
* set forward, the ticks it jumped over are late, and those older than the grace are missed as after an outage: what the
  policy lets run runs, the rest is one row or two;
* set forward by mistake and back again, both of these: what was jumped over keeps its rows, and is not run once more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice
from typing import TYPE_CHECKING, Literal

from horarium.schedule.instants import LATEST, SECOND, from_micros, micros
from horarium.schedule.jitter import cut
from horarium.schedule.ticks import first_tick, runs, within

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from horarium.model import Reason
    from horarium.schedule.jitter import Jitter
    from horarium.schedule.kinds import Schedule
    from horarium.schedule.ticks import Ticks

__all__ = ["CatchUp", "Missed", "Plan", "missed_between", "plan"]


@dataclass(frozen=True, slots=True)
class Missed:
    """A range of consecutive ticks that do not run, all for one reason; becomes one `skipped` row."""

    first: datetime
    last: datetime
    count: int
    reason: Reason


@dataclass(frozen=True, slots=True)
class CatchUp:
    """What a config wants done with missed ticks.

    `skip` runs none of them. `latest` runs the newest, if it lies within the window and nothing on time supersedes
    it. `all` runs the newest `max_runs` of those within the window. `window_seconds` reaches back from now, and so does
    `grace_seconds`, within which a tick was not missed.
    """

    policy: Literal["skip", "latest", "all"]
    window_seconds: int
    max_runs: int
    grace_seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """Every tick from the cursor to now, in `run` or in one of `missed`, both ascending; and the `next` cursor."""

    run: tuple[datetime, ...]
    missed: tuple[Missed, ...]
    next: datetime | None


def plan(
    schedule: Schedule,
    cursor: datetime,
    now: datetime,
    catchup: CatchUp,
    *,
    not_before: datetime | None = None,
    end_at: datetime | None = None,
    jitter: Jitter | None = None,
) -> Plan:
    """Decide every tick from the cursor on that fires by now. `cursor` is the first tick not yet decided.

    Reasons of what is missed: `missed` (policy `skip`), `superseded` (a newer tick runs instead, policy `latest`),
    `max_catchup_runs` (policy `all`), `missed_window` (older than the window). `next` is the first tick that fires
    after now; should the clock have stepped back behind the cursor it is the first from the cursor on, so that nothing
    decided comes up twice. Equal arguments are computed once; with jitter no two configs have equal ones, and nothing
    is kept.
    """
    limits = within(micros(cursor), LATEST, not_before, end_at)
    decide = _plan if jitter is None else _plan.__wrapped__
    return decide(schedule, limits, micros(now), catchup, jitter)


@lru_cache(maxsize=1024)
def _plan(schedule: Schedule, limits: tuple[int, int], now: int, catchup: CatchUp, jitter: Jitter | None) -> Plan:
    start, limit = limits

    def since(instant: int) -> int:
        return start if instant <= start else max(start, cut(schedule, jitter, instant))

    to_come = since(now + 1)
    end = max(start, min(limit, to_come))
    on_time = min(since(now - round(catchup.grace_seconds * SECOND)), end)
    window = min(since(now - catchup.window_seconds * SECOND), on_time)
    punctual = list(chain.from_iterable(runs(schedule, on_time, end)))
    belated = _belated(schedule, (window, on_time), catchup, superseded=bool(punctual))
    undecided = first_tick(schedule, to_come, limit)
    return Plan(
        run=tuple(map(from_micros, chain(belated, punctual))),
        missed=tuple(_missed(schedule, (start, window, belated[0] if belated else on_time), catchup)),
        next=None if undecided is None else from_micros(undecided),
    )


def _belated(schedule: Schedule, span: tuple[int, int], catchup: CatchUp, *, superseded: bool) -> list[int]:
    if catchup.policy == "skip" or (catchup.policy == "latest" and superseded):
        return []
    wanted = 1 if catchup.policy == "latest" else catchup.max_runs
    newest_first = chain.from_iterable(map(_backwards, reversed(list(runs(schedule, *span)))))
    return list(islice(newest_first, wanted))[::-1]


def _backwards(ticks: Ticks) -> Iterator[int]:
    return (ticks[index] for index in range(len(ticks) - 1, -1, -1))


def _missed(schedule: Schedule, cuts: tuple[int, int, int], catchup: CatchUp) -> Iterator[Missed]:
    start, window, end = cuts
    parts: list[tuple[int, int, Reason]]
    if catchup.policy == "skip":
        parts = [(start, end, "missed")]
    else:
        reason: Reason = "superseded" if catchup.policy == "latest" else "max_catchup_runs"
        parts = [(start, window, "missed_window"), (window, end, reason)]
    return (found for each in parts if (found := _range(schedule, *each)))


def _range(schedule: Schedule, start: int, end: int, reason: Reason) -> Missed | None:
    found = list(runs(schedule, start, end))
    if not found:
        return None
    last = found[-1][len(found[-1]) - 1]
    return Missed(from_micros(found[0][0]), from_micros(last), sum(map(len, found)), reason)


def missed_between(
    schedule: Schedule,
    after: datetime,
    until: datetime,
    reason: Reason,
    *,
    not_before: datetime | None = None,
    end_at: datetime | None = None,
) -> Missed | None:
    """Count the ticks with after < tick <= until as one range, such as those of a pause; None if there are none."""
    return _range(schedule, *within(micros(after) + 1, micros(until) + 1, not_before, end_at), reason)
