"""Every actor of the real tree may hang: it is told with its stack and back in plain sight, and no tick is missed."""

from __future__ import annotations

import pytest

from tests.support.actor_faults import HANGS, WATCHDOG_SECONDS, watched_closely
from tests.support.restarts import ACTORS, BACK, SCHEDULED, comes_back
from tests.support.tree import a_tree

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("actor", ACTORS)
async def test_an_actor_that_hangs_is_cancelled_with_its_stack_in_the_log_and_no_tick_is_missed(
    emptied_ledger: str, redis_url: str, redis_prefix: str, actor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = HANGS[actor](monkeypatch)

    async with (
        a_tree(emptied_ledger, redis_url, redis_prefix, change=watched_closely(actor)) as house,
        comes_back(house, actor) as log,
    ):
        hang.strike(house)
        await hang.struck.wait()

    assert log.told == [("child.hung", "error"), ("child.exited", "error"), SCHEDULED, *BACK]
    (hung,) = log.of("child.hung")
    assert hung["silent_ms"] >= WATCHDOG_SECONDS * 1000
    assert f"actors/{actor}.py" in hung["stack"]
    (exited,) = log.of("child.exited")
    assert exited["reason"] == "watchdog"
