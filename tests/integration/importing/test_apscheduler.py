"""APScheduler's job stores, filled by its own scheduler, held against its own arithmetic; its pickles do nothing."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.imports import Imported, due, imported, peer

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.anyio

Filled = tuple[Imported, dict[str, list[str]]]
LEFT_BEHIND = {
    "both",
    "calendar",
    "certain weeks",
    "certain years",
    "combined",
    "foreign",
    "friday the 13th",
    "no JSON",
    "positional",
}


@pytest.fixture(scope="module")
async def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Filled:
    """The import of an SQLite file, and when its jobs are due."""
    return await filled(tmp_path_factory.mktemp("jobs") / "jobs.sqlite")


async def filled(file: Path, zone: str = "UTC") -> Filled:
    """The same for another file."""
    oracle = await peer("apscheduler_jobs", f"sqlite:///{file}", zone=zone)
    return await imported("apscheduler", f"sqlite:///{file}", "--offline", "--unsafe-pickle"), oracle


async def test_every_trigger_is_due_when_apscheduler_has_it_due(sqlite: Filled) -> None:
    run, oracle = sqlite

    assert len(oracle) == 19
    assert due(run, oracle) == oracle


@pytest.mark.parametrize("zone", ["America/New_York", "Asia/Kolkata"])
async def test_every_trigger_keeps_its_zone(zone: str, tmp_path: Path) -> None:
    run, oracle = await filled(tmp_path / "jobs.sqlite", zone)

    assert due(run, oracle) == oracle


async def test_postgres_tells_the_same_story_as_sqlite(sqlite: Filled, empty_url: str) -> None:
    oracle = await peer("apscheduler_jobs", empty_url.replace("postgresql:", "postgresql+psycopg:"))

    run = await imported("apscheduler", empty_url, "--offline", "--unsafe-pickle")

    assert (run.code, run.configs.keys(), run.left.keys()) == (7, sqlite[0].configs.keys(), LEFT_BEHIND)
    assert due(run, oracle) == oracle


async def test_redis_tells_the_same_story_as_sqlite(sqlite: Filled, redis_db: str) -> None:
    parts = urlsplit(redis_db)
    oracle = await peer("apscheduler_jobs", f"redis:{parts.path}:{parse_qs(parts.query)['db'][0]}")

    run = await imported("apscheduler", redis_db, "--offline", "--unsafe-pickle")

    assert (run.code, run.configs.keys(), run.left.keys()) == (7, sqlite[0].configs.keys(), LEFT_BEHIND)
    assert due(run, oracle) == oracle


async def test_policies_are_what_they_were(sqlite: Filled) -> None:
    run, _ = sqlite

    told, patient, plain = (run.configs[name] for name in ("policies", "patient", "at five"))
    assert (told["overlap"], told["catchup"], told["catchup_window_seconds"]) == ("allow_all", "all", 1)
    assert (told["jitter_seconds"], told["description"], told["parameters"]) == (90, "told", {"x": 1})
    assert (plain["overlap"], plain["catchup"], plain["catchup_window_seconds"]) == ("skip", "latest", 60)
    assert (patient["status"], patient["catchup_window_seconds"]) == ("inactive", 31_536_000)


async def test_a_task_may_have_another_name_here(tmp_path: Path) -> None:
    await filled(tmp_path / "jobs.sqlite")
    options = ("--offline", "--unsafe-pickle", "--task-type", "tests.support.peers.apscheduler_jobs:work=echo")

    run = await imported("apscheduler", f"sqlite:///{tmp_path}/jobs.sqlite", *options)

    assert run.left["at five"] == "echo needs message"


async def test_what_has_no_equal_is_named(sqlite: Filled) -> None:
    run, _ = sqlite

    assert run.left.keys() == LEFT_BEHIND
    assert "combines several triggers" in run.left["combined"]
    assert "Decimal" in run.left["no JSON"]
    assert "cron here takes either" in run.left["friday the 13th"]


async def test_without_the_flag_no_pickle_is_read(tmp_path: Path) -> None:
    await filled(tmp_path / "jobs.sqlite")

    run = await imported("apscheduler", f"sqlite:///{tmp_path}/jobs.sqlite", "--offline")

    assert (run.code, run.configs) == (7, {})
    assert set(run.left.values()) == {"is a pickle; --unsafe-pickle reads it"}


async def test_with_the_flag_there_is_a_warning_on_stderr(sqlite: Filled) -> None:
    assert "loading one can run code" in sqlite[0].err


async def test_a_pickle_that_would_run_a_program_is_refused_and_runs_none(tmp_path: Path) -> None:
    proof = tmp_path / "it ran"
    attack = f"cos\nsystem\n(Vtouch '{proof}'\ntR.".encode()
    file = tmp_path / "jobs.sqlite"
    with closing(sqlite3.connect(file)) as database, database:
        database.execute("CREATE TABLE apscheduler_jobs (id TEXT, next_run_time REAL, job_state BLOB)")
        database.execute("INSERT INTO apscheduler_jobs VALUES ('attack', 1, ?)", [attack])

    run = await imported("apscheduler", f"sqlite:///{file}", "--offline", "--unsafe-pickle")

    assert run.left == {"attack": "cannot be read: its pickle needs os.system, which is not loaded for safety"}
    assert not proof.exists()
