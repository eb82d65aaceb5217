"""What a worker enters into the timeout index, and what it spares it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, cast
from uuid import UUID

import pytest

from horarium.outcome import Attempt
from horarium.sql.executions import Claim
from horarium.tasks.deadlines import Deadlines

if TYPE_CHECKING:
    from collections.abc import Sequence

    from horarium.keyspace.timeouts import TimeoutIndex, Watch

pytestmark = pytest.mark.anyio

NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)
SHORT, LONG = UUID(int=1), UUID(int=2)


@dataclass
class RecordingIndex:
    """Notes what goes in and out, in order."""

    calls: list[tuple[str, UUID]] = field(default_factory=list)

    async def watch(self, watches: Sequence[Watch]) -> None:
        self.calls += [("in", each.execution_id) for each in watches]

    async def unwatch(self, execution_ids: Sequence[UUID]) -> None:
        self.calls += [("out", each) for each in execution_ids]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def index() -> RecordingIndex:
    return RecordingIndex()


@pytest.fixture
def deadlines(index: RecordingIndex) -> Deadlines:
    return Deadlines(cast("TimeoutIndex", index))


async def test_what_ends_before_the_index_follows_is_never_entered(index: RecordingIndex, deadlines: Deadlines) -> None:
    deadlines.begun([attempt(SHORT), attempt(LONG)])
    deadlines.over([Claim(SHORT, 1)])

    await deadlines.follow()
    await deadlines.follow()

    assert index.calls == [("in", LONG)]


async def test_what_was_entered_is_taken_out_once(index: RecordingIndex, deadlines: Deadlines) -> None:
    deadlines.begun([attempt(LONG)])
    await deadlines.follow()

    deadlines.over([Claim(LONG, 1)])
    await deadlines.follow()
    await deadlines.follow()

    assert index.calls == [("in", LONG), ("out", LONG)]


async def test_a_retry_that_begins_as_its_first_try_ends_stays_entered(
    index: RecordingIndex, deadlines: Deadlines
) -> None:
    """The index knows executions, not attempts: out goes before in."""
    deadlines.begun([attempt(LONG)])
    await deadlines.follow()

    deadlines.over([Claim(LONG, 1)])
    deadlines.begun([attempt(LONG, 2)])
    await deadlines.follow()

    assert index.calls == [("in", LONG), ("out", LONG), ("in", LONG)]


def attempt(execution_id: UUID, number: int = 1) -> Attempt:
    return Attempt(execution_id, number, None, "noop", None, 300.0, 0, 10.0, NOON, NOON)
