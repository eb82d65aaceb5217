"""One message, from delivery to acknowledgement: whatever it holds, whatever the task does, the ledger says so once."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

import psutil  # type: ignore[import-untyped]  # ships no types
import pytest
import structlog
from uuid_utils.compat import uuid7

from horarium.actors.timeout_sweeper import DEADLINE_GRACE_SECONDS
from horarium.tasks import receiver, stream_broker
from horarium.tasks.message import TaskMessage
from tests.support import tasks
from tests.support.waiting import WAIT_SECONDS, eventually
from tests.support.workbench import WORKER, a_workbench

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from tests.support.workbench import Workbench

pytestmark = pytest.mark.anyio


# What a task does


async def test_a_result_is_kept_and_its_message_acknowledged(bench: Workbench) -> None:
    row = await bench.run("echo", {"message": "hello"})

    assert (row["status"], row["result"], row["error"]) == ("success", {"message": "hello"}, None)
    assert row["started_at"] <= row["completed_at"] < row["deadline_at"]
    assert row["worker"] == "worker-of-tests"
    await eventually(bench.all_acknowledged)
    assert [(event.event, event.details["task_id"]) for event in bench.events] == [("success", str(row["id"]))]


async def test_a_config_is_run_as_its_row_says_whatever_is_in_the_message(bench: Workbench) -> None:
    row = await bench.read(await bench.row("echo", {"message": "as ordered"}))
    forged = TaskMessage(row["id"], 1, row["config_id"], "fail", "manual", None, {"message": "no"}, "default", 5)

    await bench.broker.publish([forged])
    ended = await bench.ended(row["id"])

    assert (ended["status"], ended["result"]) == ("success", {"message": "as ordered"})


async def test_an_error_is_kept_with_its_traceback_and_without_values(bench: Workbench) -> None:
    row = await bench.run("test.raises", {"secret": "swordfish"})

    assert (row["status"], row["result"]) == ("failed", None)
    assert row["error"].startswith(f'Traceback (most recent call last):\n  File "{tasks.__file__}"')
    assert row["error"].endswith("ValueError: 40 characters were too many")
    assert "in raises" in row["error"]
    assert "swordfish" not in row["error"]
    assert tasks.NOTHING_SECRET not in row["error"]


@pytest.mark.parametrize(
    ("task_type", "last_line"),
    [
        ("test.quits", "SystemExit: enough"),
        ("test.stray", "the task was cancelled from inside"),
        ("test.timeout_of_its_own", "TimeoutError"),
        ("test.no_such_task", "is HORARIUM_TASK_MODULES set?"),
    ],
)
async def test_whatever_a_task_does_fails_that_execution_and_no_other(
    bench: Workbench, task_type: str, last_line: str
) -> None:
    row = await bench.run(task_type)

    assert row["status"] == "failed"
    assert row["error"].endswith(last_line), row["error"]
    assert (await bench.run("echo", {"message": "still here"}))["status"] == "success"
    await eventually(bench.all_acknowledged)


async def test_every_error_of_a_group_is_kept(bench: Workbench) -> None:
    row = await bench.run("test.group")

    assert "ValueError: one" in row["error"]
    assert "KeyError: 'two'" in row["error"]


@pytest.mark.parametrize("kind", tasks.ODD)
async def test_a_result_that_is_no_json_is_a_success_all_the_same(bench: Workbench, kind: str) -> None:
    row = await bench.run("test.odd", {"kind": kind})

    assert row["status"] == "success", row["error"]
    assert len(str(row["result"])) < 2_000


async def test_an_error_that_is_no_unicode_is_kept_as_far_as_it_is(bench: Workbench) -> None:
    row = await bench.run("test.raises_half_a_character")

    assert (row["status"], row["error"].rpartition("\n")[2]) == ("failed", "ValueError: no file ? here")


async def test_a_claim_whose_answer_was_lost_is_claimed_again_and_run_once(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And before its message comes again: by then the ledger may believe that it ran into its timeout."""
    monkeypatch.setattr(stream_broker, "ORPHAN_SECONDS", 2 * WAIT_SECONDS)
    bench.ledger.claim_answers_lost = 1

    row = await bench.run("echo", {"message": "after all"})

    assert (row["status"], row["attempt"], row["result"]) == ("success", 1, {"message": "after all"})
    await eventually(bench.all_acknowledged)
    assert [event.event for event in bench.events] == ["success"]


async def test_an_old_answer_to_a_claim_is_not_acted_on_when_the_attempt_was_given_up_meanwhile(
    bench: Workbench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As when the process was frozen between the two: by then its retry may run elsewhere."""
    monkeypatch.setattr(receiver, "CLAIM_GOOD_SECONDS", 0.0)
    execution_id = await bench.row("test.finishes_all_the_same", {"mark": str(tmp_path / "mark")})
    bench.ledger.before_answer = partial(given_up, bench, execution_id)

    await bench.send(execution_id)
    await eventually(bench.all_acknowledged)

    assert (await bench.read(execution_id))["status"] == "lost"
    assert not (tmp_path / "mark").exists()


async def test_an_old_answer_to_a_claim_is_asked_for_once_more_and_then_acted_on(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receiver, "CLAIM_GOOD_SECONDS", 0.0)

    row = await bench.run("echo", {"message": "slow"})

    assert (row["status"], row["attempt"]) == ("success", 1)


async def test_a_task_knows_what_it_is_run_for(bench: Workbench) -> None:
    row = await bench.run("test.labels")

    expected = {"task_id": str(row["id"]), "config_id": row["config_id"], "task_type": "test.labels", "attempt": 1}
    assert row["result"].items() >= expected.items()


# Plain functions


async def test_a_plain_function_runs_in_a_process_of_its_own(bench: Workbench) -> None:
    added, where = await bench.run("test.plain_add", {"a": 2}), await bench.run("test.plain_pid")

    assert (added["status"], added["result"]) == ("success", 3)
    assert psutil.pid_exists(where["result"])
    assert where["result"] != psutil.Process().pid


async def test_an_error_of_a_plain_function_is_kept(bench: Workbench) -> None:
    row = await bench.run("test.plain_add", {"a": 1, "b": None})

    assert row["status"] == "failed"
    assert "unsupported operand type(s)" in row["error"]


async def test_a_plain_function_past_its_timeout_is_killed_with_its_process(bench: Workbench, tmp_path: Path) -> None:
    mark = tmp_path / "pid"
    assert (await bench.run("test.plain_pid"))["status"] == "success", "the process is up"

    row = await bench.run("test.plain_forever", {"mark": str(mark)}, timeout_seconds=3)

    assert row["status"] == "timeout"
    pid = int(mark.read_text())

    async def gone() -> bool:
        return not psutil.pid_exists(pid)

    await eventually(gone)
    assert (await bench.run("test.plain_add", {"a": 1}))["result"] == 2


async def test_a_plain_function_that_ends_its_process_fails_alone(bench: Workbench) -> None:
    row = await bench.run("test.plain_dies")

    assert row["status"] == "failed"
    assert (await bench.run("test.plain_add", {"a": 1}))["result"] == 2


# Timeouts and retries


async def test_a_coroutine_past_its_timeout_is_cancelled(bench: Workbench) -> None:
    row = await bench.run("sleep", {"seconds": 60}, timeout_seconds=0.2)

    assert (row["status"], row["error"]) == ("timeout", "ran longer than 0.2 s")
    assert 0.2 <= (row["completed_at"] - row["started_at"]).total_seconds() < DEADLINE_GRACE_SECONDS


async def test_a_failure_waits_for_its_retry_longer_each_time_until_none_is_left(bench: Workbench) -> None:
    execution_id = await bench.row("fail", {"message": "no"}, max_retries=2, retry_backoff_seconds=0.2)

    await bench.send(execution_id)
    first = await bench.reaches(execution_id, "retrying")

    async def sends() -> bool:
        return (await bench.publisher.step()).published == 1

    await eventually(sends)
    await eventually(sends)
    row = await bench.reaches(execution_id, "failed")
    assert first["attempt"] == 2
    earlier = row["earlier_attempts"]
    assert [(each["attempt"], each["status"]) for each in earlier] == [(1, "failed"), (2, "failed")]
    assert (row["attempt"], row["status"]) == (3, "failed")
    await eventually(bench.all_acknowledged)  # an ending is told after it is written, and before it is acknowledged
    assert [event.event for event in bench.events] == ["retrying", "retrying", "failed"]
    assert 0.18 <= (first["retry_at"] - datetime.fromisoformat(earlier[0]["completed_at"])).total_seconds() < 0.36


# Messages


async def test_a_message_delivered_twice_is_run_once(bench: Workbench, tmp_path: Path) -> None:
    mark, go = tmp_path / "mark", tmp_path / "go"
    execution_id = await bench.row("test.waits_for", {"path": str(go), "mark": str(mark)})

    await bench.send(execution_id)
    await bench.send(execution_id)
    await bench.reaches(execution_id, "running")
    await bench.send(execution_id)
    go.touch()

    assert (await bench.ended(execution_id))["status"] == "success"
    await eventually(bench.all_acknowledged)
    assert mark.read_text() == "started\n"


async def test_a_message_of_an_attempt_that_was_superseded_is_dropped(bench: Workbench) -> None:
    execution_id = await bench.row("echo", {"message": "hello"})

    await bench.send(execution_id, attempt=2)
    await bench.send(execution_id, attempt=0)

    await eventually(bench.all_acknowledged)
    assert (await bench.read(execution_id))["status"] == "pending"


async def test_a_message_of_an_execution_that_is_not_there_is_dropped(bench: Workbench) -> None:
    await bench.broker.publish([TaskMessage(uuid7(), 1, None, "echo", "manual", None, {"message": "x"}, "default", 5)])

    await eventually(bench.all_acknowledged)


@pytest.mark.parametrize("raw", [b"", b"hello", b"[]", b"{}", b'{"task_id": "7"}', b"\xff\x00", b"null"])
async def test_a_message_that_cannot_be_read_is_dropped(bench: Workbench, raw: bytes) -> None:
    await bench.broker._publish(keys=[bench.broker._keys.queue("default")], args=[raw])

    assert (await bench.run("echo", {"message": "still here"}))["status"] == "success"
    await eventually(bench.all_acknowledged)


async def test_parameters_that_a_task_does_not_take_fail_it(bench: Workbench) -> None:
    row = await bench.run("echo", {"colour": "red"})

    assert row["status"] == "failed"
    assert "unexpected keyword argument 'colour'" in row["error"]


# Faults around a task


async def test_a_result_waits_for_postgres_to_come_back_and_says_so_once(bench: Workbench) -> None:
    bench.ledger.finishes_away = 3

    with structlog.testing.capture_logs() as lines:
        row = await bench.run("echo", {"message": "hello"})

    assert [line["event"] for line in lines].count("finish.waits") == 1
    assert (row["status"], row["attempt"], bench.ledger.refused) == ("success", 1, 3)
    await eventually(bench.all_acknowledged)


async def test_a_late_result_of_an_attempt_given_up_is_refused(bench: Workbench, tmp_path: Path) -> None:
    go = tmp_path / "go"
    execution_id = await bench.row("test.waits_for", {"path": str(go), "mark": str(tmp_path / "mark")})
    await bench.send(execution_id)
    await bench.reaches(execution_id, "running")

    await given_up(bench, execution_id)
    go.touch()

    await eventually(bench.all_acknowledged)
    row = await bench.read(execution_id)
    assert (row["status"], row["result"]) == ("lost", None)
    assert bench.events == []


async def test_a_worker_holds_what_it_runs_and_nothing_else(bench: Workbench, tmp_path: Path) -> None:
    """The answer to a claim can be lost for good: then the ledger believes in an attempt that nobody runs."""
    in_hand = await bench.running("test.finishes_all_the_same", tmp_path / "mark")
    never_known = await bench.row("echo", {"message": "hello"})
    for execution_id in (in_hand, never_known):
        await bench.ended_without_its_worker(execution_id)

    await bench.receiver.let_go_rest()

    assert (await bench.read(in_hand))["held_by"] == WORKER
    assert (await bench.read(never_known))["held_by"] is None


async def given_up(bench: Workbench, execution_id: UUID) -> None:
    """End a running execution as the sweeper does."""
    async with bench.database.connection() as connection:
        await connection.execute(
            "UPDATE executions SET status = 'lost', completed_at = clock_timestamp() WHERE id = $1", execution_id
        )


async def test_a_stopping_worker_hands_back_what_runs_as_the_next_attempt(
    emptied_ledger: str, redis_url: str, redis_prefix: str
) -> None:
    async with a_workbench(emptied_ledger, redis_url, redis_prefix) as bench:
        execution_id = await bench.row("sleep", {"seconds": 60})
        await bench.send(execution_id)
        await bench.reaches(execution_id, "running")

    async with a_workbench(emptied_ledger, redis_url, redis_prefix) as another:
        row = await another.read(execution_id)
        assert (row["status"], row["attempt"], row["worker"]) == ("pending", 2, None)
        (earlier,) = row["earlier_attempts"]
        assert (earlier["attempt"], earlier["status"], earlier["reason"]) == (1, "cancelled", "worker_stopped")
        await another.publisher.step([execution_id])
        assert (await another.reaches(execution_id, "running"))["attempt"] == 2


async def test_a_stopping_worker_lets_short_tasks_end(emptied_ledger: str, redis_url: str, redis_prefix: str) -> None:
    async with a_workbench(emptied_ledger, redis_url, redis_prefix, drain_seconds=5) as bench:
        execution_id = await bench.row("sleep", {"seconds": 0.5})
        await bench.send(execution_id)
        await bench.reaches(execution_id, "running")

    async with a_workbench(emptied_ledger, redis_url, redis_prefix) as another:
        assert (await another.read(execution_id))["status"] == "success"


# What a plain function is given, and gives back


async def test_a_plain_function_knows_what_it_is_run_for(bench: Workbench) -> None:
    row = await bench.run("test.plain_context")

    assert (row["status"], row["result"]) == ("success", {"task_id": str(row["id"]), "attempt": 1})


@pytest.mark.parametrize(
    ("task_type", "status", "says"),
    [
        ("test.plain_wants_the_broker", "failed", "which has no broker; make it an async def"),
        ("test.plain_given_a_lock", "failed", "argument 'lock', a lock, cannot be sent to the process"),
        ("test.plain_raises_oddly", "failed", "tests.support.plain_tasks.Odd: one"),
        ("test.plain_returns_a_lock", "failed", "it returned a lock, which cannot be sent back"),
    ],
)
async def test_what_cannot_travel_fails_a_plain_function_alone(
    bench: Workbench, task_type: str, status: str, says: str
) -> None:
    """And not the pool, with every other function in it."""
    before = await bench.run("test.plain_pid")

    row = await bench.run(task_type)

    assert row["status"] == status
    assert says in row["error"]
    assert (await bench.run("test.plain_pid"))["result"] == before["result"]


async def test_a_plain_function_may_reject_its_message(bench: Workbench) -> None:
    row = await bench.run("test.plain_rejects", max_retries=3)

    assert (row["status"], row["reason"], row["attempt"]) == ("failed", "rejected", 1)
    assert "in plain_rejects" in row["error"]
