"""Every actor of the real tree may fail to start: it is tried again in plain sight, and no tick is missed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from structlog.testing import capture_logs

from tests.support.actor_faults import failing_to_start
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
async def test_an_actor_that_fails_to_start_is_tried_again_and_no_tick_is_missed(
    emptied_ledger: str, redis_url: str, redis_prefix: str, actor: str
) -> None:
    async with a_tree(emptied_ledger, redis_url, redis_prefix, change=failing_to_start(actor)) as house:
        # given
        config = await ticking(house)

        # when
        with capture_logs() as logs:
            killed_at = datetime.now(UTC)
            house.supervisor.kill(actor)
            await back(house, actor, restarts=2)

        # then
        await assert_no_tick_was_lost(house, config, killed_at)
        assert told_of(actor, logs) == [
            ("child.exited", "error"),
            SCHEDULED,
            ("child.exited", "error"),
            SCHEDULED,
            *BACK,
        ]
        assert_back_within_its_backoff(actor, logs)
        reasons = [line["reason"] for line in lines_of(actor, "child.exited", logs)]
        assert reasons == ["error", "start_failed"]
