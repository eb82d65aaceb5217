"""Random lives of a ledger: whatever is edited, killed, flushed or delivered twice, every tick has one row in the end.

Hypothesis draws one deed after another: configs made, edited, paused, stopped, deleted; limits set and lifted; time
that passes, and a clock that is set back; dispatchers that die at each phase of a step, and two at once; messages
delivered, twice, to the wrong worker; a broker that is away; tasks that end, fail, or do not heed a cancel; workers
that die and say something all the same; sweeps, flushes and retention. After every deed the ledger is held against
books of our own (`tests.support.books`), and at the end of each life everything must have come to its end.
`--hypothesis-profile=long` draws other and many more.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from horarium.actors import timeout_sweeper
from horarium.outcome import Succeeded, Unsuccessful
from horarium.sql import executions
from horarium.tasks import limited
from tests.support.rig import a_rig
from tests.support.waiting import report
from tests.support.world import GRACES, PHASES, SWEPT, WORKERS, World

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anyio.from_thread import BlockingPortal

    from tests.support.rig import Rig

SCHEDULES = st.sampled_from(
    [
        {"scheduler_type": "cron", "schedule_config": {"cron_expression": "* * * * * *"}},
        {"scheduler_type": "cron", "schedule_config": {"cron_expression": "*/5 * * * * *"}},
        {"scheduler_type": "cron", "schedule_config": {"cron_expression": "10,40 * * * * *"}},
        {"scheduler_type": "interval", "schedule_config": {"seconds": 3}},
        {"scheduler_type": "interval", "schedule_config": {"seconds": 45}},
        {"scheduler_type": "interval", "schedule_config": {"seconds": 7}, "start_at": 20, "end_at": 100},
        {"scheduler_type": "date", "schedule_config": {"run_in": 40}},
    ]
)
"""Instants are given in seconds from when a config has the schedule."""
POLICIES = st.fixed_dictionaries(
    {
        "overlap": st.sampled_from(["allow_all", "skip", "buffer_one", "buffer_all", "cancel_other"]),
        "catchup": st.sampled_from(["skip", "latest", "all"]),
        "catchup_window_seconds": st.sampled_from([0, 20, 3600]),
        "max_catchup_runs": st.sampled_from([1, 4]),
        "max_retries": st.sampled_from([0, 1, 2]),
        "retry_backoff_seconds": st.just(3),
        "timeout_seconds": st.sampled_from([20, 3000]),
        "jitter_seconds": st.sampled_from([0, 0, 3]),
    }
)
PICK = st.integers(0, 1000)
WORKER = st.sampled_from(WORKERS)
SECONDS = st.sampled_from([1, 1, 1, 2, 7, 30, 120])
OUTCOME = st.sampled_from([Succeeded(None), Succeeded(None), Unsuccessful("failed", "it broke")])
LIVES = 20
MOST_CONFIGS = 4

USERS_DEEDS = (
    "run_by_hand", "rename", "rename", "pause", "pause_for", "resume", "resume", "stop", "start", "start", "delete",
    "reschedule", "change_policies", "change_policies", "cancel", "retry", "retry", "backfill", "backfill", "limit",
    "lift_limit",
)  # fmt: skip
SUPERVISORS_DEEDS = (
    "publish", "sweep", "sweep", "look_at_index", "flush", "loader_sleeps", "clean_up", "dispatch_twice_at_once",
    "broker_goes_and_comes", "set_clock_back",
)  # fmt: skip
WORKERS_DEEDS = (
    "deliver", "deliver", "deliver_again", "end", "end", "heed_ledger", "worker_dies", "late_word", "late_word",
)  # fmt: skip
"""What may happen; what happens more often stands there more often."""

DEEDS = {
    "ticks written", "attempts begun", "words taken", "words refused", "delivered again", "flushes",
    "cancelled by hand", "retried by hand", "backfilled", "attempts whose worker died", "limits set",
    "found waiting for room", "policies changed", "clock set back", "two dispatchers", "found the broker away",
    "cleaned up",
    *(f"swept: {what}" for what in SWEPT), *(f"died {phase}" for phase in PHASES),
}  # fmt: skip
"""What has to happen in a run for it to have shown anything."""


class LivesOfALedger(RuleBasedStateMachine):
    """The rules; the subclasses' `rig` is emptied for each life."""

    portal: BlockingPortal
    rig: Rig
    tally: Counter[str]

    @initialize(schedule=SCHEDULES, policies=POLICIES)
    def begin(self, schedule: dict[str, Any], policies: dict[str, Any]) -> None:
        self.world = World(self.rig, self.tally)
        self.portal.call(self.rig.empty)
        self._do("create", schedule, policies)

    @precondition(lambda self: len(self.world.eras) < MOST_CONFIGS)
    @rule(schedule=SCHEDULES, policies=POLICIES)
    def create(self, schedule: dict[str, Any], policies: dict[str, Any]) -> None:
        self._do("create", schedule, policies)

    @rule(deed=st.sampled_from(USERS_DEEDS), pick=PICK, schedule=SCHEDULES, policies=POLICIES)
    def a_user_acts(self, deed: str, pick: int, schedule: dict[str, Any], policies: dict[str, Any]) -> None:
        match deed:
            case "cancel" | "retry":
                self._do(deed, pick)
            case "limit":
                self._a_crowd_meets_a_limit(pick)
            case "lift_limit":
                self._do(deed)
            case "reschedule":
                self._do(deed, self._config(pick), schedule)
            case "change_policies":
                self._do(deed, self._config(pick), policies)
            case "pause_for":
                self._do("pause", self._config(pick), 1 + pick % 60)
            case _:
                self._do(deed, self._config(pick))

    @rule(seconds=SECONDS, worker=WORKER, messages=st.integers(0, 4), ends=st.integers(0, 3))
    def an_ordinary_moment(self, seconds: int, worker: str, messages: int, ends: int) -> None:
        self._do("pass_time", seconds)
        self._do("dispatch")
        self._do("publish")
        for _ in range(messages):
            self._do("deliver", worker)
        for _ in range(ends):
            self._do("end", 0, Succeeded(None))

    @rule(deed=st.sampled_from(SUPERVISORS_DEEDS), seconds=SECONDS)
    def the_supervisor_does_something(self, deed: str, seconds: int) -> None:
        self._do("pass_time", seconds)
        self._do(deed, *([seconds] if deed == "set_clock_back" else []))

    @rule(phase=st.sampled_from(list(PHASES)), seconds=SECONDS)
    def a_dispatcher_dies(self, phase: str, seconds: int) -> None:
        self._do("pass_time", seconds)
        self._do("dispatch_and_die", phase)

    @rule(worker=WORKER, dies=st.booleans())
    def tasks_pass_their_deadline(self, worker: str, dies: bool) -> None:
        self._do("pass_time", 30)
        for _ in range(2):  # what the index of deadlines has lost it is told by the first
            self._do("sweep")
        if dies:
            self._do("worker_dies", worker)
            self._do("sweep")
        self.an_ordinary_moment(7, worker, messages=4, ends=0)

    @rule(pick=PICK, messages=st.integers(1, 4))
    def a_worker_dies_and_speaks_when_others_have_its_work(self, pick: int, messages: int) -> None:
        self._do("worker_dies", WORKERS[0])
        self._do("sweep")
        self._do("pass_time", 10)
        self._do("publish")
        for _ in range(messages):
            self._do("deliver", WORKERS[1])
        for _ in range(3):
            self._do("late_word", pick)
            pick += 1

    @rule(deed=st.sampled_from(WORKERS_DEEDS), worker=WORKER, pick=PICK, outcome=OUTCOME)
    def a_worker_does_something(self, deed: str, worker: str, pick: int, outcome: Succeeded | Unsuccessful) -> None:
        match deed:
            case "deliver" | "worker_dies":
                self._do(deed, worker)
            case "deliver_again":
                self._do(deed, pick, worker)
            case "end":
                self._do(deed, pick, outcome)
            case "late_word":
                self._do(deed, pick)
            case _:
                self._do(deed)

    @invariant()
    def holds(self) -> None:
        self.tally["steps"] += 1
        self._do("check")

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self._do("settle")
            self.tally["lives"] += 1

    def _a_crowd_meets_a_limit(self, pick: int) -> None:
        self._do("limit", 1 + pick % 2)
        for _ in range(3):
            self._do("run_by_hand", self._config(pick))
        self._do("pass_time", 7)
        self._do("publish")
        for _ in range(4):
            self._do("deliver", WORKERS[pick % 2])

    def _config(self, pick: int) -> int:
        configs = list(self.world.eras)
        return configs[pick % len(configs)]

    def _do(self, deed: str, *args: object) -> None:
        async def done() -> None:
            await getattr(self.world, deed)(*args)

        self.portal.call(done)


@pytest.fixture
def played_rig(server_portal: BlockingPortal, emptied_ledger: str, redis_db: str) -> Iterator[Rig]:
    with server_portal.wrap_async_context_manager(a_rig(emptied_ledger, redis_db)) as made:
        yield made


LONG = settings.get_current_profile_name() == "long"


@pytest.mark.timeout(0 if LONG else 300)
def test_a_ledger_keeps_its_promise_through_any_life(
    server_portal: BlockingPortal, played_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every kind of deed has been done, and each life has ended with one final row for every tick."""
    for grace in GRACES:
        monkeypatch.setattr(timeout_sweeper, grace, 0.0)
    monkeypatch.setattr(executions, "MOST_BUFFERED", 4)
    monkeypatch.setattr(limited, "LOOK_SECONDS", 0.0)
    tally: Counter[str] = Counter()
    machine = type("LivesOfALedger", (LivesOfALedger,), {"portal": server_portal, "rig": played_rig, "tally": tally})

    _play(machine, tally)

    report("\n".join(f"{count:7} {what}" for what, count in sorted(tally.items())))
    assert _undone(tally) == set()


def _play(machine: type[LivesOfALedger], tally: Counter[str]) -> None:
    """Play so many lives, and as many more, twice at most, while a deed has not been done; the same on every run."""
    common = settings(stateful_step_count=50, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    if LONG:
        run_state_machine_as_test(machine, settings=common)
        return
    for number in range(3):
        run_state_machine_as_test(seed(number)(machine), settings=settings(common, max_examples=LIVES))
        if not _undone(tally):
            return


def _undone(tally: Counter[str]) -> set[str]:
    return DEEDS - {what for what, count in tally.items() if count}
