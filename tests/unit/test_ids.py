"""An instant as a place among the ids of executions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

from uuid_utils.compat import uuid7

from horarium.ids import least_id

SECOND = timedelta(seconds=1)


def test_an_id_lies_after_every_instant_before_it_was_made_and_before_every_one_after() -> None:
    now = datetime.now(UTC)

    assert least_id(now - SECOND) < uuid7() < least_id(now + SECOND)


def test_before_the_epoch_is_before_every_id() -> None:
    assert least_id(datetime(1969, 1, 1, tzinfo=UTC)) == UUID(int=0)
