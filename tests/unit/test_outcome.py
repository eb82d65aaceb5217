"""What becomes of an attempt: final states, retries with bounded backoff, and attempts that were handed back."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from horarium.outcome import (
    JITTER,
    MAX_RETRY_DELAY_SECONDS,
    Attempt,
    HandBack,
    Refused,
    Succeeded,
    Unsuccessful,
    decide,
)

NOON = datetime(2024, 5, 8, 12, tzinfo=UTC)
FAILED = Unsuccessful("failed", "it broke", "a reason")
SPREADS = st.floats(0, 1, exclude_max=True)
BACKOFFS = st.floats(0, 3600)


def attempt(number: int = 1, *, max_retries: int = 0, backoff: float = 10.0) -> Attempt:
    return Attempt(
        execution_id=UUID(int=1),
        attempt=number,
        config_id=7,
        task_type="echo",
        tick_at=NOON,
        timeout_seconds=300.0,
        max_retries=max_retries,
        retry_backoff_seconds=backoff,
        started_at=NOON,
        deadline_at=NOON,
    )


def delay(number: int, *, backoff: float, spread: float = 0.5) -> float:
    ending = decide(attempt(number, max_retries=100, backoff=backoff), FAILED, rand=lambda: spread)
    assert ending.retry_delay is not None
    return ending.retry_delay


def test_a_success_is_final_and_keeps_its_result() -> None:
    ending = decide(attempt(max_retries=5), Succeeded({"answer": 42}))

    assert (ending.status, ending.ended_as, ending.result, ending.error) == ("success", "success", {"answer": 42}, None)
    assert ending.retry_delay is None


def test_what_is_refused_is_a_failure_that_no_retry_follows() -> None:
    ending = decide(attempt(max_retries=5), Refused("not mine", "rejected"))

    assert (ending.status, ending.reason, ending.error, ending.retry_delay) == ("failed", "rejected", "not mine", None)


@pytest.mark.parametrize("status", ["failed", "timeout", "lost"])
def test_without_a_retry_left_a_failure_is_final(status: str) -> None:
    ending = decide(attempt(3, max_retries=2), Unsuccessful(status, "it broke", "a reason"))  # type: ignore[arg-type]

    assert (ending.status, ending.ended_as, ending.reason, ending.error) == (status, status, "a reason", "it broke")
    assert ending.retry_delay is None


@pytest.mark.parametrize("status", ["failed", "timeout", "lost"])
def test_with_a_retry_left_a_failure_waits_and_says_what_it_ended_as(status: str) -> None:
    ending = decide(attempt(2, max_retries=2), Unsuccessful(status, "it broke"))  # type: ignore[arg-type]

    assert (ending.status, ending.ended_as, ending.error) == ("retrying", status, "it broke")


def test_a_handed_back_attempt_is_pending_again_and_costs_no_retry() -> None:
    ending = decide(attempt(1, max_retries=0), HandBack("worker_stopped"))

    assert (ending.status, ending.ended_as, ending.reason) == ("pending", "cancelled", "worker_stopped")


def test_each_delay_is_twice_the_one_before() -> None:
    assert [delay(number, backoff=10) for number in range(1, 6)] == [10, 20, 40, 80, 160]


@given(number=st.integers(1, 100), backoff=BACKOFFS, spread=SPREADS)
def test_a_delay_stays_within_its_jitter_and_its_cap(number: int, backoff: float, spread: float) -> None:
    plain = min(backoff * 2 ** (number - 1), MAX_RETRY_DELAY_SECONDS)

    found = delay(number, backoff=backoff, spread=spread)

    assert plain * (1 - JITTER) - 1e-6 <= found <= plain * (1 + JITTER) + 1e-6


@given(number=st.integers(1, 99), backoff=BACKOFFS, spread=SPREADS)
def test_a_later_attempt_never_waits_less(number: int, backoff: float, spread: float) -> None:
    assert delay(number, backoff=backoff, spread=spread) <= delay(number + 1, backoff=backoff, spread=spread)


@given(number=st.integers(1, 101), retries=st.integers(0, 100))
def test_an_execution_has_one_attempt_more_than_retries(number: int, retries: int) -> None:
    ending = decide(attempt(number, max_retries=retries), FAILED)

    assert (ending.status == "failed") == (number > retries)


def test_an_attempt_that_was_handed_back_uses_up_no_retry() -> None:
    handed_back_once = replace(attempt(2, max_retries=1), handed_back=1)

    ending = decide(handed_back_once, FAILED, rand=lambda: 0.5)

    assert (ending.status, ending.retry_delay) == ("retrying", 10.0)
