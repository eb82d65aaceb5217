"""What a worker's actor does beside receiving: it asks again and again, and says once that nobody answers."""

from __future__ import annotations

import asyncio
from unittest.mock import AsyncMock

import pytest
import structlog

from horarium.actors.worker import _repeat
from horarium.errors import Unavailable

pytestmark = pytest.mark.anyio

AWAY = Unavailable("Postgres")


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_server_that_is_away_is_told_of_once_until_it_has_been_back() -> None:
    step = AsyncMock(side_effect=[AWAY, AWAY, AWAY, None, AWAY, asyncio.CancelledError])

    with structlog.testing.capture_logs() as lines, pytest.raises(asyncio.CancelledError):
        await _repeat(step, 0)

    assert [line["event"] for line in lines] == ["ledger.unheard", "ledger.unheard"]
    assert step.await_count == 6
