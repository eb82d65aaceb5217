"""What is counted of the stream, and by whom."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from horarium.keyspace.event_stream import Entry, EventId
from horarium.measures import Measures


class StandsBy:
    leads = False


def execution(status: str, **told: object) -> Entry:
    data = {"status": status, "attempt": 1, "tick_at": None, **told}
    return Entry(EventId(1, 1), "execution:7", orjson.dumps(data))


def value(measures: Measures, name: str, **labels: str) -> float:
    return measures.registry.get_sample_value(f"horarium_{name}", labels) or 0.0


@pytest.mark.parametrize("status", ["success", "failed", "timeout", "cancelled", "lost"])
def test_each_final_state_is_counted(status: str) -> None:
    measures = Measures()

    measures.told([execution(status, duration_seconds=2.0), execution(status)])

    assert value(measures, "executions_total", status=status) == 2
    assert value(measures, "run_seconds_sum", status=status) == 2.0


def test_a_stretch_of_skipped_ticks_counts_as_its_ticks() -> None:
    measures = Measures()

    measures.told([execution("skipped", reason="missed_window", tick_count=40), execution("skipped", reason="paused")])

    assert value(measures, "ticks_skipped_total", reason="missed_window") == 40
    assert value(measures, "ticks_skipped_total", reason="paused") == 1


def test_only_the_first_start_of_a_tick_is_late() -> None:
    """A later attempt, a run by hand and a backfill say nothing of it."""
    measures = Measures()

    measures.told([execution("running", lateness_seconds=0.02), execution("running", attempt=2), execution("pending")])

    assert value(measures, "tick_lateness_seconds_count", stage="started") == 1


def test_who_stands_by_counts_nothing_of_what_all_processes_tell() -> None:
    """Summed over all supervisors, each figure is there once."""
    leads: Any = StandsBy()
    measures = Measures(leads)

    measures.told([execution("success")])

    assert value(measures, "executions_total", status="success") == 0


def test_what_is_no_execution_is_not_counted() -> None:
    measures = Measures()

    measures.told([Entry(EventId(1, 1), "supervision", b"{}"), Entry(EventId(1, 2), "", b"no json")])

    assert value(measures, "executions_total", status="success") == 0
