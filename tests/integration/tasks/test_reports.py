"""What a task says of itself is kept with its attempt: its own lines, bounded, masked, and readable while it runs."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from uuid_utils.compat import uuid7

from horarium.errors import Unavailable
from horarium.outcome import Attempt
from horarium.sql.reports import write_reports
from horarium.tasks.report import Marks, Report, Snapshot
from horarium.tasks.reports import SETTLE_SECONDS
from tests.support.tasks import NOTHING_SECRET
from tests.support.waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from uuid import UUID

    import asyncpg

    from horarium.sql.queries import Connection
    from tests.support.workbench import Workbench

pytestmark = pytest.mark.anyio

BUSY_SECONDS = 5.0
"""What a busy machine may add to what a finish takes."""


async def report(bench: Workbench, execution_id: UUID, attempt: int = 1) -> asyncpg.Record | None:
    async with bench.database.connection() as connection:
        return await connection.fetchrow(
            "SELECT * FROM execution_reports WHERE execution_id = $1 AND attempt = $2", execution_id, attempt
        )


async def texts(bench: Workbench, execution_id: UUID, attempt: int = 1) -> list[str]:
    found = await report(bench, execution_id, attempt)
    return [] if found is None else [text for _, _, _, text in found["lines"]]


async def reports_stored(bench: Workbench) -> int:
    async with bench.database.connection() as connection:
        return int(await connection.fetchval("SELECT count(*) FROM execution_reports"))


async def sent(bench: Workbench, task_type: str, **parameters: Any) -> UUID:
    execution_id = await bench.row(task_type, parameters)
    await bench.send(execution_id)
    return execution_id


async def test_tasks_that_run_at_once_keep_their_lines_apart_those_of_threads_included(
    bench: Workbench, tmp_path: Path
) -> None:
    mark = tmp_path / "go"
    one = await sent(bench, "test.reports", mark=str(mark), name="one")
    two = await sent(bench, "test.reports", mark=str(mark), name="two")
    await eventually(lambda: reports_of_both(bench, one, two))
    mark.write_text("")
    await bench.ended(one)
    await bench.ended(two)

    assert await texts(bench, one) == [
        "one speaks",
        "one speaks from a thread",
    ]
    assert await texts(bench, two) == [
        "two speaks",
        "two speaks from a thread",
    ]
    found = await report(bench, one)
    assert found is not None
    assert (found["progress"], found["progress_message"]) == (1, "one begins")
    assert [line[1:3] for line in found["lines"]][:2] == [["info", "app.reports"], ["warning", "app.thread"]]


async def reports_of_both(bench: Workbench, one: UUID, two: UUID) -> bool:
    """Whether both have been written down while they run."""
    return bool(await texts(bench, one)) and bool(await texts(bench, two))


async def test_a_task_that_says_nothing_costs_no_row_and_no_statement(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def write(*_: object) -> None:
        raise AssertionError("nothing is to be written")

    monkeypatch.setattr("horarium.tasks.reports.write_reports", write)

    row = await bench.run("test.plain_add", {"a": 1})

    assert row["status"] == "success"
    assert await reports_stored(bench) == 0


async def test_lines_belong_to_their_attempt_and_earlier_ones_stay_and_secrets_are_masked(bench: Workbench) -> None:
    execution_id = await bench.row("test.reports_then_fails", max_retries=1, retry_backoff_seconds=0)
    await bench.send(execution_id)
    await bench.reaches(execution_id, "retrying")
    await bench.send(execution_id, attempt=2)
    await bench.reaches(execution_id, "failed")

    first, second = await texts(bench, execution_id, 1), await texts(bench, execution_id, 2)

    assert (first[0], second[0]) == ("attempt 1", "attempt 2")
    assert first[1].startswith("it broke\nTraceback")
    assert "ValueError: cannot reach postgresql://app:***@db/app" in first[1]
    assert NOTHING_SECRET not in "".join(first + second)


async def test_the_newest_lines_of_a_noisy_task_are_kept_and_the_others_counted(bench: Workbench) -> None:
    execution_id = await sent(bench, "test.noisy", lines=3000)
    await bench.ended(execution_id)

    found = await report(bench, execution_id)

    assert found is not None
    kept = [text for _, _, _, text in found["lines"]]
    assert 400 < len(kept) <= 1000
    assert kept[-1] == "line 003000 of many"
    assert found["dropped"] + len(kept) == 3000
    assert kept[0] == f"line {found['dropped'] + 1:06d} of many"


async def test_a_noisy_task_does_not_hold_others_up(bench: Workbench, tmp_path: Path) -> None:
    """They come to their end while it is at it, and it would go on for ever."""
    quiet = tmp_path / "quiet"
    noisy = await sent(bench, "test.noisy", lines=20_000, mark=str(quiet))
    await bench.reaches(noisy, "running")
    others = [await sent(bench, "echo", message="hello") for _ in range(5)]
    for each in others:
        await bench.ended(each)
    quiet.touch()
    ended = await bench.reaches(noisy, "success")
    found = await report(bench, noisy)

    assert found is not None
    assert found["dropped"] + len(found["lines"]) == ended["result"] >= 20_000


async def test_taskiq_s_own_tracker_shows_as_progress(bench: Workbench) -> None:
    execution_id = await sent(bench, "test.tracks")
    await bench.ended(execution_id)

    found = await report(bench, execution_id)

    assert found is not None
    assert (found["progress"], found["progress_message"]) == (0.5, "loading")


async def test_a_plain_function_is_heard_from_its_own_process(bench: Workbench) -> None:
    execution_id = await sent(bench, "test.plain_reports", name="far", lines=3)
    row = await bench.ended(execution_id)

    found = await report(bench, execution_id)

    assert row["result"] == str(execution_id)
    assert found is not None
    assert (found["progress"], found["progress_message"]) == (0.5, "far half-way")
    assert await texts(bench, execution_id) == ["far line 1", "far line 2", "far line 3"]


async def test_a_noisy_plain_function_is_heard_to_its_end_and_what_it_dropped_is_counted(bench: Workbench) -> None:
    execution_id = await sent(bench, "test.plain_reports", name="far", lines=20_000)
    await bench.ended(execution_id)

    found = await report(bench, execution_id)

    assert found is not None
    assert found["lines"][-1][-1] == "far line 20000"
    assert found["dropped"] + len(found["lines"]) == 20_000
    assert found["lines"][0][-1] == f"far line {found['dropped'] + 1}"


async def test_a_plain_function_that_is_killed_leaves_what_it_said_before(bench: Workbench, tmp_path: Path) -> None:
    assert (await bench.run("test.plain_pid"))["status"] == "success", "the process is up"
    execution_id = await bench.running("test.plain_reports_forever", tmp_path / "mark", timeout_seconds=3)
    row = await bench.ended(execution_id)

    found = await report(bench, execution_id)

    assert row["status"] == "timeout"
    assert found is not None
    assert (found["progress"], await texts(bench, execution_id)) == (0.9, ["the last words"])


async def test_a_superseded_attempt_writes_to_its_own_row_alone(bench: Workbench, tmp_path: Path) -> None:
    mark = tmp_path / "go"
    execution_id = await sent(bench, "test.reports", mark=str(mark), name="old")
    await eventually(lambda: texts(bench, execution_id))
    async with bench.database.connection() as connection:
        await connection.execute(
            "UPDATE executions SET attempt = 2, worker = 'another', held_by = NULL WHERE id = $1", execution_id
        )
        await connection.execute(
            "INSERT INTO execution_reports (execution_id, attempt, version, progress) VALUES ($1, 2, 1, 0.1)",
            execution_id,
        )
    mark.write_text("")
    await eventually(lambda: finished_attempt(bench, execution_id))

    old, new = await report(bench, execution_id), await report(bench, execution_id, 2)

    assert old is not None
    assert new is not None
    assert (old["progress"], new["progress"]) == (1, 0.1)


async def finished_attempt(bench: Workbench, execution_id: UUID) -> bool:
    found = await report(bench, execution_id)
    return found is not None and found["progress"] == 1 and not bench.receiver.active


async def test_what_postgres_does_not_take_at_the_end_holds_the_finish_up_shortly_and_is_written_later(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused: list[object] = []
    is_away = [True]

    async def write(connection: Connection, given: Sequence[tuple[Attempt, Snapshot]]) -> None:
        if is_away:
            refused.append(given)
            raise Unavailable("Postgres")
        await write_reports(connection, given)

    monkeypatch.setattr("horarium.tasks.reports.write_reports", write)
    row = await bench.run("test.tracks")
    execution_id = row["id"]
    before = await report(bench, execution_id)
    is_away.clear()
    found = await eventually(lambda: report(bench, execution_id))

    assert row["status"] == "success"
    assert (before, len(refused) > 0) == (None, True)
    assert found["progress"] == 0.5


async def test_a_postgres_that_hangs_holds_the_finish_up_for_a_second_at_most(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    hangs = asyncio.Event()

    async def write(connection: Connection, given: Sequence[tuple[Attempt, Snapshot]]) -> None:
        await hangs.wait()
        await write_reports(connection, given)

    monkeypatch.setattr("horarium.tasks.reports.write_reports", write)
    row = await bench.run("test.tracks")
    unwritten = await report(bench, row["id"])
    hangs.set()
    found = await eventually(lambda: report(bench, row["id"]))
    await eventually(lambda: nothing_left(bench))

    assert row["status"] == "success"
    assert (row["completed_at"] - row["started_at"]).total_seconds() < SETTLE_SECONDS + BUSY_SECONDS
    assert unwritten is None
    assert found["progress"] == 0.5


async def nothing_left(bench: Workbench) -> bool:
    """Whether no report waits for Postgres any more."""
    return not bench.ledger.reports._left


async def test_a_report_that_cannot_be_stored_costs_only_itself(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = Report.snapshot

    def broken(self: Report) -> Snapshot:
        return known(self)._replace(lines="no JSON") if self.attempt.task_type == "test.noisy" else known(self)

    monkeypatch.setattr(Report, "snapshot", broken)
    bad = await bench.run("test.noisy", {"lines": 3})
    good = await bench.run("test.tracks")

    assert (bad["status"], await report(bench, bad["id"])) == ("success", None)
    assert await report(bench, good["id"]) is not None


async def test_reports_go_with_their_execution(bench: Workbench) -> None:
    row = await bench.run("test.tracks")
    assert await reports_stored(bench) == 1

    async with bench.database.connection() as connection:
        await connection.execute("DELETE FROM executions WHERE id = $1", row["id"])

    assert await reports_stored(bench) == 0


async def test_what_is_older_than_what_is_stored_is_refused(bench: Workbench) -> None:
    row = await bench.run("test.tracks")
    newer = await report(bench, row["id"])
    assert newer is not None
    attempt = Attempt(row["id"], 1, None, "test.tracks", None, 60, 0, 0, row["started_at"], row["deadline_at"])
    older = Snapshot(Marks(newer["version"] - 1), 0.1, "older", None, 0)

    async with bench.database.connection() as connection:
        await write_reports(connection, [(attempt, older)])

    assert await report(bench, row["id"]) == newer


async def test_an_attempt_that_is_still_to_come_and_an_execution_that_is_gone_take_nothing(bench: Workbench) -> None:
    row = await bench.run("echo", {"message": "hello"})
    known = Attempt(row["id"], 2, None, "echo", None, 60, 0, 0, row["started_at"], row["deadline_at"])
    said = Snapshot(Marks(1), 0.1, None, None, 0)

    async with bench.database.connection() as connection:
        await write_reports(connection, [(known, said), (replace(known, execution_id=uuid7()), said)])

    assert await reports_stored(bench) == 0
