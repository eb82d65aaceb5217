"""Thousands of requests made from openapi.json, good and bad, alone and in sequence: the API is as it says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.fuzzing import fuzz
from tests.support.servers import temporary_data_dir
from tests.support.waiting import report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(600)

SECONDS = 300


@pytest.fixture
def data_dir() -> Iterator[Path]:
    with temporary_data_dir() as path:
        yield path


def test_no_request_of_thousands_is_answered_otherwise_than_documented(data_dir: Path) -> None:
    """No 5xx, no status, field or shape beside the document, no bad input accepted, no call without its token."""
    fuzzed = fuzz(data_dir, seconds=SECONDS)

    report(f"{fuzzed.requests} requests, {fuzzed.said.rpartition('Test cases:')[2].strip()}")
    assert fuzzed.code == 0, fuzzed.said
    assert fuzzed.errors == []
    assert fuzzed.requests >= 5_000
