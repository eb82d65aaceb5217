"""A list costs a handful of calls, however long it is: nothing is asked for one item after the other."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from uuid_utils.compat import uuid7

from tests.support.counting import Costs

if TYPE_CHECKING:
    from tests.support.tree import House

pytestmark = pytest.mark.anyio

CONFIGS = 200
DAILY = {"scheduler_type": "cron", "schedule_config": {"cron_expression": "0 6 * * *"}}


@pytest.fixture(scope="module")
async def busy_house(house: House) -> House:
    """A house with many configs, each scheduled and with an execution that has ended and one in flight."""
    ids = [await house.config(**DAILY) for _ in range(CONFIGS)]
    for status in ("success", "queued"):
        await house.sql(
            "INSERT INTO executions (id, config_id, task_type, trigger, status, queue, priority, timeout_seconds, "
            "max_retries, retry_backoff_seconds, scheduler_type, queued_at, completed_at) "
            "SELECT x.id, x.config, 'echo', 'manual', $3, 'nowhere', 5, 60, 0, 0, 'cron', now(), "
            "CASE $3 WHEN 'success' THEN now() END FROM unnest($1::uuid[], $2::bigint[]) AS x (id, config)",
            [uuid7() for _ in ids],
            ids,
            status,
        )
    return house


@pytest.fixture
async def costs(busy_house: House, monkeypatch: pytest.MonkeyPatch) -> Costs:
    """What a request costs whose caller is known already."""
    await busy_house.get("/auth/me")
    return Costs(busy_house, monkeypatch)


@pytest.mark.parametrize(
    ("path", "statements", "commands"),
    [
        ("/task-configs", 2, 2),
        ("/task-configs?sort=-name&q=config", 2, 2),
        ("/executions", 2, 1),
        ("/executions?status=success&trigger=manual", 2, 1),
        ("/executions/active", 2, 1),
    ],
)
async def test_two_hundred_items_cost_as_many_calls_as_two(
    costs: Costs, path: str, statements: int, commands: int
) -> None:
    """One of the commands asks for the caller."""
    path, _, query = path.partition("?")
    filters = dict(pair.split("=") for pair in query.split("&") if pair)

    short, cost_of_short = await costs.get(path, limit=2, **filters)
    long, cost_of_long = await costs.get(path, limit=CONFIGS, **filters)

    assert (len(short.body["items"]), len(long.body["items"])) == (2, CONFIGS)
    assert cost_of_short.calls == cost_of_long.calls == (statements, commands)


async def test_each_config_of_a_long_list_has_its_next_run_and_its_last_execution(busy_house: House) -> None:
    """What the few calls are for."""
    page = await busy_house.get("/task-configs", limit=CONFIGS)

    assert {each["last_execution"]["status"] for each in page["items"]} == {"queued"}
    assert {each["next_run_at"][10:] for each in page["items"]} == {"T06:00:00Z"}


async def test_a_detail_with_everything_costs_a_handful_of_calls(costs: Costs) -> None:
    page, _ = await costs.get("/task-configs", limit=1)

    path = f"/task-configs/{page.body['items'][0]['id']}"
    _, cost = await costs.get(path, verify_scheduler_status="true", include_stats="true")

    assert cost.calls == (2, 4)
