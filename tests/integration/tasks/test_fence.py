"""A worker that may be taken for gone stops what it runs; and so it does what was ended without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # ships no types
import pytest

from horarium.tasks.ledger import Ledger
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from horarium.outcome import Attempt
    from horarium.sql.executions import Claim
    from tests.support.workbench import Workbench

pytestmark = pytest.mark.anyio


async def test_a_coroutine_that_runs_is_stopped_and_handed_back(bench: Workbench, tmp_path: Path) -> None:
    execution_id = await bench.running("test.waits_for", tmp_path / "mark", {"path": str(tmp_path / "never")})

    stopped = bench.receiver.fence()

    row = await bench.reaches(execution_id, "pending")
    (earlier,) = row["earlier_attempts"]
    assert (stopped, row["attempt"]) == (1, 2)
    assert (earlier["status"], earlier["reason"]) == ("cancelled", "worker_cut_off")


async def test_the_process_of_a_plain_function_is_killed(bench: Workbench, tmp_path: Path) -> None:
    execution_id = await bench.running("test.plain_forever", tmp_path / "pid")
    pid = int((tmp_path / "pid").read_text())

    async def gone() -> bool:
        return not psutil.pid_exists(pid)

    bench.receiver.fence()

    await eventually(gone)
    await bench.reaches(execution_id, "pending")


async def test_of_a_task_that_succeeds_all_the_same_the_success_stands(bench: Workbench, tmp_path: Path) -> None:
    execution_id = await bench.running("test.finishes_all_the_same", tmp_path / "mark")

    bench.receiver.fence()

    assert (await bench.ended(execution_id))["status"] == "success"


async def test_nothing_is_claimed_before_the_fence_is_lifted(bench: Workbench) -> None:
    execution_id = await bench.row("echo", {"message": "patience"})
    bench.receiver.fence()
    await bench.send(execution_id)

    async def received() -> bool:
        return bench.receiver.active == 1

    await eventually(received)
    waiting = await bench.read(execution_id)
    bench.receiver.lift_fence()

    assert (waiting["status"], waiting["started_at"]) == ("pending", None)
    assert (await bench.ended(execution_id))["status"] == "success"


async def test_what_was_claimed_when_the_fence_came_is_handed_back_and_never_begun(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fenced_meanwhile(self: Ledger, claim: Claim) -> Attempt | None:
        attempt = await Ledger.claim(self, claim)
        bench.receiver.fence()
        return attempt

    monkeypatch.setattr(type(bench.ledger), "claim", fenced_meanwhile)
    mark = tmp_path / "mark"
    execution_id = await bench.row("test.finishes_all_the_same", {"mark": str(mark)})
    await bench.send(execution_id)

    await eventually(bench.all_acknowledged)
    row = await bench.read(execution_id)
    assert (row["status"], row["attempt"]) == ("pending", 2)
    assert row["earlier_attempts"][0]["reason"] == "worker_cut_off"
    assert not mark.exists()


async def test_what_was_ended_without_its_worker_is_stopped_there_and_its_slot_is_free(
    bench: Workbench, tmp_path: Path
) -> None:
    never = {"path": str(tmp_path / "never")}
    execution_id = await bench.running("test.waits_for", tmp_path / "mark", never)
    await bench.ended_without_its_worker(execution_id)

    await bench.receiver.heed_ledger()

    await eventually(bench.all_acknowledged)
    row = await bench.read(execution_id)
    assert (row["status"], row["reason"], row["held_by"]) == ("timeout", None, None)
    assert bench.events == []


async def test_what_is_its_own_goes_on(bench: Workbench, tmp_path: Path) -> None:
    there = tmp_path / "there"
    execution_id = await bench.running("test.waits_for", tmp_path / "mark", {"path": str(there)})

    await bench.receiver.heed_ledger()
    there.touch()

    assert (await bench.ended(execution_id))["status"] == "success"
