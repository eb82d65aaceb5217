"""`horarium limits` as an operator has it: processes, what they print, how they end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.integration.client.test_commands import login, run

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["login"]

pytestmark = pytest.mark.anyio


async def test_a_limit_is_set_listed_and_removed(login: Path) -> None:
    key = ("task_type", "app:send/all")
    made = await run("limits", "set", *key, "--max-running", "3", "--rate", "10/m", config_dir=login)
    listed = await run("limits", "list", config_dir=login)
    removed = await run("limits", "remove", *key, config_dir=login)

    assert (made.out, made.err) == ("Set the limit of task_type app:send/all: 3 running, 10 in 60 s.\n", "")
    (line,) = [line for line in listed.out.splitlines() if "app:send/all" in line]
    assert line.split()[:9] == [*key, "3", "10", "in", "60", "s", "0", "0"]
    assert (removed.code, removed.out) == (0, "Removed the limit of task_type app:send/all.\n")


async def test_a_limit_that_limits_nothing_is_refused_with_its_field(login: Path) -> None:
    refused = await run("limits", "set", "queue", "nobodys", config_dir=login)

    assert refused.code == 1
    assert "max_running: give max_running" in refused.err
