"""The suite of tests/chaos/test_faults_under_load.py, for two of its faults."""

from __future__ import annotations

import pytest

from tests.support.fault_outcomes import Outcomes, outcomes
from tests.support.load_faults import FAULTS
from tests.support.waiting import report

__all__ = ["outcomes"]

pytestmark = pytest.mark.timeout(300)

WORST = ("two of three workers killed in turn", "postgres answers cut after the commit")


@pytest.mark.parametrize("fault", WORST)
def test_struck_by_one_of_the_worst_nothing_is_lost_twice_or_stuck(fault: str, outcomes: Outcomes) -> None:
    outcome = outcomes[fault].result()
    report(str(outcome))
    assert outcome.broken == []


def test_the_faults_meant_are_there() -> None:
    assert set(WORST) <= set(FAULTS)
