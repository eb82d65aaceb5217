"""A cancel: what waits never starts, what runs is stopped, whatever it does about it, and nothing is tried again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psutil
import pytest
from uuid_utils.compat import uuid7

from horarium.errors import Conflict, NotFound
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.workbench import Workbench

pytestmark = pytest.mark.anyio


async def test_what_waits_for_its_worker_never_starts(bench: Workbench, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    execution_id = await bench.row("test.finishes_all_the_same", {"mark": str(mark)})

    row = await bench.cancel(execution_id)
    await bench.send(execution_id)

    await eventually(bench.all_acknowledged)
    assert (row["status"], row["reason"]) == ("cancelled", "requested")
    assert dict(await bench.read(execution_id)) | {"said": None} == dict(row)
    assert not mark.exists()


async def test_a_coroutine_that_runs_is_stopped(bench: Workbench, tmp_path: Path) -> None:
    never = {"path": str(tmp_path / "never")}
    execution_id = await bench.running("test.waits_for", tmp_path / "mark", never, max_retries=3)

    shown = await bench.cancel(execution_id)

    row = await bench.ended(execution_id)
    await eventually(bench.all_acknowledged)
    assert (shown["status"], shown["cancel_requested_at"]) == ("running", row["cancel_requested_at"])
    assert (row["status"], row["reason"], row["attempt"]) == ("cancelled", "requested", 1)
    assert [event.event for event in bench.events] == ["cancelled"]


async def test_the_process_of_a_plain_function_is_killed(bench: Workbench, tmp_path: Path) -> None:
    execution_id = await bench.running("test.plain_forever", tmp_path / "pid")
    pid = int((tmp_path / "pid").read_text())

    async def gone() -> bool:
        return not psutil.pid_exists(pid)

    await bench.cancel(execution_id)

    assert (await bench.ended(execution_id))["status"] == "cancelled"
    await eventually(gone)


async def test_of_a_task_that_succeeds_all_the_same_the_success_stands(bench: Workbench, tmp_path: Path) -> None:
    execution_id = await bench.running("test.finishes_all_the_same", tmp_path / "mark")

    await bench.cancel(execution_id)

    row = await bench.ended(execution_id)
    assert (row["status"], row["result"]) == ("success", "finished")
    await eventually(bench.all_acknowledged)


async def test_a_task_that_breaks_over_it_is_cancelled_and_not_tried_again(bench: Workbench, tmp_path: Path) -> None:
    execution_id = await bench.running("test.breaks_when_cancelled", tmp_path / "mark", max_retries=3)

    await bench.cancel(execution_id)

    row = await bench.ended(execution_id)
    assert (row["status"], row["attempt"]) == ("cancelled", 1)
    assert row["error"].endswith("ValueError: the cleaning up broke")


async def test_what_waits_for_its_retry_is_not_tried_again(bench: Workbench) -> None:
    execution_id = await bench.row("fail", {"message": "no"}, max_retries=1, retry_backoff_seconds=0.1)
    await bench.send(execution_id)
    await bench.reaches(execution_id, "retrying")

    await bench.cancel(execution_id)
    await bench.send(execution_id, attempt=2)

    await eventually(bench.all_acknowledged)
    row = await bench.read(execution_id)
    assert (row["status"], len(row["earlier_attempts"])) == ("cancelled", 1)


async def test_a_worker_that_stops_does_not_hand_back_what_was_cancelled(bench: Workbench, tmp_path: Path) -> None:
    execution_id = await bench.running("test.plain_forever", tmp_path / "pid")
    await bench.cancel_unheard(execution_id)

    await bench.receiver.hand_back_all()

    row = await bench.read(execution_id)
    assert (row["status"], row["reason"], row["attempt"]) == ("cancelled", "requested", 1)


async def test_a_second_cancel_changes_nothing(bench: Workbench, tmp_path: Path) -> None:
    execution_id = await bench.running("test.plain_forever", tmp_path / "pid")

    first = await bench.cancel_unheard(execution_id)

    assert await bench.cancel_unheard(execution_id) == first


async def test_what_is_final_stays_as_it_is(bench: Workbench) -> None:
    row = await bench.run("echo", {"message": "done"})

    with pytest.raises(Conflict, match="success already"):
        await bench.cancel(row["id"])

    assert await bench.read(row["id"]) == row


async def test_there_has_to_be_an_execution(bench: Workbench) -> None:
    with pytest.raises(NotFound):
        await bench.cancel(uuid7())
