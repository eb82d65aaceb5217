"""Where guesses are counted, an address of IPv6 stands for its site."""

from __future__ import annotations

import pytest

from horarium.identity.throttle import site_of


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
        ("", ""),
    ],
)
def test_guesses_from_one_site_of_ipv6_are_counted_together(address: str, counted: str) -> None:
    assert site_of(address) == counted
