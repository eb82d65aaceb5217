"""Servers, processes and networks that fail under load: the tasks' own journal finds nothing lost, doubled or stuck.

`make chaos`, with `-s` or `-rP` for the figures. Two dozen executions and more begin every second, and some are in
flight when the fault strikes; ten seconds after it is over everything fires again.
"""

from __future__ import annotations

import pytest

from tests.support.fault_outcomes import Outcomes, outcomes
from tests.support.load_faults import FAULTS
from tests.support.waiting import report

__all__ = ["outcomes"]

pytestmark = pytest.mark.timeout(300)


@pytest.mark.parametrize("fault", FAULTS)
def test_struck_under_load_nothing_is_lost_twice_or_stuck_and_all_fires_again(fault: str, outcomes: Outcomes) -> None:
    outcome = outcomes[fault].result()
    report(str(outcome))
    assert outcome.broken == []
