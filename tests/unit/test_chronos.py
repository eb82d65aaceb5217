"""The checker of the chaos suites finds each kind of fault that is planted, and none where there is none."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from tests.support.chronos import Evidence, judge, owed_ticks
from tests.support.journal import Run

T0 = datetime(2024, 5, 8, 12, tzinfo=UTC)
CONFIG, PID = 7, 4711
EVERY_SECOND = {"cron_expression": "* * * * * *", "timezone": "UTC"}
EVERY_OTHER = {"cron_expression": "*/2 * * * * *", "timezone": "UTC"}


def at(seconds: float) -> datetime:
    return T0 + timedelta(seconds=seconds)


def version(**fields: Any) -> dict[str, Any]:
    """A config that is due every second from T0 on, exclusive."""
    known = {"id": CONFIG, "status": "active", "deleted_at": None, "scheduled_from": T0, "overlap": "skip"}
    known |= {"scheduler_type": "cron", "schedule_config": EVERY_SECOND, "start_at": None, "end_at": None}
    return known | {"catchup": "all", "catchup_window_seconds": 3600} | fields


def row(second: int, **fields: Any) -> dict[str, Any]:
    """The row of the tick at this second, which ran for half of it."""
    known = {"id": UUID(int=second), "config_id": CONFIG, "tick_at": at(second), "tick_until": None, "tick_count": 1}
    known |= {"trigger": "schedule", "for_tick": None}
    known |= {"status": "success", "reason": None, "attempt": 1, "earlier_attempts": []}
    known |= {"created_at": at(second), "started_at": at(second), "completed_at": at(second + 0.5)}
    return known | fields


def run(second: int, **fields: Any) -> Run:
    """The run of that row."""
    known = Run(str(UUID(int=second)), 1, CONFIG, at(second), PID, at(second + 0.1), at(second + 0.4), "returned")
    return replace(known, **fields)


def retried(second: int, status: str, **fields: Any) -> dict[str, Any]:
    """The row of a tick whose first attempt ended so, and whose second did well."""
    return row(second, attempt=2, earlier_attempts=[{"attempt": 1, "status": status}], **fields)


SOUND = Evidence([version()], [row(1), row(2), row(3)], [run(1), run(2), run(3)], {}, at(3.5))


def found(**changes: Any) -> list[str]:
    """The kinds of the faults in the sound evidence with these changes."""
    return [fault.kind for fault in judge(replace(SOUND, **changes)).faults]


def test_sound_evidence_has_no_fault_and_is_counted() -> None:
    verdict = judge(SOUND)
    assert verdict.faults == ()
    assert (verdict.ticks, verdict.rows, verdict.runs, verdict.cut_off) == (3, 3, 3, 0)
    assert [round(verdict.lag(share), 3) for share in (0, 0.5, 1)] == [0.1, 0.1, 0.1]
    assert "lost 0, twice 0, stuck 0, unfounded 0" in str(verdict)


# Ticks and rows


def test_a_tick_without_a_row_is_lost() -> None:
    assert found(rows=[row(1), row(3)], runs=[run(1), run(3)]) == ["lost"]


def test_a_tick_with_two_rows_happened_twice() -> None:
    other = UUID(int=9)
    again = row(2, id=other, created_at=at(2.5), completed_at=at(3))
    second = run(2, execution=str(other), began=at(2.5), ended=at(2.6))
    assert found(rows=[*SOUND.rows, again], runs=[*SOUND.runs, second]) == ["twice"]


def test_a_row_for_no_tick_is_too_much() -> None:
    assert "twice" in found(versions=[version(schedule_config=EVERY_OTHER)])


def test_a_row_that_is_not_final_is_stuck() -> None:
    assert found(rows=[row(1), row(2), row(3, status="queued", completed_at=None)]) == ["stuck"]


# Rows and runs


def test_a_success_that_never_ran_is_lost() -> None:
    assert found(runs=[run(1), run(3)]) == ["lost"]


def test_a_success_whose_run_was_cut_off_is_lost() -> None:
    assert found(runs=[run(1), run(2, ended=None, how=None), run(3)], deaths={PID: at(2.2)}) == ["lost"]


def test_a_run_cut_off_by_a_kill_is_accounted_for_by_its_lost_attempt() -> None:
    rows = [row(1), retried(2, "lost"), row(3, status="lost")]
    cut = [run(2, ended=None, how=None, pid=1), run(3, ended=None, how=None, pid=1)]
    runs = [run(1), cut[0], run(2, attempt=2, began=at(2.6), ended=at(2.8)), cut[1]]
    assert found(rows=rows, runs=runs, deaths={1: at(2.5)}) == []


def test_an_attempt_lost_before_it_began_needs_no_run() -> None:
    assert found(rows=[row(1), row(2), row(3, status="lost")], runs=[run(1), run(2)]) == []


def test_one_attempt_that_ran_twice_is_twice() -> None:
    assert found(runs=[*SOUND.runs, run(3, began=at(3.5), ended=at(3.6))]) == ["twice"]


def test_a_run_that_no_row_tells_of_is_twice() -> None:
    stranger = run(3, execution="a stranger", began=at(3.5), ended=at(3.6))
    assert found(runs=[*SOUND.runs, stranger]) == ["twice"]


def test_a_run_of_a_skipped_tick_is_twice() -> None:
    assert "twice" in found(rows=[row(1), row(2), row(3, status="skipped", reason="paused", started_at=None)])


def test_a_run_that_was_told_another_tick_is_twice() -> None:
    assert found(runs=[run(1), run(2), run(3, tick=at(2))]) == ["twice"]


def test_a_run_that_is_still_going_is_stuck() -> None:
    going = run(3, ended=None, how=None)
    assert found(rows=[row(1), row(2), row(3, status="lost")], runs=[run(1), run(2), going]) == ["stuck"]


def test_a_failed_attempt_and_its_retry_are_two_runs() -> None:
    runs = [run(1), run(2), run(3, how="raised"), run(3, attempt=2, began=at(3.45), ended=at(3.5))]
    assert found(rows=[row(1), row(2), retried(3, "failed")], runs=runs) == []


def test_two_attempts_at_once_are_twice() -> None:
    runs = [run(1), run(2), run(3, how="raised"), run(3, attempt=2, began=at(3.3), ended=at(3.5))]
    assert "twice" in found(rows=[row(1), row(2), retried(3, "failed")], runs=runs)


# Freezes


def frozen(first: Run, *, seconds: float, retry_at: float) -> set[str]:
    """The kinds of faults where the process of `first` was frozen at 1.2 s and its retry began elsewhere."""
    runs = [first, run(1, attempt=2, pid=1, began=at(retry_at), ended=at(retry_at + 0.3))]
    freezes = {PID: (at(1.2), at(1.2 + seconds))}
    return set(found(rows=[retried(1, "lost")], runs=runs, until=at(1.5), freezes=freezes))


def test_a_run_caught_by_a_long_freeze_is_given_up_and_may_go_on_beside_its_retry() -> None:
    caught = run(1, ended=at(21.5))
    assert frozen(caught, seconds=20, retry_at=13) == set()
    assert frozen(caught, seconds=20, retry_at=21.4) == set()


def test_a_retry_before_a_frozen_process_is_given_up_is_twice() -> None:
    assert frozen(run(1, ended=at(21.5)), seconds=20, retry_at=6) == {"twice"}


def test_a_retry_beside_a_run_that_was_frozen_for_a_moment_is_twice() -> None:
    assert frozen(run(1, ended=at(4.5)), seconds=3, retry_at=4.4) == {"twice"}


def test_a_run_that_begins_after_the_freeze_is_no_longer_excused() -> None:
    assert frozen(run(1, began=at(21.3), ended=at(21.5)), seconds=20, retry_at=21.4) == {"twice"}


def test_a_frozen_run_that_was_given_up_may_end_as_it_likes() -> None:
    ended = {"versions": [version(overlap="allow_all")], "rows": [row(1, status="cancelled")], "until": at(1.5)}
    late = [run(1, ended=at(21.5))]
    assert found(**ended, runs=late, freezes={PID: (at(1.2), at(21.2))}) == []
    assert found(**ended, runs=late) == ["lost"]


def test_what_was_claimed_at_the_instant_of_a_freeze_may_time_out_without_a_run() -> None:
    timed_out = row(1, status="timeout", worker=f"host:{PID}:1", started_at=at(1.1), completed_at=at(8))
    freezes = {PID: (at(1.2), at(21.2))}
    assert found(rows=[timed_out], runs=[], until=at(1.5), freezes=freezes) == []
    assert found(rows=[timed_out | {"started_at": at(0.1)}], runs=[], until=at(1.5), freezes=freezes) == ["lost"]
    assert found(rows=[timed_out], runs=[], until=at(1.5)) == ["lost"]


def test_what_was_claimed_at_the_instant_of_a_kill_may_time_out_without_a_run() -> None:
    timed_out = row(1, status="timeout", worker=f"host:{PID}:1", started_at=at(1.1), completed_at=at(8))
    assert found(rows=[timed_out], runs=[], until=at(1.5), deaths={PID: at(1.2)}) == []
    assert found(rows=[timed_out], runs=[], until=at(1.5), deaths={PID: at(3)}) == ["lost"]
    assert found(rows=[timed_out], runs=[], until=at(1.5), deaths={PID + 1: at(1.2)}) == ["lost"]


# Policies


def test_runs_that_overlap_under_skip_are_twice_and_under_allow_all_are_not() -> None:
    runs = [run(1, ended=at(2.3)), run(2), run(3)]
    assert found(runs=runs) == ["twice"]
    assert found(runs=runs, versions=[version(overlap="allow_all")]) == []


def test_a_skip_for_an_overlap_needs_something_to_overlap_with() -> None:
    skipped = row(2, status="skipped", reason="overlap", started_at=None, completed_at=at(2))
    runs = [run(1), run(3)]
    assert found(rows=[row(1), skipped, row(3)], runs=runs) == ["unfounded"]
    assert found(rows=[row(1, completed_at=at(2.1)), skipped, row(3)], runs=runs) == []


def test_a_tick_on_time_cannot_have_been_missed() -> None:
    skipped = row(2, status="skipped", reason="missed", started_at=None, created_at=at(4))
    runs = [run(1), run(3)]
    assert found(rows=[row(1), skipped, row(3)], runs=runs, versions=[version(catchup="skip")]) == ["unfounded"]
    late = skipped | {"created_at": at(8)}
    assert found(rows=[row(1), late, row(3)], runs=runs, versions=[version(catchup="skip")]) == []


def test_a_config_that_catches_up_on_all_passes_nothing_over() -> None:
    skipped = row(2, status="skipped", reason="missed", started_at=None, created_at=at(60))
    assert found(rows=[row(1), skipped, row(3)], runs=[run(1), run(3)]) == ["unfounded"]


# What is owed


def test_each_version_owes_its_own_ticks_until_the_next_takes_over() -> None:
    renamed = version()
    edited = version(schedule_config=EVERY_OTHER, scheduled_from=at(3.5))
    stopped = version(status="inactive", scheduled_from=at(8.5))
    ticks, unsure = owed_ticks([version(), renamed, edited, stopped], at(20))
    assert ticks == [at(n) for n in (1, 2, 3, 4, 6, 8)]
    assert unsure == set()


def test_the_ticks_of_a_pause_are_owed() -> None:
    resumed = version(scheduled_from=at(4.5))
    ticks, _ = owed_ticks([version(), version(status="paused"), resumed], at(6))
    assert ticks == [at(n) for n in range(1, 7)]


def test_ticks_during_a_deletion_may_have_a_row_or_none() -> None:
    deleted = version(status="inactive", deleted_at=at(2.5))
    ticks, unsure = owed_ticks([version(), deleted], at(20))
    assert unsure == {at(3), at(4), at(5)}
    assert set(ticks) - unsure == {at(1), at(2)}
    assert found(versions=[version(), deleted], rows=[row(1), row(2)], runs=[run(1), run(2)]) == []
    assert found(versions=[version(), deleted], rows=[row(1), row(3)], runs=[run(1), run(3)]) == ["lost"]


def test_a_config_that_has_fired_its_last_tick_owes_no_more() -> None:
    once = {"scheduler_type": "date", "schedule_config": {"run_date": at(2).isoformat(), "timezone": "UTC"}}
    ticks, _ = owed_ticks([version(**once), version(**once, status="inactive")], at(20))
    assert ticks == [at(2)]
