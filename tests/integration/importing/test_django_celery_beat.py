"""django-celery-beat's tables, filled by its own models, on both databases, held against Celery's own arithmetic."""

from __future__ import annotations

import pytest

from tests.support.imports import START, Imported, due, imported, peer

pytestmark = pytest.mark.anyio

Filled = tuple[Imported, dict[str, list[str]]]


@pytest.fixture(scope="module")
async def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """The import of an SQLite file, and when its crontabs are due."""
    file = tmp_path_factory.mktemp("django") / "db.sqlite3"
    oracle = await peer("django_beat", str(file))
    return await imported("django-celery-beat", f"sqlite:///{file}", "--offline"), oracle


async def test_every_crontab_is_due_when_beat_has_it_due(sqlite: Filled) -> None:
    run, oracle = sqlite

    assert len(oracle) == 7
    assert due(run, oracle) == oracle


async def test_postgres_tells_the_same_story_as_sqlite(sqlite: Filled, empty_url: str) -> None:
    oracle = await peer("django_beat", empty_url)

    run = await imported("django-celery-beat", empty_url, "--offline")

    assert (run.code, run.configs, run.left) == (7, sqlite[0].configs, sqlite[0].left)
    assert due(run, oracle) == oracle


async def test_bounds_and_policies_are_taken_over(sqlite: Filled) -> None:
    config = sqlite[0].configs["bounded"]

    assert config["start_at"] == START.replace(day=13).isoformat()
    assert config["end_at"] == START.replace(day=16).isoformat()
    assert (config["queue"], config["priority"], config["description"]) == ("slow", 7, "four days")


async def test_a_disabled_task_is_an_inactive_config(sqlite: Filled) -> None:
    config = sqlite[0].configs["every two hours"]

    assert (config["status"], config["schedule_config"], config["parameters"]) == (
        "inactive",
        {"seconds": 7200},
        {"x": 1},
    )


async def test_a_clocked_task_is_a_date(sqlite: Filled) -> None:
    config = sqlite[0].configs["clocked"]

    assert config["scheduler_type"] == "date"
    assert config["schedule_config"]["run_date"].startswith(START.replace(month=8, day=1).isoformat()[:10])


async def test_a_crontab_that_runs_once_is_the_date_of_its_next_tick(sqlite: Filled) -> None:
    run, _ = sqlite

    assert run.configs["once at nine"]["scheduler_type"] == "date"
    assert run.notes("once at nine") == ["runs once, so it is the date of its next tick"]


async def test_what_is_different_is_named(sqlite: Filled) -> None:
    run, _ = sqlite

    assert run.configs["expiring"]["catchup_window_seconds"] == 120
    assert "priority" not in run.configs["expiring"]
    assert [note for note in run.notes("expiring") if "priority 200 is left out" in note] != []
    assert [note for note in run.notes("expiring") if "headers" in note] != []


async def test_what_has_no_equal_is_named_and_housekeeping_is_not_missed(sqlite: Filled) -> None:
    run, _ = sqlite

    missed = {each["name"] for each in run.said["not_carried"] if each["matters"]}
    assert missed == {"bad arguments", "spaced", "sunset", "too often"}
    assert "celery.backend_cleanup" in run.left


async def test_another_database_is_refused_without_its_password() -> None:
    with pytest.raises(AssertionError, match="cannot read a mysql database") as refused:
        await imported("django-celery-beat", "mysql://root:hunter2@db/app", "--offline")

    assert "hunter2" not in str(refused.value)


async def test_a_database_without_the_tables_is_refused(empty_url: str) -> None:
    with pytest.raises(AssertionError, match="has no such tables"):
        await imported("django-celery-beat", empty_url, "--offline")
