"""Random lives of a ledger: whatever is edited, killed, flushed or delivered twice, every tick has one row in the end.

Hypothesis draws one deed after another: configs made, edited, paused, stopped, deleted; time that passes; dispatchers
that die at each phase of a step; messages delivered, twice, to the wrong worker; tasks that end, fail, or do not heed a
cancel; workers that die and say something all the same; sweeps and flushes. After every deed the ledger is held against
books of our own (`tests.support.world`), and at the end of each life everything must have come to its end.
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
    ]
)
POLICIES = st.fixed_dictionaries(
    {
        "overlap": st.sampled_from(["allow_all", "skip", "buffer_one", "buffer_all", "cancel_other"]),
        "catchup": st.sampled_from(["skip", "latest", "all"]),
        "catchup_window_seconds": st.sampled_from([0, 20, 3600]),
        "max_catchup_runs": st.sampled_from([1, 4]),
        "max_retries": st.sampled_from([0, 1, 2]),
        "retry_backoff_seconds": st.just(3),
        "timeout_seconds": st.sampled_from([20, 3000]),
    }
)
PICK = st.integers(0, 1000)
WORKER = st.sampled_from(WORKERS)
SECONDS = st.sampled_from([1, 1, 1, 2, 7, 30, 200])
OUTCOME = st.sampled_from([Succeeded(None), Succeeded(None), Unsuccessful("failed", "it broke")])
LIVES = 60
MOST_CONFIGS = 4
DEED = st.sampled_from(["run_by_hand", "rename", "pause", "resume", "resume", "stop", "start", "start", "delete"])
"""What can be done to a config; what ends it is drawn less often than what begins it."""

DEEDS = {
    "ticks written", "attempts begun", "words taken", "words refused", "delivered again", "flushes",
    "cancelled by hand", "attempts whose worker died",
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
        self._do("create", **schedule, **policies)

    @precondition(lambda self: len(self.world.eras) < MOST_CONFIGS)
    @rule(schedule=SCHEDULES, policies=POLICIES)
    def create(self, schedule: dict[str, Any], policies: dict[str, Any]) -> None:
        self._do("create", **schedule, **policies)

    @rule(pick=PICK, schedule=SCHEDULES)
    def reschedule(self, pick: int, schedule: dict[str, Any]) -> None:
        self._do("reschedule", self._config(pick), schedule)

    @rule(pick=PICK, deed=DEED)
    def act(self, pick: int, deed: str) -> None:
        self._do(deed, self._config(pick))

    @rule(seconds=SECONDS)
    def time_passes(self, seconds: int) -> None:
        self._do("pass_time", seconds)

    @rule(seconds=SECONDS, worker=WORKER, messages=st.integers(0, 4), ends=st.integers(0, 3))
    def an_ordinary_moment(self, seconds: int, worker: str, messages: int, ends: int) -> None:
        self._do("pass_time", seconds)
        self._do("dispatch")
        for _ in range(messages):
            self._do("deliver", worker)
        for _ in range(ends):
            self._do("end", 0, Succeeded(None))

    @rule(seconds=SECONDS, ended=st.booleans())
    def a_deadline_passes(self, seconds: int, ended: bool) -> None:
        self._do("pass_time", 20 + seconds)
        self._do("sweep")
        self._do("sweep")
        if ended:
            self._do("end", 0, Succeeded(None))

    @rule(seconds=SECONDS, phase=st.sampled_from(list(PHASES)))
    def ticks_of_a_dispatcher_that_dies(self, seconds: int, phase: str) -> None:
        self._do("pass_time", seconds)
        self._do("dispatch_and_die", phase)

    @rule()
    def publish(self) -> None:
        self._do("publish")

    @rule()
    def sweep(self) -> None:
        """Twice: what the index of deadlines has lost it is told by the first sweep."""
        self._do("sweep")
        self._do("sweep")

    @rule()
    def look_at_index(self) -> None:
        self._do("look_at_index")

    @rule(number=st.integers(0, 3))
    def flush(self, number: int) -> None:
        if number == 0:
            self._do("flush")

    @rule(worker=WORKER, times=st.integers(1, 5))
    def deliver(self, worker: str, times: int) -> None:
        for _ in range(times):
            self._do("deliver", worker)

    @rule(pick=PICK, worker=WORKER)
    def deliver_again(self, pick: int, worker: str) -> None:
        self._do("deliver_again", pick, worker)

    @rule(pick=PICK, outcome=OUTCOME)
    def end(self, pick: int, outcome: Succeeded | Unsuccessful) -> None:
        self._do("end", pick, outcome)

    @rule(pick=PICK)
    def cancel(self, pick: int) -> None:
        self._do("cancel", pick)

    @rule()
    def heed_cancels(self) -> None:
        self._do("heed_cancels")

    @rule(worker=WORKER)
    def worker_dies(self, worker: str) -> None:
        self._do("worker_dies", worker)

    @rule(pick=PICK)
    def late_word(self, pick: int) -> None:
        self._do("late_word", pick)

    @invariant()
    def holds(self) -> None:
        self.tally["steps"] += 1
        self._do("check")

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self._do("settle")
            self.tally["lives"] += 1

    def _config(self, pick: int) -> int:
        configs = list(self.world.eras)
        return configs[pick % len(configs)]

    def _do(self, deed: str, *args: object, **fields: object) -> None:
        async def done() -> None:
            await getattr(self.world, deed)(*args, **fields)

        self.portal.call(done)


@pytest.fixture
def played_rig(server_portal: BlockingPortal, emptied_ledger: str, redis_db: str) -> Iterator[Rig]:
    with server_portal.wrap_async_context_manager(a_rig(emptied_ledger, redis_db)) as made:
        yield made


LONG = settings.get_current_profile_name() == "long"


@pytest.mark.timeout(0 if LONG else 120)
def test_a_ledger_keeps_its_promise_through_any_life(
    server_portal: BlockingPortal, played_rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every kind of deed has been done, and each life has ended with one final row for every tick."""
    for grace in GRACES:
        monkeypatch.setattr(timeout_sweeper, grace, 0.0)
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
