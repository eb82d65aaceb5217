"""Three workers under load, each drained and replaced, three times over: `make chaos`, with `-s` for the figures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.crash_run import Servers
from tests.support.rabbitmq import rabbitmq
from tests.support.rolling import roll
from tests.support.waiting import report

if TYPE_CHECKING:
    from anyio.from_thread import BlockingPortal

    from tests.support.rabbitmq import RabbitMQ

__all__ = ["rabbitmq"]

pytestmark = pytest.mark.timeout(300)

WORKERS = 3
ROUNDS = 3


@pytest.fixture
def servers(server_portal: BlockingPortal, postgres_url: str, template_database: str, redis_url: str) -> Servers:
    return Servers(server_portal, postgres_url, template_database, redis_url)


def test_workers_replaced_in_turn_under_load_run_every_tick_exactly_once(servers: Servers) -> None:
    rolled = roll(servers, workers=WORKERS, rounds=ROUNDS)

    report(str(rolled))
    assert rolled.broken == []


def test_workers_replaced_in_turn_under_load_on_rabbitmq_run_every_tick_exactly_once(
    servers: Servers, rabbitmq: RabbitMQ
) -> None:
    rolled = roll(servers, workers=WORKERS, rounds=ROUNDS, broker_url=rabbitmq.url)

    report(str(rolled))
    assert rolled.broken == []
