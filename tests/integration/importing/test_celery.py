"""What a Celery app declares, read from the app itself and held against Celery's own arithmetic."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.imports import Imported, due, imported, peer

pytestmark = pytest.mark.anyio

APP = "tests.support.peers.celery_app:app"


@pytest.fixture(scope="module")
async def run() -> Imported:
    """The import of the app, in UTC."""
    return await imported("celery", APP, "--offline")


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Kolkata"])
async def test_every_crontab_is_due_when_celery_has_it_due(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    oracle = await peer("celery_app", zone=zone)
    monkeypatch.setenv("PEER_ZONE", zone)

    run = await imported("celery", APP, "--offline")

    assert {run.configs[name]["schedule_config"]["timezone"] for name in oracle} == {zone}
    assert due(run, oracle) == oracle


async def test_intervals_are_whole_seconds_however_they_were_said(run: Imported) -> None:
    said = {
        name: run.configs[name]["schedule_config"]["seconds"] for name in ("by seconds", "by timedelta", "by schedule")
    }
    assert said == {"by seconds": 30, "by timedelta": 7200, "by schedule": 300}
    assert "relative" in run.notes("by schedule")[0]


async def test_options_are_taken_over_or_named(run: Imported) -> None:
    config = run.configs["with options"]
    assert config["parameters"] == {"x": 1, "y": [2, 3]}
    assert (config["queue"], config["priority"], config["timeout_seconds"]) == ("slow", 3, 90)
    assert config["catchup_window_seconds"] == 600
    assert [note for note in run.notes("with options") if "exchange='other' is left out" in note] != []


async def test_what_has_no_equal_is_named_and_the_exit_code_says_so(run: Imported) -> None:
    assert run.code == 7
    assert run.left.keys() == {"bytes", "friday the 13th", "half a second", "positional", "sunset"}
    assert "follows the sun" in run.left["sunset"]
    assert "positional arguments" in run.left["positional"]
    assert run.said["unasked_task_types"] == ["app.add"]


async def test_tasks_that_are_declared_when_the_app_is_finished_are_found(run: Imported) -> None:
    assert run.configs["added when finished"]["schedule_config"]["cron_expression"] == "1 * * * *"


async def test_an_entry_that_makes_no_sense_costs_only_itself(tmp_path: Path) -> None:
    settings = tmp_path / "celeryconfig.py"
    settings.write_text(
        "beat_schedule = {'well': {'task': 'app.add', 'schedule': 60}, 7: {'schedule': 60}, 'text': 'app.add',\n"
        "'never': {'task': 'app.add'}, 'endless': {'task': 'app.add', 'schedule': float('inf')},\n"
        "'args': {'task': 'app.add', 'schedule': 60, 'kwargs': 5}}\n"
    )

    run = await imported("celery", str(settings), "--offline")

    assert (run.code, run.configs.keys()) == (7, {"well"})
    assert {name: run.left[name] for name in ("7", "text", "never")} == {
        "7": "names no task",
        "text": "names no task",
        "never": "has no schedule",
    }
    assert run.left["endless"].startswith("cannot be read: OverflowError: ")
    assert run.left["args"].startswith("cannot be read: TypeError: ")


async def test_a_package_is_looked_into_as_celery_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "shop"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "celery.py").write_text(
        "from celery import Celery\nother = Celery('other')\napp = Celery('shop')\n"
        "app.conf.beat_schedule = {'hourly': {'task': 'app.add', 'schedule': 3600}}\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[3]))

    run = await imported("celery", "shop", "--offline")

    assert (run.code, run.configs.keys()) == (0, {"hourly"})


@pytest.mark.parametrize("name", ["CELERY_BEAT_SCHEDULE", "CELERYBEAT_SCHEDULE"])
async def test_settings_may_call_the_schedule_as_django_or_an_older_celery_does(tmp_path: Path, name: str) -> None:
    settings = tmp_path / "settings.py"
    settings.write_text(f"{name} = {{'hourly': {{'task': 'app.add', 'schedule': 3600}}}}\n")

    assert (await imported("celery", str(settings), "--offline")).configs.keys() == {"hourly"}


async def test_a_file_of_settings_alone_will_do(tmp_path: Path) -> None:
    settings = tmp_path / "celeryconfig.py"
    settings.write_text(
        "from celery.schedules import crontab\n"
        "timezone = 'Europe/Paris'\n"
        "beat_schedule = {'nightly': {'task': 'app.add', 'schedule': crontab(minute=30, hour=2)}}\n"
    )

    run = await imported("celery", str(settings), "--offline")

    assert run.code == 0
    assert run.configs["nightly"]["schedule_config"] == {"cron_expression": "30 2 * * *", "timezone": "Europe/Paris"}
