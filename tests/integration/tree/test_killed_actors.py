"""Every actor of the real tree may be killed: it is back in plain sight, and no tick is missed."""

from __future__ import annotations

from typing import Any

import anyio
import pytest

from horarium import tree as tree_module
from tests.support.actor_faults import held_back
from tests.support.restarts import ACTORS, BACK, SCHEDULED, comes_back
from tests.support.tree import a_tree
from tests.support.waiting import eventually

pytestmark = pytest.mark.anyio


def node(tree: dict[str, Any], actor: str) -> dict[str, Any]:
    found = [each for each in tree["children"] if each["id"] == actor]
    return found[0] if found else node(next(each for each in tree["children"] if each["id"] == "core"), actor)


def test_the_actors_of_these_tests_are_all_there_are() -> None:
    """Those that run to their end, and the servers, which only the embedded mode has, left out."""
    drawn = tree_module.__doc__

    assert drawn is not None
    assert [actor for actor in ACTORS if f"─ {actor} " not in drawn.replace("\n", " \n")] == []


@pytest.mark.parametrize("actor", ACTORS)
async def test_an_actor_that_is_killed_is_restarted_in_plain_sight_and_no_tick_is_missed(
    emptied_ledger: str, redis_url: str, redis_prefix: str, actor: str
) -> None:
    async with a_tree(emptied_ledger, redis_url, redis_prefix) as house:
        async with comes_back(house, actor) as log:
            house.supervisor.kill(actor)
        shown = node(await house.get("/system/tree"), actor)

    assert log.told == [("child.exited", "error"), SCHEDULED, *BACK]
    (scheduled,) = log.of("child.restart_scheduled")
    assert (scheduled["attempt"], scheduled["restart_total"]) == (1, 1)
    assert (shown["state"], shown["restarts"], shown["incarnation"]) == ("running", 1, 2)
    assert shown["last_exit"]["reason"].startswith("error: ChildKilled(")
    assert shown["last_exit"]["decision"].startswith("restart in ")


async def test_readiness_names_the_actor_that_is_down(emptied_ledger: str, redis_url: str, redis_prefix: str) -> None:
    may_start = anyio.Event()
    async with a_tree(emptied_ledger, redis_url, redis_prefix, change=held_back("cleanup", may_start)) as house:
        house.supervisor.kill("cleanup")

        async def blocked() -> bool:
            answer = await house.call("GET", "/readyz", token=None)
            return answer.status == 503 and answer.body == {"status": "not_ready", "blocked_by": ["cleanup"]}

        await eventually(blocked)
        may_start.set()

        async def ready() -> bool:
            return (await house.call("GET", "/readyz", token=None)).status == 200

        await eventually(ready)
