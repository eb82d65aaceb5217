"""Every actor of the real tree may fail to start: it is tried again in plain sight, and no tick is missed."""

from __future__ import annotations

import pytest

from tests.support.actor_faults import failing_to_start
from tests.support.restarts import ACTORS, BACK, SCHEDULED, comes_back
from tests.support.tree import a_tree

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("actor", ACTORS)
async def test_an_actor_that_fails_to_start_is_tried_again_and_no_tick_is_missed(
    emptied_ledger: str, redis_url: str, redis_prefix: str, actor: str
) -> None:
    async with (
        a_tree(emptied_ledger, redis_url, redis_prefix, change=failing_to_start(actor)) as house,
        comes_back(house, actor, restarts=2) as log,
    ):
        house.supervisor.kill(actor)

    assert log.told == [("child.exited", "error"), SCHEDULED, ("child.exited", "error"), SCHEDULED, *BACK]
    assert [line["reason"] for line in log.of("child.exited")] == ["error", "start_failed"]
