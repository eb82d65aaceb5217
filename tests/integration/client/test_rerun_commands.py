"""`horarium execution retry` and `horarium config backfill`: running again what went wrong, and what never ran."""

from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING

import pytest

from horarium.commands import backfill
from tests.integration.client.test_commands import login, run
from tests.integration.client.test_execution_commands import final, started
from tests.support.pseudo_terminal import in_terminal

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.tree import House

__all__ = ["login"]

pytestmark = pytest.mark.anyio

NUMBERS = count(1)
HOURLY = {"scheduler_type": "interval", "schedule_config": {"hours": 1, "anchor": "2026-01-01T00:00:00Z"}}
MINUTELY = {"scheduler_type": "cron", "schedule_config": {"cron_expression": "* * * * *"}}


@pytest.fixture
def name() -> str:
    """A name that no config has."""
    return f"rerun {next(NUMBERS)}"


async def test_a_failed_execution_is_repeated_by_a_new_one_that_links_back(
    house: House, login: Path, name: str
) -> None:
    config_id = await house.config(name=name, task_type="fail", parameters={"message": "no luck"})
    failed = (await final(house, await started(house, config_id)))["task_id"]

    retried = await run("execution", "retry", failed, "--wait", config_dir=login)

    again = retried.out.strip()
    page = await run("execution", "show", again, config_dir=login)
    assert (retried.code, again != failed) == (10, True)
    assert f"  Repeats  {failed}" in page.out.splitlines()


async def test_what_has_succeeded_is_not_repeated(house: House, login: Path, name: str) -> None:
    task_id = (await final(house, await started(house, await house.config(name=name))))["task_id"]

    refused = await run("execution", "retry", task_id, config_dir=login)

    assert (refused.code, refused.out) == (1, "")


async def test_a_backfill_makes_what_is_missing_and_the_same_again_makes_nothing(
    house: House, login: Path, name: str
) -> None:
    await house.config(name=name, status="inactive", **HOURLY)
    words = ("config", "backfill", name, "--start", "2026-01-02T00:00:00Z", "--end", "2026-01-02T04:00:00Z")

    first = await run(*words, config_dir=login)
    second = await run(*words, "--json", config_dir=login)

    assert (first.code, first.out) == (0, "Made 5 executions; 0 ticks needed none.\n")
    assert json.loads(second.out) == {"created": 0, "skipped": 5}


async def test_a_dry_run_says_how_many_a_backfill_would_make_and_asks_for_no_yes(
    house: House, login: Path, name: str
) -> None:
    config_id = await house.config(name=name, status="inactive", **MINUTELY)
    words = ("config", "backfill", name, "--start", "2026-01-02T00:00:00Z", "--end", "2026-01-02T09:59:00Z")

    shown = await run(*words, "--dry-run", config_dir=login)
    as_json = await run(*words, "--dry-run", "--json", config_dir=login)

    assert (shown.code, shown.out) == (0, "Would make 600 executions; 0 ticks needed none.\n")
    assert json.loads(as_json.out) == {"created": 600, "skipped": 0}
    assert (await house.get(f"/task-configs/{config_id}/executions"))["total"] == 0


async def test_a_backfill_in_pieces_makes_every_tick_once(house: House, login: Path, name: str) -> None:
    config_id = await house.config(name=name, status="inactive", **MINUTELY)
    ticks = backfill.PIECE + 11
    words = ("--start", "2026-01-02T00:00:00Z", "--end", f"2026-01-02T{(ticks - 1) // 60:02}:{(ticks - 1) % 60:02}:00Z")

    done = await run("config", "backfill", name, *words, "--yes", config_dir=login)

    assert (done.code, done.out) == (0, f"Made {ticks} executions; 0 ticks needed none.\n")
    assert (await house.get(f"/task-configs/{config_id}/executions"))["total"] == ticks


async def test_more_than_a_hundred_runs_are_not_made_without_a_yes(house: House, login: Path, name: str) -> None:
    config_id = await house.config(name=name, status="inactive", **MINUTELY)
    words = ("config", "backfill", name, "--start", "2026-01-02T00:00:00Z", "--end", "2026-01-02T02:00:00Z")

    unattended = await run(*words, config_dir=login)
    with in_terminal(*words, config_dir=login) as terminal:
        await terminal.shows(f"Make up to 121 executions of {name}? [y/N]: ")
        terminal.type("n")
        await terminal.shows("Nothing was created.")
        ended = await terminal.ended()

    assert (unattended.code, ended) == (2, 1)
    assert (await house.get(f"/task-configs/{config_id}/executions"))["total"] == 0
