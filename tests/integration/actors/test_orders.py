"""What a worker was told: it is read from its row, a row that is missing says nothing, and rows of the gone expire."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from horarium.actors.cleanup import BEATS_SECONDS
from horarium.tasks.orders import Orders

if TYPE_CHECKING:
    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio


async def told(rig: Rig, worker: str, state: str, *, heard_ago: float = 0.0) -> None:
    await rig.sql(
        "INSERT INTO worker_orders (worker, state, given_by, heard_at)"
        " VALUES ($1, $2, 'a test', clock_timestamp() - make_interval(secs => $3))"
        " ON CONFLICT (worker) DO UPDATE SET state = excluded.state",
        worker,
        state,
        heard_ago,
    )


async def test_a_worker_that_was_told_nothing_runs(rig: Rig) -> None:
    orders = Orders(rig.database, "w")
    await orders.heed()

    assert orders.order == "running"


async def test_a_worker_goes_on_as_it_was_told_when_the_row_is_lost(rig: Rig) -> None:
    orders = Orders(rig.database, "w")
    await told(rig, "w", "paused")
    await orders.heed()
    await rig.sql("DELETE FROM worker_orders")

    await orders.heed()

    assert orders.order == "paused"


async def test_a_worker_that_reads_its_orders_keeps_them_from_expiring_and_those_of_the_gone_go(rig: Rig) -> None:
    await told(rig, "alive", "paused", heard_ago=2 * BEATS_SECONDS)
    await told(rig, "gone", "paused", heard_ago=2 * BEATS_SECONDS)
    await told(rig, "new", "paused")

    await Orders(rig.database, "alive").heed()
    await rig.cleanup().step()

    async with rig.database.connection() as connection:
        left = [row["worker"] for row in await connection.fetch("SELECT worker FROM worker_orders ORDER BY worker")]
    assert left == ["alive", "new"]
