"""The auditor finds what is wrong with the ledger, each thing once, and nothing in a ledger that is sound."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import anyio
import pytest
from structlog.testing import capture_logs

from horarium import findings
from horarium.actors import auditor as auditor_module
from horarium.actors.auditor import Auditor
from horarium.audit import Audit
from horarium.keyspace.due_index import DueEntry
from horarium.keyspace.workers import WorkerBeat
from horarium.sql.queries import QUERIES
from horarium.supervisor import ChildContext
from tests.support.audits import LATER, audited, punctual, without_rest
from tests.support.plans import planned
from tests.support.rig import NOON
from tests.support.waiting import eventually, report

if TYPE_CHECKING:
    from tests.support.rig import Rig

__all__ = ["without_rest"]

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("without_rest")]


async def truth(answer: bool) -> bool:
    return answer


async def drop(rig: Rig, config: int, second: int) -> None:
    """Take the row of a tick out of the ledger."""
    await rig.sql(
        "DELETE FROM executions WHERE config_id = $1 AND tick_at = $2", config, NOON + timedelta(seconds=second)
    )


# What is wrong


async def test_a_row_that_was_taken_out_of_the_ledger_is_missed(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(60)
    await drop(rig, config, 7)

    assert await audited(rig, after=0) == [("missing", f"config {config}", 1)]


async def test_a_tick_that_the_cursor_was_moved_past_is_missed(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(10)
    (entry,) = await rig.index.page(None, 1)
    moved = DueEntry(config, entry.version, NOON + timedelta(seconds=14), entry.spec)
    await rig.index.upsert([moved])
    await rig.fire_each_second(50)

    assert await audited(rig, after=0) == [("missing", f"config {config}", 3)]


async def test_everything_is_missed_while_nobody_dispatches(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(5)

    assert await audited(rig, after=60) == [("missing", f"config {config}", 30)]


async def test_a_tick_before_the_window_is_missed_as_well_when_no_row_follows_it(rig: Rig) -> None:
    config = await rig.config(schedule_config={"cron_expression": "0 * * * *"})
    await rig.fire(after=3600)

    assert await audited(rig, after=3600 + 1800) == [("missing", f"config {config}", 1)]


async def test_a_row_for_what_is_no_tick_is_one_too_many(rig: Rig) -> None:
    config = await rig.config(schedule_config={"cron_expression": "* * * * *"})
    await rig.fire(after=60)
    await rig.fire(after=60)
    await rig.sql("UPDATE executions SET tick_at = tick_at + interval '7 s' WHERE tick_at = $1", rig.clock.now)

    found = await audited(rig)

    assert found == [("missing", f"config {config}", 1), ("extra", f"config {config}", 1)]


async def test_rows_as_many_as_the_ticks_and_between_the_same_ends_are_told_from_the_ticks(rig: Rig) -> None:
    config = await rig.config(schedule_config={"cron_expression": "* * * * *"})
    for _ in range(3):
        await rig.fire(after=60)
    middle = NOON + timedelta(seconds=120)
    await rig.sql("UPDATE executions SET tick_at = tick_at + interval '7 s' WHERE tick_at = $1", middle)

    found = await audited(rig)

    assert found == [("missing", f"config {config}", 1), ("extra", f"config {config}", 1)]


async def test_a_tick_that_a_stretch_covers_besides_its_own_row_is_one_too_many(rig: Rig) -> None:
    config = await rig.config(catchup="skip")
    await rig.fire_each_second(3)
    await rig.fire(after=20)
    await rig.sql("UPDATE executions SET tick_at = tick_at - interval '1500 ms' WHERE tick_until IS NOT NULL")

    found = await audited(rig)

    assert ("extra", f"config {config}", 2) in found


async def test_a_row_that_was_written_long_after_its_tick_is_late(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(3)
    await punctual(rig)
    await rig.sql("UPDATE executions SET status = 'success', completed_at = now() WHERE completed_at IS NULL")
    await rig.sql("UPDATE executions SET created_at = tick_at + interval '1 min' WHERE tick_at = $1", rig.clock.now)
    auditor, audit = rig.auditor()
    rig.clock.passes(31)

    await auditor.step()
    await auditor.step()

    assert [(f.kind, f.subject, f.count) for f in audit.findings if f.kind == "late"] == [
        ("late", f"config {config}", 1)
    ]


@pytest.mark.parametrize(
    ("status", "columns"),
    [
        ("pending", "created_at = clock_timestamp() - interval '2 min'"),
        ("queued", "queued_at = clock_timestamp() - interval '2 min'"),
        ("retrying", "retry_at = clock_timestamp() - interval '2 min'"),
        ("running", "deadline_at = clock_timestamp() - interval '2 min'"),
    ],
)
async def test_an_execution_that_nobody_takes_further_is_stuck(rig: Rig, status: str, columns: str) -> None:
    config = await rig.config(scheduler_type="manual", schedule_config={})
    await rig.manual_run(config)
    await rig.sql(f"UPDATE executions SET status = $1, {columns}", status)  # noqa: S608 - ours
    auditor, audit = rig.auditor()

    await auditor.step()
    await auditor.step()

    assert [(f.kind, f.subject, f.count) for f in audit.findings] == [("stuck", f"{status} in queue default", 1)]


async def test_what_waits_at_a_worker_that_lives_is_not_stuck(rig: Rig) -> None:
    await rig.workers.beat(WorkerBeat("alive", ("default",), 1, 1, "now"))
    await rig.manual_run(await rig.config(scheduler_type="manual", schedule_config={}))
    await rig.sql("UPDATE executions SET status = 'queued', queued_at = clock_timestamp() - interval '1 hour'")
    auditor, audit = rig.auditor()

    await auditor.step()
    await auditor.step()

    assert audit.findings == ()


# How it is told


async def test_what_waits_for_its_turn_is_not_stuck(rig: Rig) -> None:
    await rig.config(overlap="buffer_all")
    await rig.fire_each_second(3)
    await rig.sql("UPDATE executions SET status = 'success', completed_at = now() WHERE NOT buffered")
    await rig.age(3600)
    auditor, audit = rig.auditor()

    await auditor.step()
    await auditor.step()

    assert [finding for finding in audit.findings if finding.kind == "stuck"] == []


async def test_a_tick_that_jitter_puts_off_is_neither_missing_nor_late(rig: Rig) -> None:
    """An hour's jitter of an hourly schedule: the tick of an instant ago fires some minutes from now."""
    await rig.config(
        scheduler_type="interval", schedule_config={"hours": 1, "anchor": NOON.isoformat()}, jitter_seconds=3600
    )
    rig.clock.passes(2 * 3600 + 1)
    await rig.fire()

    assert await audited(rig, after=LATER) == []


async def test_a_finding_is_told_by_the_second_pass_that_sees_it_once_and_once_when_it_is_over(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(60)
    await punctual(rig)
    await rig.sql(
        "CREATE TABLE kept AS SELECT * FROM executions WHERE tick_at = $1".replace("$1", "'2024-05-08 12:00:07Z'")
    )
    await drop(rig, config, 7)
    auditor, audit = rig.auditor()

    with capture_logs() as logs:
        await auditor.step()
        assert audit.findings == ()
        for _ in range(3):
            await auditor.step()
        assert audit.count("missing") == 1
        await rig.sql("ALTER TABLE kept DROP COLUMN outcome")  # which Postgres makes itself, the last of them
        await rig.sql("INSERT INTO executions SELECT * FROM kept")
        await rig.sql("DROP TABLE kept")
        await auditor.step()

    told = [(line["state"], line["kind"], line["since"]) for line in logs if line["event"] == "audit.finding"]
    at = (NOON + timedelta(seconds=7)).isoformat()
    assert told == [("found", "missing", at), ("over", "missing", at)]
    assert (audit.findings, audit.found["missing"]) == ((), 1)


async def test_when_every_config_has_its_finding_only_the_first_are_told_one_by_one(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(findings, "TOLD_FINDINGS", 2)
    for _ in range(5):
        await rig.config()
    auditor, audit = rig.auditor()
    rig.clock.passes(60)

    with capture_logs() as logs:
        await auditor.step()
        await auditor.step()

    assert (len(audit.findings), audit.found["missing"]) == (5, 5)
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == [
        "audit.finding",
        "audit.finding",
        "audit.findings_untold",
    ]
    assert logs[-2]["findings"] == 3


async def test_what_is_right_again_in_the_next_pass_was_under_way_and_is_not_told(rig: Rig) -> None:
    await rig.config(catchup="all")
    auditor, audit = rig.auditor()
    rig.clock.passes(60)

    with capture_logs() as logs:
        await auditor.step()
        await rig.fire()
        await punctual(rig)
        await auditor.step()

    assert [line for line in logs if line["event"] == "audit.finding"] == []
    assert audit.count("missing") == 0


async def test_a_finding_does_not_end_because_a_quarter_of_an_hour_has_passed(rig: Rig) -> None:
    config = await rig.config(schedule_config={"cron_expression": "* * * * *"})
    auditor, audit = rig.auditor()
    for minute in range(1, 45):
        await rig.fire(after=60)
        await punctual(rig)
        if minute == 5:
            await drop(rig, config, 180)
        if minute >= 5:
            await auditor.step()

    assert audit.count("missing") == 1
    assert not audit.blocks(rig.clock.now, timedelta(minutes=15))


async def test_missing_ticks_and_stuck_executions_block_and_late_ones_do_not(rig: Rig) -> None:
    config = await rig.config()
    await rig.fire_each_second(60)
    await punctual(rig)
    await drop(rig, config, 7)
    auditor, audit = rig.auditor()

    await auditor.step()
    await auditor.step()

    assert audit.blocks(rig.clock.now, timedelta(minutes=15))


async def test_who_stands_by_audits_nothing_and_forgets_what_it_found(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditor_module, "PASS_SECONDS", 0.0)
    leader, leadership = rig.leader("ours")
    audit = Audit()
    auditor = Auditor(rig.database, rig.workers, audit, clock=rig.clock, leadership=leadership)
    await leader.step()
    async with anyio.create_task_group() as group:
        await group.start(lambda *, task_status: auditor.run(ChildContext("auditor", 1), task_status=task_status))
        await eventually(lambda: truth(audit.last is not None))
        leadership.resign()
        await eventually(lambda: truth(audit.last is None))
        group.cancel_scope.cancel()

    assert audit.passes > 0


# What it costs


async def test_a_page_of_configs_is_audited_by_index_alone(rig: Rig) -> None:
    ids = [await rig.config() for _ in range(5)]
    await rig.fire_each_second(20)

    text = await planned(
        rig.database,
        QUERIES.audit_ledger,
        ids[0],
        ids=ids,
        versions=[1] * len(ids),
        sinces=[NOON] * len(ids),
        untils=[NOON + timedelta(minutes=1)] * len(ids),
        earliest=NOON,
        late_seconds=30.0,
    )

    report(text)
    assert "Seq Scan on executions" not in text
    assert "executions_one_row_per_tick" in text
