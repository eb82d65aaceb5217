"""Giving room costs what there is room for, however many wait: ten thousand of them are not read each time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from horarium.sql.queries import QUERIES
from tests.support.limited import limit

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.rig import Rig

pytestmark = pytest.mark.anyio

MANY = 10_000
ROWS = """
INSERT INTO executions (
    id, task_type, trigger, status, limited, admitted, queue, priority, timeout_seconds, max_retries,
    retry_backoff_seconds, scheduler_type, reason
)
SELECT gen_random_uuid(), $1, 'manual', $2, $3, $4, $5, n % 3, 60, 0, 0, 'manual', 'limited'
FROM generate_series(1, $6::integer) AS n
"""
BIG, SMALL = ("echo", "default"), ("sleep", "default")


async def waiting(rig: Rig, line: tuple[str, str], many: int) -> None:
    await rig.sql(ROWS, line[0], "pending", True, None, line[1], many)


async def running(rig: Rig, line: tuple[str, str], many: int) -> None:
    await rig.sql(ROWS, line[0], "running", False, 1, line[1], many)


async def rows_read(rig: Rig, name: str, **values: object) -> float:
    """How many rows a query's plan has read in all its nodes, and thrown away."""
    query = {query.name: query for query in QUERIES.all()}[name]
    async with rig.database.connection() as connection:
        (plan,) = await connection.fetchval("EXPLAIN (ANALYZE, FORMAT JSON) " + query.sql, *query._ordered(values))
    return sum(_read(node) for node in _nodes(plan["Plan"]))


def _nodes(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", ()):
        yield from _nodes(child)


def _read(node: dict[str, Any]) -> float:
    removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
    return float(node["Actual Loops"] * (node["Actual Rows"] + removed)) if node.get("Relation Name") else 0.0


@pytest.fixture
async def many_waiting(rig: Rig) -> Rig:
    """Ten thousand of one type, a few of another, and three that run."""
    await limit(rig, "task_type", "echo", max_running=3)
    await waiting(rig, BIG, MANY)
    await waiting(rig, SMALL, 5)
    await running(rig, BIG, 3)
    return rig


async def test_the_lines_are_found_by_a_look_for_each(many_waiting: Rig) -> None:
    assert await rows_read(many_waiting, "limit_lines") <= 4


async def test_as_many_are_read_as_there_is_room_for(many_waiting: Rig) -> None:
    heads = {"task_types": ["echo", "sleep"], "queues": ["default", "default"], "counts": [2, 3]}

    assert await rows_read(many_waiting, "limit_heads", **heads) <= 5


async def test_what_has_room_is_counted_without_those_who_wait(many_waiting: Rig) -> None:
    keys = {"kinds": ["task_type", "queue"], "names": ["echo", "default"]}

    assert await rows_read(many_waiting, "limit_usage", **keys, besides=[], reserved_seconds=10.0) <= 6
