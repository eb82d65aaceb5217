"""What became of each fault that a test file asks for: houses run side by side, and tests wait for theirs."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from tests.support.fault_run import Outcome, struck_by

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["Outcomes", "outcomes"]

LANES = 2
"""Houses at a time: each is a load, and has servers of its own."""

Outcomes = dict[str, Future[Outcome]]


@pytest.fixture(scope="module")
def outcomes(request: pytest.FixtureRequest) -> Iterator[Outcomes]:
    """The outcome to come for each `fault` that a selected test of the file has as its parameter."""
    cases = [getattr(item, "callspec", None) for item in request.session.items if item.path == request.path]
    faults = [case.params["fault"] for case in cases if case is not None and "fault" in case.params]
    with ThreadPoolExecutor(LANES, thread_name_prefix="house") as lanes:
        yield {fault: lanes.submit(struck_by, fault) for fault in faults}
        lanes.shutdown(cancel_futures=True)
