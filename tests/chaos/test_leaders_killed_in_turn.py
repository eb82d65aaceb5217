"""Five supervisors on one database, leaders killed one after the other: `make chaos`, with `-s` for the figures."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from tests.support.members import (
    Member,
    assert_each_tick_has_one_row,
    fires_again,
    firing,
    kill_the_leader,
    several,
    the_leader,
)
from tests.support.waiting import report

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["several"]

pytestmark = pytest.mark.timeout(200)

TAKE_OVER_SECONDS = 10.0


def test_four_leaders_of_five_killed_in_turn_are_each_succeeded_within_ten_seconds_and_no_tick_is_lost(
    several: Callable[[ExitStack, int], list[Member]],
) -> None:
    with ExitStack() as stack:
        members = several(stack, 5)
        config = firing(the_leader(members))

        taken_over = [kill_the_leader(members, config) for _ in range(4)]
        (last,) = members
        fires_again(last, config, datetime.now(UTC))

        report("\n".join(map(str, taken_over)))
        assert max(each.fired for each in taken_over) < TAKE_OVER_SECONDS
        assert last.leads
        assert_each_tick_has_one_row(last, config)
