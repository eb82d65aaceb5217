"""The auditor passes over configs that have no tick to compare, and finds what it would find if it did not."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from horarium import audit_calendar
from horarium.actors import auditor as auditor_module
from horarium.actors.auditor import Auditor
from horarium.audit import Audit
from horarium.audit_calendar import AT_ONCE
from horarium.ids import least_id
from horarium.model import TaskConfigPatch
from horarium.sql.queries import QUERIES
from horarium.tree import WATCHDOG_SECONDS
from tests.support.audits import DEEDS, does, without_rest
from tests.support.rig import NOON
from tests.support.waiting import report

if TYPE_CHECKING:
    from horarium.audit_calendar import Page
    from horarium.findings import Found
    from tests.support.rig import Rig

__all__ = ["without_rest"]

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("without_rest")]

YEARLY = {"schedule_config": {"cron_expression": "0 0 1 1 *"}}
AT_THREE = {"schedule_config": {"cron_expression": "0 15 * * *"}}
EXTRA = """
INSERT INTO executions (
    id, config_id, task_type, trigger, tick_at, status, queue, priority, timeout_seconds, max_retries,
    retry_backoff_seconds, scheduler_type, created_at, completed_at
)
SELECT
    ('f' || substr(gen_random_uuid()::text, 2))::uuid,
    id, task_type, 'schedule', $2, 'success', queue, priority, timeout_seconds, 0, 0, 'cron', $2, $2
FROM task_configs WHERE id = $1
"""
"""With an id that is later than any that is made by the clock."""

MADE_AT = "UPDATE executions SET id = $2 WHERE config_id = $1"


async def punctual(rig: Rig) -> None:
    """Rows were made at their tick: the rig's clock stands in 2024, Postgres' does not."""
    await rig.sql("UPDATE executions SET created_at = coalesce(tick_until, tick_at) WHERE tick_at IS NOT NULL")
    await rig.sql("UPDATE executions SET status = 'success', completed_at = now() WHERE completed_at IS NULL")


def said(audit: Audit) -> list[tuple[Any, ...]]:
    return sorted((f.kind, f.subject, f.count, f.since, f.until) for f in audit.findings)


async def found_by(auditor: Auditor, audit: Audit) -> list[tuple[Any, ...]]:
    """What two passes find."""
    await auditor.step()
    await auditor.step()
    return said(audit)


class LooksAtAll(Auditor):
    """One that passes nothing over."""

    async def _audit_due(self, page: Page, found: Found) -> None:
        for config_id in page.ids:
            page.look(config_id, AT_ONCE)
        await super()._audit_due(page, found)


# What is passed over


async def test_a_config_without_a_tick_in_the_last_two_hours_is_not_looked_at(rig: Rig) -> None:
    for _ in range(5):
        await rig.config(**YEARLY)
    await rig.config()
    await rig.fire_each_second(3)
    auditor, _ = rig.auditor()
    rig.clock.passes(31)

    first, second = await auditor.step(), await auditor.step()

    assert (first.configs, first.looked_at) == (second.configs, second.looked_at) == (6, 1)


async def test_a_config_is_looked_at_from_its_row_on_for_two_hours(rig: Rig) -> None:
    config = await rig.config(**AT_THREE)
    auditor, _ = rig.auditor()
    looked_at = {}
    for minutes in range(15, 420, 15):
        await rig.fire(after=15 * 60)
        rig.clock.passes(29)
        await punctual(rig)
        await rig.sql(MADE_AT, config, least_id(NOON + timedelta(hours=3)))
        looked_at[minutes] = (await auditor.step()).looked_at
        rig.clock.passes(-29)

    assert [minutes for minutes, looks in looked_at.items() if looks] == list(range(180, 301, 15))


async def test_whoever_stands_by_remembers_nothing(rig: Rig) -> None:
    await rig.config(**YEARLY)
    auditor, _ = rig.auditor()
    await auditor.step()
    assert auditor._calendar.pages

    auditor._stand_by()

    assert not auditor._calendar.pages


# What is found all the same


async def test_a_tick_is_missed_of_a_config_that_was_passed_over_until_then(rig: Rig) -> None:
    config = await rig.config(**AT_THREE)
    auditor, audit = rig.auditor()
    assert (await auditor.step()).looked_at == 0

    rig.clock.passes(3 * 3600 + 31)

    assert [(kind, subject, count) for kind, subject, count, *_ in await found_by(auditor, audit)] == [
        ("missing", f"config {config}", 1)
    ]


@pytest.mark.parametrize("change", ["edit", "stop and start"])
async def test_a_config_that_has_changed_is_read_again(rig: Rig, change: str) -> None:
    config = await rig.config(**YEARLY)
    auditor, audit = rig.auditor()
    assert (await auditor.step()).looked_at == 0

    if change == "stop and start":
        await rig.task_configs.stop(config)
        assert (await auditor.step()).configs == 0
        await rig.task_configs.start(config)
    patch = TaskConfigPatch(schedule_config={"cron_expression": "* * * * * *"})
    await rig.task_configs.edit(config, patch, version=None)
    rig.clock.passes(60)

    assert [(kind, count) for kind, _, count, *_ in await found_by(auditor, audit)] == [("missing", 30)]


async def test_a_schedule_that_was_changed_by_hand_is_found_out_after_a_while(rig: Rig) -> None:
    config = await rig.config(**YEARLY)
    auditor, audit = rig.auditor()
    await auditor.step()
    await rig.sql(
        """UPDATE task_configs SET schedule_config = '{"cron_expression": "* * * * *"}' WHERE id = $1""", config
    )

    rig.clock.passes(audit_calendar.REMEMBERED.total_seconds())

    assert [kind for kind, *_ in await found_by(auditor, audit)] == ["missing"]


async def test_a_config_that_was_made_or_deleted_is_counted_at_once(rig: Rig) -> None:
    first = await rig.config(**YEARLY)
    auditor, _ = rig.auditor()
    counts = [(await auditor.step()).configs]

    await rig.config(**YEARLY)
    counts.append((await auditor.step()).configs)
    await rig.task_configs.delete(first, version=None)
    counts.append((await auditor.step()).configs)
    await rig.sql("DELETE FROM task_configs")
    counts.append((await auditor.step()).configs)

    assert counts == [1, 2, 1, 0]


@pytest.mark.parametrize("known", [True, False], ids=["written while it is passed over", "there before"])
async def test_a_row_of_a_config_without_a_tick_is_one_too_many(rig: Rig, known: bool) -> None:
    config = await rig.config(**YEARLY)
    auditor, audit = rig.auditor()
    if known:
        await auditor.step()
    rig.clock.passes(600)
    await rig.sql(EXTRA, config, NOON + timedelta(seconds=100))

    assert [(kind, count) for kind, _, count, *_ in await found_by(auditor, audit)] == [("extra", 1)]

    await rig.sql("DELETE FROM executions")
    assert await found_by(auditor, audit) == []
    assert (await auditor.step()).looked_at == 0


async def test_configs_are_gone_through_page_by_page_wherever_a_listing_is_cut(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditor_module, "PAGE_IDS", 3)
    monkeypatch.setattr(audit_calendar, "PAGE_IDS", 3)
    monkeypatch.setattr(auditor_module, "LISTED_CONFIGS", 7)
    monkeypatch.setattr(auditor_module, "BATCH_CONFIGS", 2)
    configs = [await rig.config(**(AT_THREE if n % 2 else {})) for n in range(20)]
    await rig.task_configs.delete(configs[7], version=None)
    auditor, audit = rig.auditor()
    rig.clock.passes(60)

    done, pages = await auditor.step(), dict(auditor._calendar.pages)

    assert (done.configs, done.looked_at, done.ticks) == (19, 10, 300)
    assert len(await found_by(auditor, audit)) == 10
    assert auditor._calendar.pages == pages
    assert all(auditor._calendar.pages[number] is page for number, page in pages.items())


async def test_rows_of_a_long_time_are_asked_for_a_little_at_a_time(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auditor_module, "WRITTEN", timedelta(minutes=1))
    config = await rig.config(**YEARLY)
    auditor, audit = rig.auditor()
    await auditor.step()
    rig.clock.passes(600)
    await rig.sql(EXTRA, config, NOON + timedelta(seconds=100))
    await rig.sql(MADE_AT, config, least_id(NOON + timedelta(seconds=90)))

    assert [(kind, count) for kind, _, count, *_ in await found_by(auditor, audit)] == [("extra", 1)]


@pytest.mark.parametrize("seed", range(6))
async def test_whatever_is_done_to_configs_and_rows_it_finds_what_is_found_by_looking_at_all(
    rig: Rig, seed: int
) -> None:
    """One beside another that passes nothing over, while rows are lost and made up."""
    chance = random.Random(seed)  # noqa: S311 - no secret
    expressions = ["* * * * * *", "*/7 * * * *", "0 * * * *", "30 */3 * * *", "0 0 1 1 *"]
    configs = [
        await rig.config(
            catchup=chance.choice(["skip", "latest", "all"]),
            jitter_seconds=chance.choice([0, 0, 30]),
            schedule_config={"cron_expression": chance.choice(expressions)},
        )
        for _ in range(5)
    ]
    auditor, audit = rig.auditor()
    audit_of_all = Audit()
    looks_at_all = LooksAtAll(rig.database, rig.workers, audit_of_all, clock=rig.clock)
    seen = passed_over = 0
    for _ in range(20):
        config = chance.choice(configs)
        match chance.choice([*DEEDS, "lose", "make up", "outage", "fire"]):
            case "lose":
                await rig.sql("DELETE FROM executions WHERE id = (SELECT id FROM executions ORDER BY random() LIMIT 1)")
            case "make up":
                await rig.sql(f"{EXTRA} ON CONFLICT DO NOTHING", config, rig.clock.now - timedelta(minutes=5))
            case "outage":
                rig.clock.passes(chance.choice([600, 5000, 20_000]))
            case deed:
                await does(rig, deed, config, chance.choice(expressions))
        await rig.fire(after=chance.random() * 900)
        await punctual(rig)
        rig.clock.passes(chance.choice([29, 120]))
        of_all = await found_by(looks_at_all, audit_of_all)
        assert await found_by(auditor, audit) == of_all
        seen, passed_over = seen + len(of_all), passed_over + audit.last.configs - audit.last.looked_at

    report(f"{seen} findings, {passed_over} times a config was passed over")


async def test_a_rest_is_over_before_the_watchdog_takes_it_for_a_hang(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditor_module, "IDLE_SHARE", 1e9)
    rested: list[float] = []

    async def note(seconds: float) -> None:
        rested.append(seconds)

    monkeypatch.setattr(auditor_module.anyio, "sleep", note)
    auditor, _ = rig.auditor()

    await auditor.step()

    assert 0 < max(rested) < WATCHDOG_SECONDS / 2


async def test_pages_are_listed_and_rows_asked_for_by_index_alone(rig: Rig) -> None:
    await rig.config()
    asked = [
        (QUERIES.audit_pages, {"first": 0, "page_ids": 1000, "max_rows": 100}),
        (QUERIES.audit_written, {"first": least_id(NOON), "until": auditor_module.GREATEST_ID}),
    ]
    async with rig.database.connection() as connection:
        await connection.execute("VACUUM (ANALYZE) task_configs")  # what other tests left there has no say
        await connection.execute("VACUUM (ANALYZE) executions")
        plans = [await connection.fetch(f"EXPLAIN {query.sql}", *query._ordered(values)) for query, values in asked]
    text = "\n".join(line[0] for plan in plans for line in plan)

    report(text)
    assert "Seq Scan" not in text
    assert "Index Only Scan using task_configs_audited" in text
    assert "executions_pkey" in text
