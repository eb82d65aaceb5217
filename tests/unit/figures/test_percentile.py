"""The value below which a share of some values lies, as Postgres' percentile_cont has it. Pure."""

from __future__ import annotations

import pytest

from horarium.figures import percentile


@pytest.mark.parametrize(
    ("values", "share", "found"),
    [
        ([], 0.5, None),
        ([3.0], 0.95, 3.0),
        ([1.0, 2.0], 0.5, 1.5),
        ([1.0, 2.0, 3.0], 0.5, 2.0),
        ([float(each) for each in range(101)], 0.95, 95.0),
        ([0.0, 10.0], 1.0, 10.0),
    ],
)
def test_it_lies_between_the_two_values_around_it(values: list[float], share: float, found: float | None) -> None:
    assert percentile(values, share) == found
