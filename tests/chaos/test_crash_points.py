"""Supervisor or worker killed at every crash point in the source: the tasks' own journal finds nothing lost or doubled.

`make chaos`, with `-s` or `-rP` for the figures. A new crash point is one more test here by itself; if nothing of the
load leads to it, that test says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.crash_names import Place, in_the_package
from tests.support.crash_outcomes import Outcomes, outcomes
from tests.support.waiting import report

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["outcomes"]

pytestmark = pytest.mark.timeout(300)

PLACES = in_the_package()

BEFORE_WORK = {"cleanup"}
"""What a new leader does before it dispatches anything."""


def names(places: Iterable[Place]) -> list[str]:
    return [str(place.name) for place in places]


def test_every_crash_point_has_a_test_of_its_own() -> None:
    """A name that stood in two places, or was computed, would be killed at in one of them only, or nowhere."""
    assert len(set(names(PLACES))) == len(PLACES) >= 30
    assert None not in {place.name for place in PLACES}


@pytest.mark.parametrize("place", PLACES, ids=names(PLACES))
def test_killed_at_this_place_under_load_nothing_is_lost_twice_or_stuck(place: Place, outcomes: Outcomes) -> None:
    outcome = outcomes[place].result()
    report(str(outcome))
    assert outcome.verdict.faults == ()
    assert outcome.broken_answers == ()
    assert outcome.left != 0
    assert outcome.in_flight > 0 or place.room in BEFORE_WORK
