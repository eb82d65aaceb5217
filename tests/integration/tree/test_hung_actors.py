"""Every actor of the real tree may hang: it is told with its stack and back in plain sight, and no tick is missed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from tests.support.actor_faults import HANGS, watched_closely
from tests.support.restarts import (
    ACTORS,
    BACK,
    SCHEDULED,
    assert_back_within_its_backoff,
    assert_no_tick_was_lost,
    back,
    lines_of,
    ticking,
    told_of,
)
from tests.support.tree import a_tree

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(40)]


@pytest.mark.parametrize("actor", ACTORS)
async def test_an_actor_that_hangs_is_cancelled_with_its_stack_in_the_log_and_no_tick_is_missed(
    emptied_ledger: str, redis_url: str, redis_prefix: str, actor: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    hang = HANGS[actor](monkeypatch)
    async with a_tree(emptied_ledger, redis_url, redis_prefix, change=watched_closely(actor)) as house:
        # given
        config = await ticking(house)

        # when
        with capture_logs() as logs:
            hung_at = datetime.now(UTC)
            hang.strike(house)
            await hang.struck.wait()
            await back(house, actor, restarts=1)

        # then
        await assert_no_tick_was_lost(house, config, hung_at)
        assert told_of(actor, logs) == [("child.hung", "error"), ("child.exited", "error"), SCHEDULED, *BACK]
        assert_back_within_its_backoff(actor, logs)
        (hung,) = lines_of(actor, "child.hung", logs)
        assert hung["silent_ms"] >= 1000
        assert f"actors/{actor}.py" in hung["stack"]
        (exited,) = lines_of(actor, "child.exited", logs)
        assert exited["reason"] == "watchdog"
