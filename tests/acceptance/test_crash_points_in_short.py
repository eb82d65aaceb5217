"""The suite of tests/chaos/test_crash_points.py, for a few places: the worst ones, and a test of the suite."""

from __future__ import annotations

import pytest

from tests.support.crash_names import Place, in_the_package
from tests.support.crash_outcomes import Outcomes, outcomes
from tests.support.waiting import report

__all__ = ["outcomes"]

pytestmark = pytest.mark.timeout(300)

WORST = {
    "dispatcher.ticks_inserted": "rows written, and rolled back",
    "dispatcher.ticks_committed": "rows without a message",
    "dispatcher.published": "messages whose rows do not know it, and an index that is behind",
    "lifecycle.run_committed": "a run that nobody was told of, and nobody was answered about",
    "receiver.ran": "work done that nobody knows of",
}
PLACES = [place for place in in_the_package() if place.name in WORST]


@pytest.mark.parametrize("place", PLACES, ids=[str(place.name) for place in PLACES])
def test_killed_at_one_of_the_worst_places_nothing_is_lost_twice_or_stuck(place: Place, outcomes: Outcomes) -> None:
    outcome = outcomes[place].result()
    report(str(outcome))
    assert outcome.verdict.faults == ()
    assert outcome.broken_answers == ()
    assert outcome.left != 0
    assert outcome.in_flight > 0


def test_the_places_meant_are_there() -> None:
    assert {place.name for place in PLACES} == set(WORST)
