"""`horarium workers` as a user has it: who is there, and what they are told."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration.client.test_commands import login, run
from tests.support.beating import a_beating_worker

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.tree import House

__all__ = ["login"]

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(180)]


async def kept_alive(house: House, worker_id: str) -> dict[str, Any]:
    """A worker as the API shows it, its heartbeat renewed so that a slow command still finds it."""
    name = house.resources.keys.worker(worker_id)
    await house.resources.redis.persist(name)
    return dict(await house.get(f"/system/workers/{worker_id}"))


async def test_workers_are_listed_and_told_by_the_beginning_of_their_ids(house: House, login: Path) -> None:
    worker_id = await a_beating_worker(house)
    await kept_alive(house, worker_id)
    beginning = worker_id[: len("host.example:1:") + 12]

    paused = await run("workers", "pause", beginning, config_dir=login)
    table = await run("workers", "list", config_dir=login)
    lines = await run("workers", "list", "--json", config_dir=login)

    assert (paused.code, paused.out) == (0, f"Told {worker_id}, which is pausing.\n")
    heading, *rows = table.out.splitlines()
    assert heading.split()[:2] == ["WORKER", "STATE"]
    (row,) = [row for row in rows if row.startswith(worker_id)]
    assert row.split()[1:5] == ["pausing", "0", "of", "10"]
    shown = {each["id"]: each for each in map(json.loads, lines.out.splitlines())}
    assert shown[worker_id]["state"] == "pausing"


async def test_a_word_that_means_no_worker_is_code_5_and_one_that_means_several_is_refused(
    house: House, login: Path
) -> None:
    for _ in range(2):
        await kept_alive(house, await a_beating_worker(house))

    unknown = await run("workers", "drain", "nobody", config_dir=login)
    several = await run("workers", "drain", "host.example:", config_dir=login)

    assert (unknown.code, unknown.out) == (5, "")
    assert several.code == 1
    assert "is the beginning of" in several.err


async def test_an_order_that_changes_nothing_is_refused(house: House, login: Path) -> None:
    worker_id = await a_beating_worker(house)
    await kept_alive(house, worker_id)

    resumed = await run("workers", "resume", worker_id, "--json", config_dir=login)

    assert (resumed.code, resumed.out) == (1, "")
    assert "running already" in resumed.err
