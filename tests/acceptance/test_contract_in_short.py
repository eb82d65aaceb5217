"""The run of tests/fuzz/test_contract.py with a budget of a minute."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.fuzzing import fuzz
from tests.support.waiting import report

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)

SECONDS = 35


def test_no_request_is_answered_otherwise_than_documented(data_dir: Path) -> None:
    fuzzed = fuzz(data_dir, seconds=SECONDS)

    report(f"{fuzzed.requests} requests, {fuzzed.said.rpartition('Test cases:')[2].strip()}")
    assert fuzzed.code == 0, fuzzed.said
    assert fuzzed.errors == []
    assert fuzzed.requests >= 200
