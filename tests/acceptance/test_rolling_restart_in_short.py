"""The suite of tests/chaos/test_rolling_restart.py, in short: two workers, each replaced once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.crash_run import Servers
from tests.support.rolling import roll
from tests.support.waiting import report

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

pytestmark = pytest.mark.timeout(300)


def test_two_workers_replaced_in_turn_under_load_run_every_tick_exactly_once(
    server_portal: BlockingPortal, postgres_url: str, template_database: str, redis_url: str
) -> None:
    rolled = roll(Servers(server_portal, postgres_url, template_database, redis_url), workers=2, rounds=1)

    report(str(rolled))
    assert rolled.broken == []
